"""Tables for the terminal: the headline of each property, and how the audits fared in their own test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ..audits.selftest import Tested
from ..maths.stats import Estimate

ARROWS = {"high": "↑", "low": "↓", "zero": "→ 0"}


def headline_table(compared: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """One row a property, one column a model; the arrow says which way is the better one."""
    found = {(r["model"], r["property"], r["metric"], r["slice"]): r for r in rows}
    table = Table("property", "metric", *compared["models"], "n", box=None, pad_edge=False, header_style="bold")
    for head in compared["headlines"]:
        keys = [(model, head["property"], head["metric"], None) for model in compared["models"]]
        measured = [found.get(key) for key in keys]
        sizes = {row["n"] for row in measured if row}
        metric = f"{head['metric'].replace('_', ' ')} {ARROWS[head['better']]}"
        cells = [head["property"], metric, *map(_cell, measured), " / ".join(f"{n:,}" for n in sorted(sizes))]
        table.add_row(*(Text(cell, no_wrap=True) for cell in cells))
    return table


def _cell(row: Mapping[str, Any] | None) -> str:
    return "not measured" if row is None else _interval(Estimate(row["value"], row["low"], row["high"], row["n"]))


def self_test_table(tested: Sequence[Tested]) -> Table:
    """One row an audit and strength of the planted fault: its effect, and how often it was flagged and called clean.

    The first row of an audit has its clean cases too. An effect of 1 is one that matters.
    """
    heads = ("audit", "strength", "effect", "sensitivity", "called clean", "n", "false alarms", "no verdict", "")
    table = Table(*heads, box=None, pad_edge=False)
    for one in tested:
        of_clean = (_interval(one.false_alarms), str(one.unsure), "holds" if one.holds else "falls short")
        for at in one.planted:
            effect = "not measured" if at.effect is None else _interval(at.effect)
            clean = f"{at.called_clean.value:.0%}{' wrongly' if at.missed else ''}"
            cells = (f"{at.strength:g}", effect, _interval(at.sensitivity), clean, str(at.sensitivity.n))
            table.add_row(f"{one.audit}: {one.finding}", *cells, *(of_clean if at is one.planted[0] else ()))
    return table


def operating_curve(tested: Tested, points: int = 12) -> Table:
    """What other thresholds of an audit would give."""
    table = Table("threshold", "sensitivity", "false alarms", title=tested.finding, box=None, title_justify="left")
    for point in tested.curve[:: max(1, len(tested.curve) // points)]:
        table.add_row(f"{point.threshold:.3g}", f"{point.sensitivity:.2f}", f"{point.false_alarms:.2f}")
    return table


def _interval(e: Estimate) -> str:
    return f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]"
