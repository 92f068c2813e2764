"""Debate and its controls: on the town over seeds, and on questions and models of one's own.

Source: Irving et al. 2018, arXiv:1805.00899 (the game); Michael et al. 2023, arXiv:2311.08702, Khan et al. 2024,
arXiv:2402.06782, and Kenton et al. 2024, arXiv:2407.04622 (judges who can't read the passage, and the controls).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

import numpy as np

from ..config import Access, OwnDebate, Recipe, TownDebate
from ..errors import InputError
from ..feedback.debate import Transcript, check_seats, read_protocols
from ..files import write_json
from ..maths import clusters
from ..maths.stats import Estimate
from ..run import FREE_KEYS, Run
from ..worlds.town import evidence
from . import debate_findings as findings
from . import debate_seeds as seeds
from . import debate_town as world
from .debate_own import own_games
from .debate_selfplay import LEARNT, START
from .side_by_side import complete_all
from .task import TOWN_NAME, unchanged

STAGE = "seeds"


def debate(recipe: Recipe, run: Run, access: Access | None = None) -> None:
    """Runs or resumes all games; writes debate.json and the judge's rows of evals.json. `access` is how an endpoint is
    asked."""
    check_settings(recipe)
    protocols = read_protocols(recipe.debate.protocols)
    told = "".join(protocol.model_dump_json() for protocol in protocols)
    unchanged(run, "protocols", recipe.debate.protocols, "protocols", sha256(told.encode()).hexdigest())
    if recipe.data != TOWN_NAME:
        own_games(recipe, run, access or Access())
        return
    for game in world.games(protocols, recipe.debate.quotes):
        check_seats(game.protocol, game.speakers)
    todo = seeds.jobs(recipe, run.stage_folder(STAGE))
    # 1. For each seed a judge, its games, and a debater that learns.
    if not run.stage_done(STAGE):
        with run.stage(STAGE), run.progress(STAGE, sum(len(job.steps) for job in todo)) as bar:
            complete_all(
                seeds.complete, todo, recipe.debate.processes,
                tick=lambda: bar(sum(job.done for job in todo)),
                where=run.folder, setting="debate.processes",
            )  # fmt: skip
    # 2. How often the judge is right in each game, and by how much more than in another.
    every = [seeds.played(job, seeds.GAMES) for job in todo]
    content = _content(recipe, todo, every)
    run.measure(findings.measurements(content["games"]))
    write_json(run.folder / findings.FILE, content)
    run.save(status="done", summary=findings.sentences(content))


def check_settings(recipe: Recipe) -> None:
    """Raises InputError for a setting that doesn't apply: on the town those of one's own debates, else the town's."""
    town = recipe.data == TOWN_NAME
    kind, remedy = (
        (OwnDebate, "the town has speakers, a judge and words of its own; leave it out, or give questions with --data")
        if town
        else (TownDebate, "it is for the town alone; leave it out")
    )
    for key, info in kind.model_fields.items():
        given = getattr(recipe.debate, key)
        if given != info.default and key not in FREE_KEYS:
            raise InputError(f"debate.{key} = {given}: {remedy}")


def _content(recipe: Recipe, todo: Sequence[seeds.Job], every: Sequence[findings.Games]) -> dict[str, Any]:
    """What debate.json holds; docs/methods/debate.md describes it."""
    protocols = read_protocols(recipe.debate.protocols)
    games = [
        (game.name, game.protocol, [some[game.name] for some in every])
        for game in world.games(protocols, recipe.debate.quotes)
    ]
    gains = [findings.gain_row(*pair, every) for pair in [*findings.ORDER, *world.COMPARED]]
    return {
        "judge": f"a model trained on {recipe.debate.lessons:,} games with known outcome",
        "questions": recipe.debate.questions,
        "seeds": [job.seed for job in todo],
        "games": [findings.game_row(*game) for game in games],
        "gains": [gain for gain in gains if gain],
        "persuaders": findings.persuaders([_met(job) for job in todo]),
        "learnt": _learnt(todo) if recipe.debate.learn != "none" else {},
        "references": findings.references(),
        "shown": [
            row for name, protocol, some in games for row in findings.shown(name, protocol, list(chain(*some)))
        ],
    }  # fmt: skip


def _met(job: seeds.Job) -> dict[tuple[str, str], list[Transcript]]:
    """A seed's debates of every skill with every other."""
    return {(a, b): games for name, games in seeds.played(job, seeds.MEETINGS).items() for a, b in [name.split(" ")]}


def _learnt(todo: Sequence[seeds.Job]) -> dict[str, Any]:
    """What self-play made of the debater, with quotes checked and with quotes trusted, and of what it quotes."""
    found: dict[str, Any] = {}
    for stage, quotes in zip(seeds.MET, ("checked", "trusted"), strict=True):
        every = [seeds.played(job, stage) for job in todo]
        strengths = {
            f"Mean strength that {words} claims": findings.told(
                findings.over_seeds(_strength, [met[f"{name} {name}"] for met in every], span=findings.COUNT)
            )
            for name, words in ((START, "the start"), (LEARNT, "the learnt debater"))
        }
        numbers = findings.learnt(every, LEARNT, START) | strengths
        found |= {f"{name}, quotes {quotes}": e for name, e in numbers.items() if e}
    return found


def _strength(games: Sequence[Transcript]) -> Estimate:
    """Mean strength that a turn states, whether it stands in the passage or not."""
    found = [(float(evidence.strength_of(turn.text)), game.question.id) for game in games for turn in game.turns]
    values, owners = zip(*found, strict=True)
    return clusters.mean(np.array(values), np.array(owners))
