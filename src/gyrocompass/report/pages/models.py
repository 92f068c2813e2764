"""Models side by side on the same prompts, overall and for each kind of prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..axes import nice_axis
from ..charts import PLAIN, STYLES, lane_axis, lanes
from ..folder import RunData
from ..notation import Estimate, and_list, count, interval_width, metric, model, places_of, sentence, size
from .section import Section

METRICS = ("gold", "heldout_proxy", "proxy", "rater_utility")
"""What policies are compared by, in the order of their nearness to intent."""

Table = Mapping[tuple[str, str | None, str], Estimate]
"""(metric, slice, model) -> estimate; the slice None is the whole."""


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of prompt, or all of them where `kind` is None: an estimate per model, None where not measured."""

    kind: str | None
    sizes: str
    estimates: tuple[Estimate | None, ...]
    chart: Markup


@dataclass(frozen=True, slots=True)
class Block:
    """One metric for all models: a dot plot whose rows are a table's. `width` is in digits' widths."""

    metric: str
    axis: Markup
    lines: tuple[Line, ...]
    places: int
    width: float


def models(run: RunData) -> Section | None:
    """The target metric for each model and kind of prompt; the other metrics behind a fold."""
    table = _table(run)
    names = in_order(name for _, _, name in table)
    present = {key for key, _, _ in table}
    keys = [key for key in dict.fromkeys((run.target, *METRICS)) if key in present]
    if not keys:
        return None
    kinds = kinds_by_change(run)
    blocks = [_block(table, key, names, kinds) for key in keys]
    content = {
        "names": names,
        "main": blocks[0],
        "others": blocks[1:],
        "finding": _finding(table, keys[0], names, kinds),
        "order": f"by the change from {model(_before(names))} to {model(names[-1])}" if len(names) > 1 else "",
    }
    kinds_too = ", by kind of prompt" if kinds else ""
    return Section("models", sentence(f"{and_list(map(model, names))}{kinds_too}"), content)


def kinds_by_change(run: RunData) -> list[str]:
    """The kinds of prompt, those first on which training lost most; those without both numbers last."""
    table = _table(run)
    names = in_order(name for _, _, name in table)
    kinds = sorted({kind for _, kind, _ in table if kind is not None})
    present = {key for key, _, _ in table}
    key = next((key for key in (run.target, *METRICS) if key in present), None)

    def change(kind: str) -> float:
        before, after = (table.get((key or "", kind, name)) for name in (_before(names), names[-1]))
        return after.value - before.value if before and after else float("inf")

    return sorted(kinds, key=change)


def in_order(names: Iterable[str]) -> list[str]:
    """Models without repetition, in the order in which training makes them; unknown ones last, as met."""
    met = list(dict.fromkeys(names))
    known = [name for name in STYLES if name in met]
    return known + [name for name in met if name not in STYLES]


def _table(run: RunData) -> Table:
    return {
        (row.metric, row.slice, row.model): Estimate(row.value, row.low, row.high, row.n)
        for row in run.evals
        if row.property == "intent" and row.metric in METRICS and not run.of_frontier(row)
    }


def _before(names: Sequence[str]) -> str:
    return "sft" if "sft" in names[:-1] else names[0]


def _block(table: Table, key: str, names: Sequence[str], kinds: Sequence[str]) -> Block:
    every = [estimate for (name, _, _), estimate in table.items() if name == key]
    low, high = min(e.low for e in every), max(e.high for e in every)
    room = 0.02 * (high - low)
    axis = nice_axis([low - room, high + room], 5, snug=True)
    places = places_of(every)
    lines = []
    for kind in (None, *kinds):
        estimates = tuple(table.get((key, kind, name)) for name in names)
        if not any(estimates):
            continue
        styled = [(STYLES.get(name, PLAIN), e) for name, e in zip(names, estimates, strict=True)]
        lines.append(Line(kind, _sizes(estimates), estimates, lanes(styled, axis)))
    return Block(key, lane_axis(axis), tuple(lines), places, interval_width(every, places))


def _sizes(estimates: Sequence[Estimate | None]) -> str:
    """`n = 120`, or the n of each model where they differ."""
    measured = {e.n for e in estimates if e}
    return size(min(measured) if len(measured) == 1 else " / ".join(count(e.n) if e else "–" for e in estimates))


def _finding(table: Table, key: str, names: Sequence[str], kinds: Sequence[str]) -> str:
    """On how many kinds the last model's interval lies wholly below, or above, that of the one before."""
    pairs = [tuple(table.get((key, kind, name)) for name in (_before(names), names[-1])) for kind in kinds]
    both = [(before, after) for before, after in pairs if before and after]
    if len(names) < 2 or not both:
        return ""
    below = sum(after.high < before.low for before, after in both)
    above = sum(after.low > before.high for before, after in both)
    return (
        f"Of {len(both)} kinds of prompt, the {metric(key)} of {model(names[-1])} lies below that of "
        f"{model(_before(names))} on {below} and above it on {above}, counting those whose 95% intervals "
        "don’t touch."
    )
