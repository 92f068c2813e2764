"""Debates of one's own models, or of people, on one's own questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Literal

from .. import data
from ..config import Access, Debate, Recipe
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
    read_wording,
)
from ..feedback.debate.measure import marks
from ..feedback.debate.people import PeopleJudge, PeopleSpeaker
from ..feedback.debate.protocol import Speaker
from ..files import write_json
from ..maths.stats import known
from ..models.batching import seed_of, shuffled
from ..models.endpoint import is_endpoint
from ..protocols import Policy
from ..run import Run
from . import debate_findings as findings
from . import stages
from .debate_selfplay import LEARNT, START, meet, met_in, one_round, trained
from .subjects import subject
from .suites import opened
from .task import unchanged

PEOPLE = "people"
STAGE, MEETINGS = "games", "meetings"
SCRIPTS = {"debater": "strongest", "judge": "town"}
"""What stands for the town's own, which knows no other questions."""
Rated = Literal["debater", "opponent"]


@dataclass(frozen=True)
class Cast:
    """Who takes part in one's own games: in each seat, the two who argue, the judge; and whether people do."""

    seats: Mapping[Speaker, Speaking]
    sides: Mapping[Rated, Speaking]
    judge: Judging
    people: bool


def own_games(recipe: Recipe, run: Run, access: Access) -> None:
    """Plays each protocol on each question; writes debate.json and, where truth is known, rows of evals.json.

    Raises InputError for settings, questions or models that can't be used, Waiting where people are to reply.
    """
    protocols, wording = read_protocols(recipe.debate.protocols), read_wording(recipe.debate.wording)
    check_cast(recipe.debate, protocols)
    unchanged(run, "wording", recipe.debate.wording or "the default wording", "wording", wording.hash)
    questions = _questions(recipe, run)
    if recipe.debate.judge == PEOPLE and len(protocols) > 1:
        run.warn(f"people judge each question in {len(protocols)} games, and may know it again (debate.protocols)")
    # 1. Who speaks, and who judges.
    cast = _cast(recipe, run, access, wording)
    # 2. The games.
    games = {protocol.name: _played(run, protocol, questions, cast, wording) for protocol in protocols}
    stages.tell(run, [line for protocol in protocols for line in _marked(protocol, games[protocol.name])])
    # 3. Debater and opponent meet themselves and each other.
    met = _met(recipe.debate, run, protocols, questions, cast, wording)
    # 4. How often the judge was right, where that is known.
    content = _content(recipe, protocols, games, met, len(questions))
    run.measure(findings.measurements(content["games"]))
    write_json(run.folder / findings.FILE, content)
    # 5. A debater that learns from games with itself.
    if recipe.debate.learn != "none":
        content["learnt"] = _learnt(recipe, run, protocols, questions, cast, wording)
        write_json(run.folder / findings.FILE, content)
    run.save(status="done", summary=findings.sentences(content))


def check_cast(settings: Debate, protocols: Sequence[Protocol]) -> None:
    """Raises InputError where someone is named who can't do what the settings ask of them."""
    named = {"debater": settings.debater, "opponent": settings.opponent, "judge": settings.judge}
    people = [key for key, name in named.items() if name == PEOPLE]
    for key, script in SCRIPTS.items():
        if named[key] == script:
            raise InputError(
                f"debate.{key} = {script} knows the town's questions alone; give people, a folder or hub name, or "
                "http://HOST:PORT/v1#NAME"
            )
    if people and settings.best_of > 1:
        raise InputError(
            f"debate.{people[0]} = people: they neither try nor judge the best of {settings.best_of} turns; set "
            "debate.best_of to 1"
        )
    if settings.learn != "none":
        if settings.judge == PEOPLE:
            raise InputError("debate.learn: people can't judge every turn that a debater tries; name a model as judge")
        if settings.debater == PEOPLE or is_endpoint(settings.debater):
            raise InputError(f"debate.learn: {settings.debater} can't be trained; name a folder or hub name as debater")
    chosen = next((one.name for one in protocols if one.open), None)
    if settings.debater == PEOPLE and chosen:
        raise InputError(f"debate.debater = people: they can't choose their side in {chosen}; leave it out")
    if settings.opponent and not any("B" in one.speakers for one in protocols):
        raise InputError("debate.opponent: none of the protocols has a seat B; name one that has, such as debate")


def drawn(questions: Sequence[Question], n: int, seed: int) -> list[Question]:
    """n of the questions at most, drawn by the seed, in their order."""
    places = shuffled(len(questions), seed_of(seed, "questions"))[:n]
    return [questions[i] for i in sorted(places)]


def in_drawn_order(questions: Sequence[Question], seed: int) -> list[Question]:
    """With the answers of half of them, drawn by the seed, turned: whoever is asked in one order alone learns nothing
    from a file that names right answers first."""
    turned = set(shuffled(len(questions), seed_of(seed, "order of answers"))[: len(questions) // 2])
    return [question.turned if i in turned else question for i, question in enumerate(questions)]


def _questions(recipe: Recipe, run: Run) -> list[Question]:
    source = recipe.data
    found = read_questions(Path(source))
    digest = data.sha256(source)
    if run.state["data"].setdefault(source, digest) != digest:
        raise InputError(f"{source}: changed since this run began; restore it, or start another run with --out")
    kept = drawn(found, recipe.debate.questions, recipe.seed)
    if len(kept) < len(found):
        run.warn(
            f"{source}: {len(kept):,} of {len(found):,} questions are played, drawn by the seed (debate.questions)"
        )
    untold = sum(question.truth is None for question in kept)
    if untold:
        run.warn(f"{source}: {untold:,} of {len(kept):,} questions have no truth, and count for no accuracy")
    return in_drawn_order(kept, recipe.seed) if _with_people(recipe.debate) else kept


def _with_people(settings: Debate) -> bool:
    return PEOPLE in (settings.debater, settings.opponent, settings.judge)


def _cast(recipe: Recipe, run: Run, access: Access, wording: Wording) -> Cast:
    settings, folder = recipe.debate, run.folder / PEOPLE

    @cache
    def policy(name: str) -> Policy:
        return _policy(recipe, run, name, access)

    def speaker(name: str) -> Speaking:
        if name == PEOPLE:
            return PeopleSpeaker(folder / "turns.jsonl", wording)
        return PolicySpeaker(policy(name), wording, settings.votes)

    judge: Judging = PeopleJudge(folder / "verdicts.jsonl", wording)
    if settings.judge != PEOPLE:
        judge = PolicyJudge(policy(settings.judge), wording, settings.votes, recipe.seed)
    return seated(settings, speaker, judge, wording)


def seated(settings: Debate, speaker: Callable[[str], Speaking], judge: Judging, wording: Wording) -> Cast:
    """Who takes part, given how each name speaks."""
    sides: dict[Rated, Speaking] = {
        "debater": speaker(settings.debater), "opponent": speaker(settings.opponent or settings.debater)
    }  # fmt: skip
    if settings.best_of > 1:
        sides = {name: BestOf(side, judge, settings.best_of, wording) for name, side in sides.items()}
    seats: dict[Speaker, Speaking] = {
        "A": sides["debater"], "B": sides["opponent"], "reader": speaker(settings.debater),
        "judge": speaker(settings.judge),
    }  # fmt: skip
    return Cast(seats, sides, judge, _with_people(settings))


def _policy(recipe: Recipe, run: Run, name: str, access: Access) -> Policy:
    return opened(subject(name), recipe.sampling, stages.frozen(recipe.compute), access, run)


def _played(
    run: Run, protocol: Protocol, questions: Sequence[Question], cast: Cast, wording: Wording
) -> list[Transcript]:
    """The protocol's games; people are asked about each question once, models in both seats."""
    file = run.stage_folder(STAGE) / f"{protocol.name}.jsonl"

    with run.stage(STAGE), run.progress(protocol.name, len(protocol.groups)) as tick:
        return play(
            questions, protocol, cast.seats, cast.judge, wording,
            seats="alternate" if cast.people else "both", seed=run.seed, kept=file, tick=tick,
        )  # fmt: skip


MARKS = {
    "empty": "turns say nothing",
    "cut": "turns are longer than {words:,} words, and cut",
    "no quote": "turns quote nothing",
    "unverified quote": "turns quote what doesn't stand in the passage",
    "abstained": "verdicts are abstentions, which widen the interval",
}


def _marked(protocol: Protocol, games: Sequence[Transcript]) -> list[str]:
    """What to know of the turns and verdicts, a line for each mark."""
    turns = sum(len(game.turns) for game in games)
    return [
        f"{protocol.name}: {n:,} of {len(games) if mark == 'abstained' else turns:,} "
        + MARKS[mark].format(words=protocol.words)
        for mark, n in marks(games).items()
    ]


Meetings = Mapping[tuple[str, str], Sequence[Transcript]]


def _met(
    settings: Debate, run: Run, protocols: Sequence[Protocol], questions: Sequence[Question], cast: Cast,
    wording: Wording,
) -> Meetings:  # fmt: skip
    protocol = rated_in(settings, protocols)
    if protocol is None or cast.people:
        return {}
    with run.stage(MEETINGS) as folder:
        return meetings(settings, protocol, questions, cast, wording, run.seed, folder)


def rated_in(settings: Debate, protocols: Sequence[Protocol]) -> Protocol | None:
    """The protocol that debater and opponent are rated in: the first in which both argue, sides assigned."""
    if settings.opponent in (None, settings.debater):
        return None
    return next((one for one in protocols if "B" in one.speakers and not one.open), None)


def meetings(
    settings: Debate, protocol: Protocol, questions: Sequence[Question], cast: Cast, wording: Wording, seed: int,
    folder: Path | None = None,
) -> Meetings:  # fmt: skip
    """Debater and opponent against each other, in either seat, and each against itself."""
    called = {"debater": settings.debater, "opponent": str(settings.opponent)}
    return {
        (called[a], called[b]): play(
            questions, protocol, {**cast.seats, "A": cast.sides[a], "B": cast.sides[b]}, cast.judge, wording,
            seats="alternate", seed=seed, kept=folder and folder / f"{a} {b}.jsonl",
        )
        for a, b in product(cast.sides, cast.sides)
    }  # fmt: skip


def halves(questions: Sequence[Question], seed: int) -> tuple[list[Question], list[Question]]:
    """Questions for practice, and questions held out."""
    order = [questions[i] for i in shuffled(len(questions), seed_of(seed, "practice"))]
    return order[: len(order) // 2], order[len(order) // 2 :]


def _learnt(
    recipe: Recipe, run: Run, protocols: Sequence[Protocol], questions: Sequence[Question], cast: Cast,
    wording: Wording,
) -> dict[str, Any]:  # fmt: skip
    """A debater trained by self-play on half of the questions, and its games with its start on the others."""
    practice, heldout = halves(questions, run.seed)
    base, protocol = subject(recipe.debate.debater, "debate.debater = ").source, one_round(protocols)
    learnt = trained(run, base, practice, cast.judge, recipe, wording, protocol)
    meet(run, {START: base, LEARNT: str(learnt)}, heldout, cast.judge, recipe, wording, protocol)
    return findings.learnt([read_games(run.stage_folder(met_in(protocol)), heldout)], LEARNT, START)


def _content(
    recipe: Recipe, protocols: Sequence[Protocol], games: findings.Games, met: Meetings, questions: int
) -> dict[str, Any]:
    # People are asked in one order alone, so that there is none to turn their verdicts.
    unasked = {"order_flips": None} if recipe.debate.judge == PEOPLE else {}
    gains = [findings.gain_row(*pair, [games]) for pair in findings.ORDER]
    return {
        "judge": recipe.debate.judge,
        "questions": questions,
        "seeds": [recipe.seed],
        "games": [findings.game_row(one.name, one, [games[one.name]]) | unasked for one in protocols],
        "gains": [gain for gain in gains if gain],
        "persuaders": (known(findings.persuaders, [met]) or []) if met else [],
        "learnt": {},
        "references": findings.references(),
        "shown": [row for one in protocols for row in findings.shown(one.name, one, games[one.name])],
    }
