"""Debates of one's own models, or of people, on one's own questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .. import data
from ..config import Access, Recipe
from ..errors import InputError
from ..feedback.debate import (
    BestOf,
    Judging,
    PolicyJudge,
    PolicySpeaker,
    Protocol,
    Question,
    Speaking,
    Transcript,
    Wording,
    play,
    read_games,
    read_protocols,
    read_questions,
)
from ..feedback.debate.people import PeopleJudge, PeopleSpeaker
from ..feedback.debate.protocol import Speaker
from ..files import write_json
from ..models.batching import seed_of, shuffled
from ..models.endpoint import is_endpoint
from ..protocols import Policy
from ..run import Run
from . import debate_findings as findings
from . import stages
from .debate_selfplay import CHECKED, LEARNT, START, meet, met_in, trained
from .subjects import subjects
from .suites import opened
from .task import base_of

PEOPLE = "people"
STAGE = "games"
SCRIPTS = {"debater": "strongest", "opponent": "strongest", "judge": "town"}
"""What stands for the town's own, which knows no other questions."""


@dataclass(frozen=True)
class Cast:
    """Who takes part in one's own games."""

    speakers: Mapping[Speaker, Speaking]
    judge: Judging
    people: bool


def own_games(recipe: Recipe, run: Run, access: Access) -> None:
    """Plays each protocol on each question; writes debate.json and, where truth is known, rows of evals.json.

    Raises InputError for questions, protocols or models that can't be used, Waiting where people are to reply.
    """
    questions = _questions(recipe.data, run)
    protocols = read_protocols(recipe.debate.protocols)
    wording = Wording()
    # 1. Who speaks, and who judges.
    cast = _cast(recipe, run, access, wording)
    # 2. The games.
    games = {protocol.name: _played(run, protocol, questions, cast, wording) for protocol in protocols}
    # 3. A debater that learns from games with itself.
    learnt = _learnt(recipe, run, questions, cast, wording) if recipe.debate.learn != "none" else {}
    # 4. How often the judge was right, where that is known.
    content = _content(recipe, protocols, games, learnt, len(questions))
    run.measure(findings.measurements(content["games"]))
    write_json(run.folder / findings.FILE, content)
    run.save(status="done", summary=findings.sentences(content))


def _questions(source: str, run: Run) -> list[Question]:
    found = read_questions(Path(source))
    digest = data.sha256(source)
    if run.state["data"].setdefault(source, digest) != digest:
        raise InputError(f"{source}: changed since this run began; restore it, or start another run with --out")
    untold = sum(question.truth is None for question in found)
    if untold:
        run.warn(f"{source}: {untold:,} of {len(found):,} questions have no truth, and count for no accuracy")
    return found


def _cast(recipe: Recipe, run: Run, access: Access, wording: Wording) -> Cast:
    settings = recipe.debate
    named = {"debater": settings.debater, "judge": settings.judge}
    for key, name in named.items():
        if name == SCRIPTS[key]:
            raise InputError(
                f"debate.{key} = {name} knows the town's questions alone; give people, a folder or hub name, or "
                "http://HOST:PORT/v1#NAME"
            )
    folder = run.folder / PEOPLE

    @cache
    def policy(name: str) -> Policy:
        return _policy(recipe, run, name, access)

    def speaker(name: str) -> Speaking:
        return (
            PeopleSpeaker(folder / "turns.jsonl", wording) if name == PEOPLE else PolicySpeaker(policy(name), wording)
        )

    judge: Judging = PeopleJudge(folder / "verdicts.jsonl", wording)
    if settings.judge != PEOPLE:
        judge = PolicyJudge(policy(settings.judge), wording, seed=recipe.seed)
    sides = [speaker(settings.debater), speaker(settings.opponent or settings.debater)]
    if settings.best_of > 1:
        sides = [BestOf(side, judge, settings.best_of, wording) for side in sides]
    seats: dict[Speaker, Speaking] = {
        "A": sides[0], "B": sides[1], "reader": speaker(settings.debater), "judge": speaker(settings.judge)
    }  # fmt: skip
    return Cast(seats, judge, PEOPLE in (settings.debater, settings.opponent, settings.judge))


def _policy(recipe: Recipe, run: Run, name: str, access: Access) -> Policy:
    found = subjects([name])
    if len(found) > 1:
        raise InputError(f"{name}: a run of {len(found)} models; name one of them, as RUN:STAGE")
    return opened(found[0], recipe.sampling, stages.frozen(recipe.compute), access, run)


def _played(
    run: Run, protocol: Protocol, questions: Sequence[Question], cast: Cast, wording: Wording
) -> list[Transcript]:
    """The protocol's games; people are asked about each question once, models in both seats."""
    file = run.stage_folder(STAGE) / f"{protocol.name}.jsonl"

    with run.stage(STAGE), run.progress(protocol.name, len(protocol.groups)) as tick:
        return play(
            questions, protocol, cast.speakers, cast.judge, wording,
            seats="alternate" if cast.people else "both", seed=run.seed, kept=file, tick=tick,
        )  # fmt: skip


def _learnt(recipe: Recipe, run: Run, questions: Sequence[Question], cast: Cast, wording: Wording) -> dict[str, Any]:
    """A debater trained by self-play on half of the questions, and its games with its start on the others."""
    name = recipe.debate.debater
    if name == PEOPLE or is_endpoint(name):
        raise InputError(f"debate.learn: {name} can't be trained; name a folder or hub name as debate.debater")
    order = [questions[i] for i in shuffled(len(questions), seed_of(run.seed, "practice"))]
    practice, heldout = order[: len(order) // 2], order[len(order) // 2 :]
    base = base_of(name)
    learnt = trained(run, base, practice, cast.judge, recipe, wording)
    meet(run, {START: base, LEARNT: str(learnt)}, heldout, cast.judge, recipe, wording)
    return findings.learnt([read_games(run.stage_folder(met_in(CHECKED)), heldout)], LEARNT, START)


def _content(
    recipe: Recipe, protocols: Sequence[Protocol], games: findings.Games, learnt: dict[str, Any], questions: int
) -> dict[str, Any]:
    gains = [findings.gain_row(*pair, [games]) for pair in findings.ORDER]
    return {
        "judge": recipe.debate.judge,
        "questions": questions,
        "seeds": [recipe.seed],
        "games": [findings.game_row(one.name, one, [games[one.name]]) for one in protocols],
        "gains": [gain for gain in gains if gain],
        "persuaders": [],
        "learnt": learnt,
        "references": findings.references(),
        "shown": [row for one in protocols for row in findings.shown(one.name, one, games[one.name])],
    }
