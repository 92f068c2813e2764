"""Sampling speed: new tokens/s, the share of the machine's ceiling, and peak memory.

    python bench/sampling.py [--quick] [--size town|15m] [--batch N] [--precision fp32|bf16|auto] [--json]

Counted are the tokens drawn; their prompts are read within the same time. Responses end at random lengths.
The ceiling is that of products with as many rows as responses are drawn at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click
import machine
from machine import Ceiling, Lap, Row, Work, forward_flops, timed
from workload import SIZES, build, examples

from gyrocompass.config import Compute, Sampling
from gyrocompass.models import chat
from gyrocompass.models.decode import sample

BATCHES = (32, 64, 256)


def measure(size: str, batch: int, compute: Compute, repetitions: int) -> tuple[list[Lap], float | None]:
    """A lap per batch of new prompts, the first left out, and a GPU's peak memory."""
    shape = SIZES[size]
    policy = build(shape, compute)
    asked = [example.prompt for example in examples(shape, batch * (repetitions + 1))]
    prompts = chat.encode_prompts(policy.tokenizer, asked)
    sampling = Sampling(max_new_tokens=shape.new_tokens)
    laps = []
    for seed in range(repetitions + 1):
        chosen = prompts[seed * batch : (seed + 1) * batch]
        drawn, seconds = timed(partial(sample, policy, chosen, 1, sampling, seed), policy.device)
        new = sum(len(response) for responses in drawn for response in responses)
        laps.append(Lap(new, seconds, Work(forward_flops(policy, new + sum(map(len, chosen)), new))))
    return laps[1:], machine.device_peak_mib()


def limits_of(
    size: str, batches: Sequence[int], compute: Compute, repetitions: int
) -> tuple[list[Ceiling], dict[str, Any]]:
    """The ceiling of each batch size, and what machine it is."""
    network = build(SIZES[size], compute)
    found = [machine.ceiling(network, batch, repetitions) for batch in batches]
    return found, machine.description(network.device)


def row_of(size: str, batch: int, compute: Compute, repetitions: int, limit: Ceiling) -> Row:
    """One batch size, measured in a process of its own."""
    (laps, device_mib), peak = machine.in_child(measure, size, batch, compute, repetitions)
    found = machine.row(size, "sample", None, batch, laps, limit)
    return replace(found, peak_memory_mib=peak, device_memory_mib=device_mib)


@click.command()
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), help="Default: all.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=BATCHES, show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="fp32", show_default=True)
@click.option("--quick", is_flag=True, help="3 repetitions instead of 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of tables.")
def main(sizes: Sequence[str], batches: Sequence[int], precision: Any, quick: bool, as_json: bool) -> None:
    """New tokens/s of sampling, as a share of what the machine can multiply."""
    compute, repetitions = Compute(precision=precision), 3 if quick else 10
    limits: dict[str, list[Ceiling]] = {}
    rows: list[Row] = []
    for size in sizes or SIZES:
        (limits[size], where), _ = machine.in_child(limits_of, size, batches, compute, repetitions)
        for batch, limit in zip(batches, limits[size], strict=True):
            rows.append(row_of(size, batch, compute, repetitions, limit))
    machine.show(rows, limits, where, as_json)


if __name__ == "__main__":
    main()
