"""What both sides of a comparison took, as medians, ratios and shares of the machine's ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, NamedTuple

import machine
import torch
from machine import Ceiling, Spread, Work, forward_flops, in_child, spread
from task import PAIRED, SAMPLED, Task, Trial
from workload import build

OURS, BEST, DEFAULTS = "ours", "theirs_best", "theirs_defaults"


class Limits(NamedTuple):
    """The machine's ceiling for a task's model, and the products that one token costs."""

    ceiling: Ceiling
    read_flops: float
    """Of a token that is read."""
    predicted_flops: float
    """More, of one that is predicted."""
    machine: dict[str, Any]


def limits(task: Task) -> Limits:
    network = build(task.shape, task.compute, scalar=task.scalar)
    rows = task.batch * (task.shape.prompt_tokens + task.shape.response_tokens) * (2 if task.method in PAIRED else 1)
    one = forward_flops(network, 1)
    more = forward_flops(network, 0, 1)
    return Limits(machine.ceiling(network, rows, 5), one, more, machine.description(network.device))


@dataclass
class Side:
    """All trials of one side."""

    name: str
    settings: str
    trials: list[Trial] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Tokens/s of each alternation."""
        return [sum(trial.tokens) / sum(trial.seconds) for trial in self.trials]

    @property
    def seconds(self) -> float:
        """The median step's."""
        return spread([s for trial in self.trials for s in trial.seconds]).median

    @property
    def peak_mib(self) -> float:
        """A GPU's, if there is one."""
        known = [trial.device_mib for trial in self.trials if trial.device_mib is not None]
        return spread(known or self.peaks).median

    @property
    def training_mib(self) -> float:
        return spread([peak - trial.before_mib for peak, trial in zip(self.peaks, self.trials, strict=True)]).median

    @property
    def reference_seconds(self) -> float | None:
        known = [trial.reference_seconds for trial in self.trials if trial.reference_seconds is not None]
        return spread(known).median if known else None

    def add(self, trial: Callable[..., Trial], *arguments: Any) -> None:
        found, peak = in_child(trial, *arguments)
        self.trials.append(found)
        self.peaks.append(peak)

    def ceiling_fraction(self, method: str, limit: Limits) -> float:
        """The share of the time that the policy's own products would have taken at the ceiling."""
        shares = []
        for trial in self.trials:
            forward = limit.read_flops * sum(trial.tokens) + limit.predicted_flops * sum(trial.answered)
            work = Work(forward if method in SAMPLED else 0.0, 3 * forward)
            shares.append(work.seconds_at(limit.ceiling) / sum(trial.seconds))
        return spread(shares).median


def ratios(mine: Side, theirs: Side) -> Spread:
    """Ours over theirs, in each alternation."""
    return spread([left / right for left, right in zip(mine.rates, theirs.rates, strict=True)])


def told(task: Task, sides: Sequence[Side], tried: Sequence[Side], limit: Limits) -> dict[str, Any]:
    """What is printed with --json; `tried` are the candidates for TRL's best settings."""
    mine, best, default = sides
    fast, fast_defaults = ratios(mine, best), ratios(mine, default)
    share = {side.name: side.ceiling_fraction(task.method, limit) for side in sides}
    peak = limit.ceiling.training
    found: dict[str, Any] = {
        "method": task.method,
        "size": task.size,
        "precision": task.precision,
        "vocabulary": task.shape.shape().vocab_size,
        "batch": task.batch,
        "steps": task.steps,
        "n": len(mine.trials),
        "settings_best": best.settings,
        "tried": [
            {"settings": side.settings, "tokens_per_second": side.rates[0], "peak_memory_mib": side.peaks[0]}
            for side in tried
        ],
        "tokens_per_second": {side.name: spread(side.rates).median for side in sides},
        "seconds_per_step": {side.name: side.seconds for side in sides},
        "reference_seconds": {side.name: side.reference_seconds for side in sides},
        "peak_memory_mib": {side.name: side.peak_mib for side in sides},
        "training_memory_mib": {side.name: side.training_mib for side in sides},
        "ceiling_fraction": share,
        "ceiling_flops_per_second": peak.median,
        "tokens_per_second_ratio": fast.median,
        "tokens_per_second_ratio_quartiles": [fast.low, fast.high],
        "tokens_per_second_ratio_defaults": fast_defaults.median,
        "tokens_per_second_ratio_defaults_quartiles": [fast_defaults.low, fast_defaults.high],
        "peak_memory_ratio": mine.peak_mib / best.peak_mib,
        "peak_memory_ratio_defaults": mine.peak_mib / default.peak_mib,
        "training_memory_ratio": mine.training_mib / best.training_mib,
        "training_memory_ratio_defaults": mine.training_mib / default.training_mib,
        "machine": limit.machine,
        "versions": {name: metadata.version(name) for name in ("gyrocompass", "torch", "transformers", "trl")},
    }
    if torch.cuda.is_available():
        found["model_flops_utilisation"] = share
    return found


def show(found: Mapping[str, Any]) -> None:
    """The same as a table."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(", ".join(f"{key} {value}" for key, value in {**found["machine"], **found["versions"]}.items()))
    what = f"{found['method']}, {found['size']}, {found['precision']}, vocabulary {found['vocabulary']:,}"
    ceiling = f"ceiling {found['ceiling_flops_per_second'] / 1e9:,.0f} GFLOP/s"
    console.print(f"{what}, batch {found['batch']}, {found['steps']} steps, n = {found['n']}; {ceiling}")
    names = {OURS: "this project", BEST: f"TRL: {found['settings_best']}", DEFAULTS: "TRL: defaults"}
    table = Table("", box=None, padding=(0, 1, 0, 0))
    for heading in ("tokens/s", "seconds/step", "reference s", "peak MiB", "training MiB", "ceiling"):
        table.add_column(heading, justify="right", no_wrap=True)
    for side, name in names.items():
        kept = found["reference_seconds"][side]
        table.add_row(
            name,
            f"{found['tokens_per_second'][side]:,.0f}",
            f"{found['seconds_per_step'][side]:.3f}",
            "" if kept is None else f"{kept:.2f}",
            f"{found['peak_memory_mib'][side]:,.0f}",
            f"{found['training_memory_mib'][side]:,.0f}",
            f"{found['ceiling_fraction'][side]:.0%}",
        )
    console.print(table)
    for name, end in (("TRL's best settings", ""), ("TRL's defaults", "_defaults")):
        low, high = found[f"tokens_per_second_ratio{end}_quartiles"]
        speed = f"{found[f'tokens_per_second_ratio{end}']:.2f}x tokens/s (quartiles {low:.2f}-{high:.2f})"
        memory, during = found[f"peak_memory_ratio{end}"], found[f"training_memory_ratio{end}"]
        console.print(f"against {name}: {speed}, {memory:.2f}x peak memory ({during:.2f}x of what training added)")
