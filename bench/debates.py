"""Time of a thousand debates between scripted debaters before a model of a million parameters.

    python bench/debates.py [--games N] [--repetitions N] [--json]

Limit: 1,000 debates of two rounds on the town's evidence, the judge asked before the first word and after each round
and in both orders of the answers, in at most 30 s. Exits 1 if it is passed.
"""

from __future__ import annotations

import json
import sys
import time

import click
import machine

from gyrocompass.config import Compute, Debate, Sampling
from gyrocompass.feedback.debate import PROTOCOLS, PolicyJudge, play
from gyrocompass.models.loading import load
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.pipelines import debate_town as world
from gyrocompass.worlds import town

SECONDS = 30.0
DEBATE = PROTOCOLS["debate"]


def seconds(judge: PolicyJudge, games: int, seed: int) -> float:
    """From the passages to the last verdict."""
    begin = time.monotonic()
    speakers = world.games([DEBATE], Debate().quotes)[0].speakers
    play(world.questions(games, seed), DEBATE, speakers, judge, world.WORDING, seats="alternate", seed=seed)
    return time.monotonic() - begin


@click.command()
@click.option("--games", default=1000, show_default=True)
@click.option("--repetitions", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(games: int, repetitions: int, as_json: bool) -> None:
    network = load(str(town.base_folder()), Compute())
    judge = PolicyJudge(LocalPolicy(network, Sampling()), world.WORDING)
    taken = machine.spread([seconds(judge, games, seed) for seed in range(repetitions)])
    found = {
        "games": games,
        "rounds": DEBATE.rounds,
        "parameters": sum(weights.numel() for weights in network.core.parameters()),
        "seconds": taken._asdict(),
        "machine": machine.description(network.device),
    }
    if as_json:
        print(json.dumps(found))
    else:
        limit = f"limit {SECONDS:.0f} s"
        print(f"{games:,} debates of {DEBATE.rounds} rounds: {taken.median:.1f} s (median of {repetitions}; {limit})")
    sys.exit(taken.median > SECONDS)


if __name__ == "__main__":
    main()
