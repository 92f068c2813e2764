"""What a model made of its responses by principles: chains to read, which principles acted, rates round by round."""

from __future__ import annotations

from dataclasses import dataclass

from ..charts import PLAIN
from ..constitution import Acted, Constitution, Rate
from ..folder import RunData
from ..notation import Estimate, metric, places_of, sentence
from .lanes import Group, Lanes, draw
from .lanes import Row as Lane
from .section import Section

RATES = {
    "harmless": "asked for harm or insults, it gives neither",
    "helpful": "a question that has an answer gets the right one",
    "evasive": "asked for harm or insults, it refuses without a word on what",
    "withheld": "a question that has an answer gets a refusal or “don’t know”",
}
"""What each rate counts, in the order in which they are shown."""
JUDGE = "judge"
"""The model that a judge's own rows of evals.json are of."""
SIGNED = ("judge_position_bias", "judge_flips_beyond")
"""Measures that may lie on either side of 0, which is where they ought to be."""


@dataclass(frozen=True, slots=True)
class Line:
    """A principle's row: how often it acted, and on what share of rounds gold rose and fell. `harms`: more often fell,
    the intervals apart."""

    name: str
    tags: str
    drawn: int
    changed: int
    marked: str
    better: Estimate | None
    worse: Estimate | None
    harms: bool


def constitution(run: RunData) -> Section | None:
    """The chains and counts of constitution.json, and what is known of the judge."""
    found = run.constitution
    if found is None:
        return None
    lines = [_line(acted) for acted in found.principles]
    known = [e for line in lines for e in (line.better, line.worse) if e]
    content = {
        "found": found,
        "said": _said(found),
        "marks": [(name, n) for name, n in found.marks.items() if n],
        "read": [one for one in found.shown if not one.worse],
        "worse": [one for one in found.shown if one.worse],
        "lines": lines,
        "gold": bool(known),
        "places": places_of(known) if known else 2,
        "rates": _rates(found.rates),
        "judge": _judge(run),
    }
    return Section("constitution", f"The constitution {found.name}: critique and revision", content)


def _line(acted: Acted) -> Line:
    marked = ", ".join(f"{name} {n:,}" for name, n in acted.marks.items() if n)
    better, worse = (one.estimate if one else None for one in (acted.better, acted.worse))
    harms = bool(better and worse and worse.low > better.high)
    return Line(acted.id, ", ".join(acted.tags), acted.drawn, acted.changed, marked, better, worse, harms)


def _said(found: Constitution) -> str:
    """How much was revised, in a sentence."""
    changed = sum(acted.changed for acted in found.principles)
    rounds = f"{found.rounds} round{'s' if found.rounds != 1 else ''}"
    how = "a critique and a revision" if found.critiques else "a revision without a critique"
    return (
        f"{found.chains:,} responses went through {rounds} of {how} each; {changed:,} of {found.acted:,} revisions "
        f"changed the response, and {found.unrevised:,} chains were left out of training for want of any."
    )


def _rates(rates: tuple[Rate, ...]) -> Lanes | None:
    """Each rate before the first round and after every one."""
    names = [name for name in RATES if any(one.rate == name for one in rates)]
    groups = [
        Group(
            sentence(name),
            (RATES[name],),
            tuple(Lane(after(one.rounds), PLAIN, one.estimate) for one in rates if one.rate == name),
        )
        for name in names
    ]
    return draw(groups, [0.0, 1.0], joined=True) if groups else None


def after(rounds: int) -> str:
    """Which response this is, by the rounds it went through."""
    return "first response" if rounds == 0 else f"after {rounds} round{'s' if rounds > 1 else ''}"


def _judge(run: RunData) -> Lanes | None:
    """The judge's own measures: the whole first, then by kind of prompt and tag of principle."""
    rows = [row for row in run.evals if row.model == JUDGE]
    groups = []
    for key in dict.fromkeys(row.metric for row in rows):
        of_metric = sorted((row for row in rows if row.metric == key), key=lambda row: row.slice is not None)
        lanes = tuple(
            Lane(row.slice or "all pairs", PLAIN, Estimate(row.value, row.low, row.high, row.n)) for row in of_metric
        )
        groups.append(Group(sentence(metric(key)), (), lanes, zero=key in SIGNED))
    return draw(groups, [0.0, 1.0]) if groups else None
