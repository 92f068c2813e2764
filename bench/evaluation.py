"""Time of the five properties on the town, and the share of a stage that probing them takes.

    python bench/evaluation.py [--prompts N] [--repetitions N] [--json]

Limits: 1,000 prompts of all five properties in at most 30 s; all five probed on the way in at most 15% of
fine-tuning, at the default number of probes and prompts. Exits 1 if a limit is passed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import machine

from gyrocompass.config import SFT, Compute, Probing, Sampling
from gyrocompass.evals.measure import measurements
from gyrocompass.evals.town import TOWN
from gyrocompass.learn.loop import Look
from gyrocompass.models.gradients import SearchableLocal
from gyrocompass.models.loading import load
from gyrocompass.models.network import Network
from gyrocompass.pipelines import stages
from gyrocompass.pipelines.probing import property_looks
from gyrocompass.records import PROPERTIES
from gyrocompass.run import Run
from gyrocompass.worlds import town

EVAL_SECONDS = 30.0
PROBING_FRACTION = 0.15
SAMPLING = Sampling(max_new_tokens=32)


def suite_seconds(prompts: int, seed: int) -> float:
    """Seconds that one model takes for the whole suite, from the prompts to the numbers."""
    policy = SearchableLocal(load(str(town.base_folder()), Compute()), SAMPLING)
    begin = time.monotonic()
    asked = TOWN.prompts(prompts, seed)
    for e, _ in TOWN.parts:
        measurements(e, "base", e.score(policy, asked[e.name], seed))
    return time.monotonic() - begin


def probing_fraction(seed: int) -> float:
    """The share of a fine-tuning stage's time that goes into probing the five properties on the way."""
    examples = town.demonstrations(2000, seed)
    config, base = SFT(learning_rate=5e-4, epochs=3), str(town.base_folder())
    settings, spent = Probing(probe=",".join(PROPERTIES)), []
    with tempfile.TemporaryDirectory() as folder:
        run = Run.open(Path(folder) / "run", {"seed": seed}, quiet=True)

        def looks(policy: Network) -> list[Look]:
            asked = property_looks(settings, run, policy, base, {}, SAMPLING)
            return [Look(partial(_clocked, look, spent), look.at) for look in asked]

        begin = time.monotonic()
        stages.sft(run, base, examples, config, Compute(), looks)
        return sum(spent) / (time.monotonic() - begin)


def _clocked(look: Look, spent: list[float], step: int) -> Mapping[str, Any]:
    """Probes, and writes down the seconds that it took."""
    begin = time.monotonic()
    found = look.probe(step)
    spent.append(time.monotonic() - begin)
    return found


@click.command()
@click.option("--prompts", default=1000, show_default=True)
@click.option("--repetitions", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(prompts: int, repetitions: int, as_json: bool) -> None:
    seconds = machine.spread([suite_seconds(prompts, seed) for seed in range(repetitions)])
    share = machine.spread([probing_fraction(seed) for seed in range(repetitions)])
    found = {
        "prompts": prompts,
        "suite_seconds": seconds._asdict(),
        "probing_fraction": share._asdict(),
        "machine": machine.description(load(str(town.base_folder()), Compute()).device),
    }
    if as_json:
        print(json.dumps(found))
    else:
        n = f"median of {repetitions}"
        print(f"{prompts:,} prompts of five properties: {seconds.median:.1f} s ({n}; limit {EVAL_SECONDS:.0f} s)")
        print(f"probing five properties: {share.median:.1%} of fine-tuning ({n}; limit {PROBING_FRACTION:.0%})")
    sys.exit(seconds.median > EVAL_SECONDS or share.median > PROBING_FRACTION)


if __name__ == "__main__":
    main()
