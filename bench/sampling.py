"""Sampling speed: new tokens/s, the share of the machine's ceiling, peak memory, and the ratio to transformers' own.

    python bench/sampling.py [--quick] [--size town|small] [--batch N] [--precision fp32|bf16|auto]
                             [--against generate|nothing] [--json]

Counted are the tokens drawn, up to and including each response's end; their prompts are read within the same time.
Responses end at random lengths. The ceiling is that of products with as many rows as responses are drawn at once.

Against `model.generate`: the same weights in a model as transformers loads it, the same prompts, end tokens,
temperature and limit, in turns in one process. It gets left-padded batches of 64; ours has as many rows in flight.
With 64 prompts rows only leave; with 256 waiting prompts take their place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import click
import machine
import torch
from machine import Ceiling, Lap, Row, Work, forward_flops, spread, timed
from workload import ALIASES, BLOCKS, SIZES, build, examples, size_of

from gyrocompass.config import Compute, Sampling
from gyrocompass.models import chat, decode
from gyrocompass.models.decode import end_ids, sample
from gyrocompass.models.network import Network

BATCHES = (32, 64, 256)
THEIR_BATCH = 64
PROMPTS = (64, 256)
"""How many prompts a repetition of the comparison answers."""


@dataclass(frozen=True)
class Duel:
    """Medians over n repetitions: new tokens/s of both sides, and the ratio with its quartiles."""

    size: str
    prompts: int
    tokens_per_second: dict[str, float]
    tokens_per_second_ratio: float
    tokens_per_second_ratio_quartiles: tuple[float, float]
    n: int


def measure(size: str, batch: int, compute: Compute, repetitions: int) -> tuple[list[Lap], float | None]:
    """A lap per batch of new prompts, the first left out, and a GPU's peak memory."""
    policy, prompts, sampling = _work(size, batch * (repetitions + 1), compute)
    laps = []
    for seed in range(repetitions + 1):
        chosen = prompts[seed * batch : (seed + 1) * batch]
        drawn, seconds = timed(partial(sample, policy, chosen, 1, sampling, seed), policy.device)
        new = sum(len(response.ids) for responses in drawn for response in responses)
        laps.append(Lap(new, seconds, Work(forward_flops(policy, new + sum(map(len, chosen)), new))))
    return laps[1:], machine.device_peak_mib()


def in_turns(size: str, n_prompts: int, compute: Compute, repetitions: int) -> dict[str, list[float]]:
    """New tokens/s of both sides in every repetition, of which each has new prompts; the first is left out."""
    policy, prompts, sampling = _work(size, n_prompts * (repetitions + 1), compute)
    decode.CPU_ROWS = THEIR_BATCH
    theirs = plain_model(policy)
    rates: dict[str, list[float]] = {"ours": [], "generate": []}
    for seed in range(repetitions + 1):
        chosen = prompts[seed * n_prompts : (seed + 1) * n_prompts]
        drawn, seconds = timed(partial(sample, policy, chosen, 1, sampling, seed), policy.device)
        rates["ours"].append(sum(len(response.ids) for (response,) in drawn) / seconds)
        new, seconds = timed(partial(generated, policy, theirs, chosen, sampling, seed), policy.device)
        rates["generate"].append(new / seconds)
    return {side: found[1:] for side, found in rates.items()}


def plain_model(network: Network) -> Any:
    """The same weights in a model as transformers makes it."""
    core = network.core
    model = type(core)._from_config(deepcopy(core.config), attn_implementation="sdpa", dtype=core.dtype)
    model.load_state_dict(core.state_dict())
    model.generation_config = deepcopy(core.generation_config)
    return model.to(network.device).eval()


def generated(network: Network, model: Any, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> int:
    """How many tokens `generate` drew, up to and including each response's end."""
    torch.manual_seed(seed)
    ends, total = torch.tensor(end_ids(network), device=network.device), 0
    for start in range(0, len(prompts), THEIR_BATCH):
        rows = prompts[start : start + THEIR_BATCH]
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=network.device)
        attention = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=network.device)
        with torch.inference_mode(), network.autocast():
            out = model.generate(
                ids,
                attention_mask=attention,
                do_sample=True,
                top_k=0,
                top_p=1.0,
                temperature=sampling.temperature,
                eos_token_id=ends.tolist(),
                pad_token_id=0,
                max_new_tokens=sampling.max_new_tokens,
            )
        ended = torch.isin(out[:, longest:], ends).long()
        total += int((ended.cumsum(1) - ended == 0).sum())
    return total


def duel(size: str, n_prompts: int, compute: Compute, repetitions: int) -> Duel:
    """Both sides in turns, in a process of their own."""
    rates, _ = machine.in_child(in_turns, size, n_prompts, compute, repetitions)
    ratio = spread([ours / theirs for ours, theirs in zip(rates["ours"], rates["generate"], strict=True)])
    medians = {side: spread(found).median for side, found in rates.items()}
    return Duel(size, n_prompts, medians, ratio.median, (ratio.low, ratio.high), ratio.n)


def limits_of(
    size: str, batches: Sequence[int], compute: Compute, repetitions: int
) -> tuple[list[Ceiling], dict[str, Any]]:
    """The ceiling of each batch size, and what machine it is."""
    network = build(size_of(size), compute)
    found = [machine.ceiling(network, batch, repetitions) for batch in batches]
    return found, machine.description(network.device)


def row_of(size: str, batch: int, compute: Compute, repetitions: int, limit: Ceiling) -> Row:
    """One batch size, measured in a process of its own."""
    (laps, device_mib), peak = machine.in_child(measure, size, batch, compute, repetitions)
    found = machine.row(size, "sample", None, batch, laps, limit)
    return replace(found, peak_memory_mib=peak, device_memory_mib=device_mib)


def _work(size: str, n: int, compute: Compute) -> tuple[Network, list[list[int]], Sampling]:
    shape = size_of(size)
    policy = build(shape, compute)
    prompts = chat.encode_prompts(policy.tokenizer, [example.prompt for example in examples(shape, n)])
    return policy, prompts, Sampling(max_new_tokens=shape.new_tokens)


@click.command()
@click.option(
    "--size", "sizes", multiple=True, type=click.Choice(["town", *BLOCKS, *ALIASES]), help="Default: town, small."
)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=BATCHES, show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="fp32", show_default=True)
@click.option("--against", type=click.Choice(["generate", "nothing"]), default="generate", show_default=True)
@click.option("--prompts", "asked", multiple=True, type=click.IntRange(1), default=PROMPTS, show_default=True)
@click.option("--quick", is_flag=True, help="3 repetitions instead of 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of tables.")
def main(
    sizes: Sequence[str],
    batches: Sequence[int],
    precision: Any,
    against: str,
    asked: Sequence[int],
    quick: bool,
    as_json: bool,
) -> None:
    """New tokens/s of sampling, as a share of what the machine can multiply and against transformers' `generate`."""
    compute, repetitions = Compute(precision=precision), 3 if quick else 10
    limits: dict[str, list[Ceiling]] = {}
    rows: list[Row] = []
    duels: list[Duel] = []
    for size in dict.fromkeys(ALIASES.get(size, size) for size in sizes or SIZES):
        (limits[size], where), _ = machine.in_child(limits_of, size, batches, compute, repetitions)
        for batch, limit in zip(batches, limits[size], strict=True):
            rows.append(row_of(size, batch, compute, repetitions, limit))
        duels += [duel(size, n, compute, repetitions) for n in asked if against == "generate"]
    if as_json:
        print(json.dumps(told(rows, limits, where, duels)))
        return
    machine.show(rows, limits, where, as_json=False)
    for found in duels:
        print(as_text(found))


def told(
    rows: Sequence[Row], limits: dict[str, list[Ceiling]], where: dict[str, Any], duels: Sequence[Duel]
) -> dict[str, Any]:
    """What is printed with --json. The first comparison is also told at the top, as bench/compare.py's are."""
    ceilings = [
        {"size": size, "rows": limit.rows, "forward_flops_per_second": limit.forward.median, "n": limit.forward.n}
        for size, several in limits.items()
        for limit in several
    ]
    first = asdict(duels[0]) if duels else {}
    parts = {"machine": where, "ceilings": ceilings, "rows": [asdict(row) for row in rows]}
    return {"method": "sample", **first, **parts, "against_generate": [asdict(found) for found in duels]}


def as_text(found: Duel) -> str:
    low, high = found.tokens_per_second_ratio_quartiles
    ours, theirs = (found.tokens_per_second[side] for side in ("ours", "generate"))
    return (
        f"{found.size}, {found.prompts} prompts: {ours:,.0f} tokens/s, generate {theirs:,.0f}; "
        f"{found.tokens_per_second_ratio:.2f}x (quartiles {low:.2f}-{high:.2f}, n = {found.n})"
    )


if __name__ == "__main__":
    main()
