"""The optimiser loop of language models. A method says what to learn from at each step, and the loss."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..config import Optimisation
from ..errors import Diverged
from ..maths.losses import Metrics
from ..maths.products import unchanged_weights
from ..models.batching import seed_of
from ..models.network import Network
from ..run import Run

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Collected:
    """What one step learns from: batches, one optimiser update each, cut into micro-batches.

    `metrics` are known before the update (a rollout's score); `tokens` counts what the models read.
    """

    batches: Iterable[list[Any]]
    tokens: int
    metrics: dict[str, float] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """A way to learn. `networks` are trained; `state` is what else a checkpoint must hold."""

    networks: Mapping[str, Network]
    steps: int
    state: dict[str, float]

    def collect(self, step: int) -> Collected: ...

    def loss(self, micro: Any) -> tuple[Tensor, Metrics]:
        """A micro-batch's share of the batch's loss: shares add up, whatever the cut."""
        ...


Probe = Callable[[int], Mapping[str, Any]]
"""Measures the networks as they are after a step; the result becomes a row of metrics.jsonl."""


class Look(NamedTuple):
    """A probe, and the steps after which it is called, by how many there are in all; 0 is before the first."""

    probe: Probe
    at: Callable[[int], Collection[int]]


@dataclass
class Position:
    """How far training has come."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def train(
    method: Method,
    config: Optimisation,
    run: Run,
    stage: str,
    *,
    looks: Sequence[Look] = (),
) -> None:
    """Trains to the last step, from the last checkpoint if there is one; `Run.stage` clears it away when done.

    Raises Diverged if a loss or gradient is no longer finite; the last checkpoint stays.
    """
    checkpoint = run.stage_folder(stage) / "checkpoint" / "state.safetensors"
    optimiser = torch.optim.AdamW(_parameters(method), lr=0.0, weight_decay=0.0, fused=True)
    at = _restore(checkpoint, method, optimiser)
    run.rewind(stage, at.step if at.step else -1)
    due = [(look.probe, frozenset(look.at(method.steps))) for look in looks]

    def probe(at: Position) -> None:
        for one, steps in due:
            if at.step in steps:
                run.log(stage, at.step, tokens=at.tokens, seconds=round(at.seconds, 3), **one(at.step))

    if at.step == 0:
        probe(at)
    with run.progress(stage, method.steps, at.step) as tick:
        for step in range(at.step + 1, method.steps + 1):
            begin = time.monotonic()
            rate = config.learning_rate * schedule((step - 1) / method.steps, config.warmup_fraction)
            torch.manual_seed(seed_of(run.seed, stage, step))
            metrics, tokens = _step(method, optimiser, rate, config.max_grad_norm, step)
            at = Position(step, at.tokens + tokens, at.seconds + time.monotonic() - begin)
            _check_finite(metrics, stage, step)
            run.log(stage, step, tokens=at.tokens, seconds=round(at.seconds, 3), **metrics)
            probe(at)
            if step % config.checkpoint_every == 0 or step == method.steps:
                _save(checkpoint, method, optimiser, at)
            tick(step, note=_note(metrics))


def schedule(progress: float, warmup: float) -> float:
    """Share of the peak rate: rises linearly over `warmup`, then falls along a half cosine to a tenth."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _step(
    method: Method, optimiser: torch.optim.Optimizer, rate: float, max_norm: float, step: int
) -> tuple[dict[str, float], int]:
    collected = method.collect(step)
    totals: dict[str, Tensor] = {}
    updates = 0
    for group in optimiser.param_groups:
        group["lr"] = rate
    for batch in collected.batches:
        optimiser.zero_grad(set_to_none=True)
        with unchanged_weights():
            for micro in batch:
                loss, shares = method.loss(micro)
                loss.backward()  # type: ignore[no-untyped-call]
                _add(totals, shares)
        for name, network in method.networks.items():
            norm = torch.nn.utils.clip_grad_norm_(network.trained.values(), max_norm)
            _add(totals, {"grad_norm" if name == "policy" else f"{name}_grad_norm": norm})
        optimiser.step()
        updates += 1
    means = {name: float(total) / updates for name, total in totals.items()}
    return {**collected.metrics, **means, "learning_rate": rate}, collected.tokens


def _add(totals: dict[str, Tensor], shares: Mapping[str, Tensor]) -> None:
    for name, share in shares.items():
        totals[name] = totals[name] + share if name in totals else share


def _parameters(method: Method) -> list[torch.nn.Parameter]:
    return [p for network in method.networks.values() for p in network.trained.values()]


def _check_finite(metrics: Mapping[str, float], stage: str, step: int) -> None:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise Diverged(
            f"{stage}: {bad[0]} is {metrics[bad[0]]} at step {step}; start anew with a lower learning_rate "
            "and another --out"
        )


def _note(metrics: Mapping[str, float]) -> str:
    shown = ("loss", "accuracy", "score", "kl_nats")
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in shown if name in metrics)


def _save(file: Path, method: Method, optimiser: torch.optim.Optimizer, at: Position) -> None:
    """One file, written beside and moved into place: a kill leaves the old checkpoint or the new one."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in _named(method):
        tensors[f"weight/{name}"] = parameter.detach()
        for key, value in optimiser.state[parameter].items():
            tensors[f"{key}/{name}"] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".partial")
    known = {"at": json.dumps(asdict(at)), "method": json.dumps(method.state)}
    save_file({name: t.contiguous() for name, t in tensors.items()}, beside, metadata=known)
    beside.replace(file)


def _restore(file: Path, method: Method, optimiser: torch.optim.Optimizer) -> Position:
    if not file.exists():
        return Position()
    with safe_open(file, "pt") as saved, torch.no_grad():
        known, keys = saved.metadata(), set(saved.keys())
        for name, parameter in _named(method):
            parameter.copy_(saved.get_tensor(f"weight/{name}"))
            kept = [key for key in ADAM_STATE if f"{key}/{name}" in keys]
            optimiser.state[parameter] = {key: saved.get_tensor(f"{key}/{name}").to(parameter.device) for key in kept}
    method.state.update(json.loads(known["method"]))
    return Position(**json.loads(known["at"]))


def _named(method: Method) -> list[tuple[str, torch.nn.Parameter]]:
    return [
        (f"{name}/{key}", parameter)
        for name, network in method.networks.items()
        for key, parameter in network.trained.items()
    ]
