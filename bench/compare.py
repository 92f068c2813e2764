"""This project beside TRL on the same work: tokens/s, seconds a step, and peak memory.

    python bench/compare.py METHOD SIZE [--precision fp32|bf16] [--vocabulary N] [--batch 16] [--steps N]
                            [--alternations 5] [--json]

METHOD: sft, reward, dpo, grpo, rloo; `ppo`, which TRL no longer has, is set against the sum of its parts, and `sample`
against transformers' `generate`. SIZE: town (1M parameters), small (15M), and for a GPU 0.5b and 1.5b.

Each side runs in a process of its own, in turns, with as many threads, on the same weights, token ids, batches and
number of steps (see task.py and peers.py). Counted are the tokens of prompts and responses, padding left out. Every
step's time counts from the end of the one before it; the first warms up. Before anything is compared, the first
step's loss and gradient must agree. Peak memory is the process's; `training` is what came after the model was loaded.
A reference that is read before the first step is told apart, for both sides. The share of the ceiling counts what the
policy's forward and backward passes need: three times its parameters a token, and once more for sampling.
"""

from __future__ import annotations

import os

from gyrocompass.cli import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # read once, when a process loads OpenMP
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TQDM_DISABLE"] = "1"

import json
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import ours
import sampling
import sides
import training
from machine import in_child
from sides import BEST, DEFAULTS, OURS, Limits, Side
from task import SAMPLED, Task, Trial
from workload import ALIASES, BLOCKS

from gyrocompass.config import Compute

TOLERANCE = {"fp32": (1e-4, 1e-3), "bf16": (2e-2, 1e-1)}
"""Relative, of the first step's loss and of its gradient's norm."""
LENGTHS_AGREE = 4.0
"""Rollouts are random: how far their mean lengths may lie apart, in standard errors of geometric lengths."""


def check_same_work(task: Task, mine: Trial, theirs: Trial) -> None:
    """Raises click.ClickException if the first step's loss or gradient differ, or the number of tokens."""
    if task.method in SAMPLED:
        means = sum(mine.answered) / len(mine.answered), sum(theirs.answered) / len(theirs.answered)
        pairs = [("response tokens a step", *means, LENGTHS_AGREE * (2 / (task.steps * task.batch)) ** 0.5)]
    else:
        loss, gradient = TOLERANCE[task.precision]
        pairs = [
            ("first loss", mine.first_loss, theirs.first_loss, loss),
            ("first gradient norm", mine.first_gradient, theirs.first_gradient, gradient),
            ("tokens", sum(mine.tokens), sum(theirs.tokens), 0.0),
        ]
    for name, left, right, tolerance in pairs:
        say(f"{name}: ours {left:.7g}, TRL {right:.7g}")
        if not abs(left - right) <= tolerance * abs(right):
            raise click.ClickException(f"not the same work: {name} is {left:.7g} here and {right:.7g} in TRL")


def compare(task: Task, alternations: int) -> tuple[list[Side], list[Side], Limits]:
    """Ours, TRL's best and TRL's defaults, in turns; and all candidates for the best, tried in the first turn."""
    import peers  # a child of ours would load TRL's libraries too, were this at the top

    in_child(task.prepare)
    limit, _ = in_child(sides.limits, task)
    mine, default = Side(OURS, ""), Side(DEFAULTS, peers.DEFAULTS.name)
    candidates = [(form, Side(BEST, form.name)) for form in peers.BEST[task.method]]
    tried = [side for _, side in candidates]
    for turn in range(alternations):
        mine.add(ours.trial, task)
        for form, side in candidates:
            side.add(peers.trial, task, form)
            check_same_work(task, mine.trials[-1], side.trials[-1])
            say(f"  {form.name}: {side.rates[-1]:,.0f} tokens/s")
        default.add(peers.trial, task, peers.DEFAULTS)
        check_same_work(task, mine.trials[-1], default.trials[-1])
        candidates = [max(candidates, key=lambda pair: pair[1].rates[0])]
        say(f"turn {turn + 1}: ours {mine.rates[-1]:,.0f}, TRL's defaults {default.rates[-1]:,.0f} tokens/s")
    return [mine, candidates[0][1], default], tried, limit


def say(text: str) -> None:
    """Progress, which is no result."""
    click.echo(text, err=True)


def parts(size: str, precision: Any, repetitions: int) -> dict[str, Any]:
    """A ppo step against the sum of its parts, each of them timed alone."""
    compute = Compute(precision=precision)
    (limit, where), _ = in_child(training.limit_of, size, compute, repetitions)
    whole, *rest = training.rows_of(size, "ppo", compute, repetitions, limit)
    alone = {str(row.part): row.seconds for row in rest}
    return {
        "method": "ppo",
        "size": size,
        "precision": precision,
        "n": whole.n,
        "seconds_per_step": whole.seconds,
        "parts_seconds": alone,
        "step_over_parts": whole.seconds / sum(alone.values()),
        "tokens_per_second": {OURS: whole.tokens_per_second},
        "peak_memory_mib": {OURS: whole.peak_memory_mib},
        "ceiling_fraction": {OURS: whole.ceiling_fraction},
        "machine": where,
    }


@click.command()
@click.argument("method", type=click.Choice([*ours.METHODS, "ppo", "sample"]))
@click.argument("size", type=click.Choice(["town", *BLOCKS, *ALIASES]))
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--vocabulary", type=click.IntRange(64), default=None, help="Tokens; default: the size's own.")
@click.option("--batch", type=click.IntRange(2), default=16, show_default=True, help="Examples, pairs or responses.")
@click.option("--steps", type=click.IntRange(1), default=8, show_default=True, help="Timed ones; one more warms up.")
@click.option("--alternations", type=click.IntRange(1), default=5, show_default=True)
@click.option("--generations", type=click.IntRange(2), default=8, show_default=True, help="Responses a prompt.")
@click.option("--estimator", type=click.Choice(SAMPLED), default=None, help="grpo or rloo, for METHOD grpo.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of a table.")
def main(method: str, size: str, alternations: int, estimator: str | None, as_json: bool, **work: Any) -> None:
    """This project and TRL on the same work, in turns."""
    size = ALIASES.get(size, size)
    if method == "sample":
        options = ["--size", size, "--precision", work["precision"], *(["--json"] if as_json else [])]
        sampling.main(options, standalone_mode=False)
        return
    if method == "ppo":
        found = parts(size, work["precision"], alternations)
        print(json.dumps(found) if as_json else _as_text(found))
        return
    if size == "town" and work["vocabulary"] is not None:
        raise click.UsageError("the town has a vocabulary of its own; take another size, or leave --vocabulary out")
    if method in SAMPLED and work["batch"] % work["generations"]:
        raise click.UsageError(f"a batch of {work['batch']} is no multiple of {work['generations']} responses a prompt")
    if find_spec("trl") is None:
        raise click.UsageError("TRL is not installed; pip install 'gyrocompass[compare]'")
    with TemporaryDirectory() as folder:
        task = Task(estimator if estimator and method in SAMPLED else method, size, Path(folder), **work)
        found = sides.told(task, *compare(task, alternations))
    if as_json:
        print(json.dumps(found))
    else:
        sides.show(found)


def _as_text(found: dict[str, Any]) -> str:
    alone = ", ".join(f"{name} {seconds:.3f}" for name, seconds in found["parts_seconds"].items())
    return (
        f"ppo, {found['size']}, {found['precision']}, n = {found['n']}: {found['seconds_per_step']:.3f} s a step, "
        f"{found['step_over_parts']:.2f} of the sum of its parts ({alone})"
    )


if __name__ == "__main__":
    main()
