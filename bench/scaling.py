"""How a step's cost grows with batch, length, model size and vocabulary: seconds = c x^exponent, fitted.

    python bench/scaling.py [--method sft|dpo] [--quick] [--json]

One quantity varies at a time, the others stay at a base point. All rows of a step are of one length, half of it
prompt. Exponents are slopes of log seconds over log x, with Student's t intervals; a cost with a constant part, such as
the head beside the layers, has an exponent below that of its growing part.
"""

from __future__ import annotations

import os

from gyrocompass.cli import ENVIRONMENT

os.environ.update(ENVIRONMENT)  # read once, when a process loads OpenMP

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import click
import machine
import numpy as np
import torch
from machine import Spread, spread
from scipy import stats
from steps import NEVER, watch
from transformers import LlamaForCausalLM
from workload import Blocks, word_tokenizer

from gyrocompass.config import DPO, SFT, Compute
from gyrocompass.learn import reference
from gyrocompass.learn.dpo import DirectPreferenceOptimisation
from gyrocompass.learn.loop import Method
from gyrocompass.learn.sft import Finetuning
from gyrocompass.models import loading
from gyrocompass.models.chat import Row
from gyrocompass.models.network import Network
from gyrocompass.models.pairs import PairRows


@dataclass(frozen=True)
class Point:
    """What one step reads and with what model; `length` counts prompt and response."""

    batch: int = 16
    length: int = 64
    hidden: int = 128
    layers: int = 4
    vocabulary: int = 4096

    @property
    def layer_parameters(self) -> int:
        """Of the layers' products: four of attention, three of the feed-forward block."""
        return self.layers * (4 * self.hidden**2 + 3 * self.hidden * self.inner)

    @property
    def inner(self) -> int:
        return self.hidden * 8 // 3

    def value(self, axis: str) -> int:
        return self.layer_parameters if axis == "model" else int(getattr(self, axis))


GRIDS: dict[str, tuple[int, ...]] = {
    "batch": (4, 8, 16, 32, 64),
    "length": (32, 64, 128, 256, 512),
    "model": (64, 128, 256, 384, 512),
    "vocabulary": (1024, 4096, 16_384, 32_768, 65_536),
}
"""Along `model`, the hidden width varies; its x is the number of parameters in the layers."""


def points(axis: str, base: Point, *, quick: bool) -> list[Point]:
    """The base with one quantity varied."""
    grid = GRIDS[axis][:-1] if quick else GRIDS[axis]
    return [replace(base, **{"hidden" if axis == "model" else axis: value}) for value in grid]


def seconds(method: str, point: Point, repetitions: int) -> Spread:
    """Of a step, over repetitions after one that warms up."""
    blocks = Blocks(point.layers, point.hidden, point.inner, point.hidden // 32, point.hidden // 32, 2 * point.length)
    torch.manual_seed(0)
    model = LlamaForCausalLM(blocks.config(point.vocabulary))
    policy = loading.of(model, word_tokenizer(point.vocabulary), Compute(precision="fp32"), trainable=True)
    learning, config = METHODS[method](policy, point, point.batch * (repetitions + 1))
    return spread([step.seconds for step in watch(learning, config).done])


def rows(point: Point, n: int, seed: int) -> list[Row]:
    """n random rows; those of all seeds share their prompts."""
    half = point.length // 2
    prompts = np.random.default_rng(0).integers(6, point.vocabulary, (n, half))
    responses = np.random.default_rng(1 + seed).integers(6, point.vocabulary, (n, point.length - half))
    return [Row(row, half) for row in np.hstack([prompts, responses]).tolist()]


def sft(policy: Network, point: Point, n: int) -> tuple[Method, SFT]:
    config = SFT(batch_size=point.batch, checkpoint_every=NEVER)
    return Finetuning(policy, rows(point, n, 0), config, 0), config


def dpo(policy: Network, point: Point, n: int) -> tuple[Method, DPO]:
    config = DPO(batch_size=point.batch, checkpoint_every=NEVER)
    both = zip(rows(point, n, 0), rows(point, n, 1), strict=True)
    pairs = [PairRows(first, second, p_first=1.0, strength=0.0) for first, second in both]
    return DirectPreferenceOptimisation(policy, pairs, reference.logprobs(policy, pairs), config, 0), config


METHODS: dict[str, Any] = {"sft": sft, "dpo": dpo}


class Exponent(NamedTuple):
    """A fitted exponent with its 95% interval; `n` is the number of points."""

    exponent: float
    low: float
    high: float
    n: int


def fit(x: Sequence[float], y: Sequence[float], level: float = 0.95) -> Exponent:
    """Least squares of log y on log x. Raises ValueError with fewer than three points: they leave no interval."""
    if len(x) < 3:
        raise ValueError(f"{len(x)} points leave no interval; give at least 3")
    line = stats.linregress(np.log(x), np.log(y))
    margin = stats.t.ppf((1 + level) / 2, len(x) - 2) * line.stderr
    return Exponent(float(line.slope), float(line.slope - margin), float(line.slope + margin), len(x))


def measured(method: str, axis: str, base: Point, repetitions: int, *, quick: bool) -> dict[str, Any]:
    """One line of the table: the points with their seconds, and the exponent."""
    chosen = points(axis, base, quick=quick)
    took = [seconds(method, point, repetitions) for point in chosen]
    x = [point.value(axis) for point in chosen]
    exponent = fit(x, [s.median for s in took])
    return {"method": method, "axis": axis, "x": x, "seconds": [s._asdict() for s in took], **exponent._asdict()}


@click.command()
@click.option("--method", "methods", multiple=True, type=click.Choice(list(METHODS)), help="Default: both.")
@click.option("--quick", is_flag=True, help="Fewer points and repetitions; under two minutes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of a table.")
def main(methods: Sequence[str], quick: bool, as_json: bool) -> None:
    """Seconds a step against batch, length, model size and vocabulary."""
    base, repetitions = Point(), 3 if quick else 7
    lines = [measured(method, axis, base, repetitions, quick=quick) for method in methods or METHODS for axis in GRIDS]
    where = machine.description(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if as_json:
        print(json.dumps({"machine": where, "base": asdict(base), "repetitions": repetitions, "lines": lines}))
        return
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    for line in lines:
        spans = "  ".join(f"{x:,}: {s['median']:.3f} s" for x, s in zip(line["x"], line["seconds"], strict=True))
        interval = f"{line['exponent']:.2f} ({line['low']:.2f} to {line['high']:.2f}, n = {line['n']})"
        print(f"{line['method']:4} {line['axis']:10} exponent {interval}   {spans}")


if __name__ == "__main__":
    main()
