"""Debate and its controls: how often the judge is right, what paid for it, and games to read in two columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..charts import PLAIN
from ..debate import Debate, Game, Said, Shown
from ..folder import RunData
from ..notation import Estimate, places_of, sentence
from ..spectrum import Measured
from .lanes import Group, Lanes, draw
from .lanes import Row as Lane
from .section import Section

CHANCE = 0.5
OVER_SEEDS = (
    "Intervals are 95%, over seeds: each has a judge and questions of its own, and n counts seeds. They hold for "
    "another such judge on other questions."
)
OVER_QUESTIONS = "Intervals are 95%, over questions, which n counts. They hold for this judge on other questions."


@dataclass(frozen=True, slots=True)
class Line:
    """A game's row: how much was quoted, what the judge's belief is worth, and what else was said."""

    name: str
    quotes: Estimate | None
    numbers: tuple[Estimate | None, ...]
    marks: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """The judge's belief in the second answer in percent, which is how far right its mark stands; None: abstained."""

    percent: float | None
    right: bool | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was said at once, side by side: the turns for either answer, and who takes no side; then the belief."""

    first: tuple[Said, ...]
    second: tuple[Said, ...]
    others: tuple[Said, ...]
    belief: Gauge


@dataclass(frozen=True, slots=True)
class Read:
    """A game to be read."""

    shown: Shown
    before: Gauge
    groups: tuple[Exchange, ...]


def debate(run: RunData) -> Section | None:
    """The judge's accuracy in each game, differences, and transcripts."""
    found = run.debate
    if found is None:
        return None
    lines = [_line(game) for game in found.games]
    known = [e for line in lines for e in line.numbers if e]
    content = {
        "found": found,
        "intervals": OVER_SEEDS if len(found.seeds) > 1 else OVER_QUESTIONS,
        "accuracies": _accuracies(found),
        "gains": _gains(found),
        "lines": lines,
        "places": min(3, places_of(known)) if known else 2,
        "persuaders": [(one.name, _estimate(one.rating), _estimate(one.accuracy)) for one in found.persuaders],
        "learnt": [(name, one.estimate) for name, one in (found.learnt or {}).items()],
        "reads": [_read(shown) for shown in found.shown],
        "informed": {game.name for game in found.games if game.kind == "informed"},
    }
    return Section("debate", "Debate: a judge who depends on what is quoted", content)


def _accuracies(found: Debate) -> Lanes | None:
    """The final accuracy of each game; where the judge heard several groups of turns also after each of them."""
    groups = []
    for game in found.games:
        rows = [Lane(_after(i), PLAIN, one.estimate) for i, one in enumerate(game.course) if one]
        final = [Lane("verdict", PLAIN, game.accuracy.estimate)] if game.accuracy else []
        groups.append(Group(sentence(game.name), (), tuple(rows if len(rows) > 1 else final)))
    groups = [group for group in groups if group.rows]
    return draw(groups, [0.0, CHANCE, 1.0], joined=True) if groups else None


def _after(groups: int) -> str:
    return "before a word" if groups == 0 else f"after turn {groups}"


def _gains(found: Debate) -> Lanes | None:
    """Differences of accuracy."""
    groups = [
        Group(f"{sentence(gain.better)} over {gain.worse}", (), (Lane("verdict", PLAIN, gain.estimate),), zero=True)
        for gain in found.gains
    ]
    return draw(groups, [0.0]) if groups else None


def _line(game: Game) -> Line:
    numbers = (game.ece, game.brier, game.honest, game.dishonest, game.order_flips, game.longer_wins)
    marks = ", ".join(f"{name} {n:,}" for name, n in (game.marks or {}).items() if n)
    return Line(game.name, _estimate(game.quotes), tuple(map(_estimate, numbers)), marks)


def _estimate(one: Measured | None) -> Estimate | None:
    return one.estimate if one else None


def _read(shown: Shown) -> Read:
    gauges = [_gauge(belief, shown.truth) for belief in shown.beliefs]
    groups = [
        Exchange(_of(group, 0), _of(group, 1), _of(group, None), gauge)
        for group, gauge in zip(shown.groups, gauges[1:], strict=True)
    ]
    return Read(shown, gauges[0], tuple(groups))


def _of(group: Sequence[Said], side: int | None) -> tuple[Said, ...]:
    return tuple(turn for turn in group if turn.side == side)


def _gauge(belief: float | None, truth: int | None) -> Gauge:
    if belief is None:
        return Gauge(None, None)
    right = None if truth is None or belief == CHANCE else (belief > CHANCE) == (truth == 0)
    return Gauge(100 * (1 - belief), right)
