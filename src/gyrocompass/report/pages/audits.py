"""What the audits found: for each failure mode every finding, its interval beside the threshold, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...audits.audit import FAILURES, Finding
from ..axes import Axis
from ..folder import RunData
from ..notation import Estimate, and_list, places_of
from ..svg import element, percent
from .section import Section

TITLES = {
    "hacking": "Reward hacking",
    "gaming": "Specification gaming",
    "shift": "Distribution shift",
    "emergence": "Emergence",
}
SEVERITY = ("flagged", "underpowered", "clean")


@dataclass(frozen=True, slots=True)
class Line:
    """A finding, its effect where there is one, and a strip with the interval, the threshold and what matters."""

    finding: Finding
    effect: Estimate | None
    places: int
    strip: Markup


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one failure mode, the gravest first."""

    title: str
    counts: str
    lines: tuple[Line, ...]


def audits(run: RunData) -> Section | None:
    """The findings of audits.json."""
    groups = [_group(name, found) for name in FAILURES if (found := [f for f in run.audits if f.audit == name])]
    if not groups:
        return None
    flagged = [TITLES[name].lower() for name in FAILURES if any(_flagged(f, name) for f in run.audits)]
    title = f"Audits: {and_list(flagged)} flagged" if flagged else "Audits: nothing was flagged"
    return Section("audits", title, {"groups": groups})


def _group(name: str, findings: Sequence[Finding]) -> Group:
    ordered = sorted(findings, key=lambda f: SEVERITY.index(f.verdict))
    number = {verdict: sum(f.verdict == verdict for f in findings) for verdict in SEVERITY}
    counts = ", ".join(f"{n} {verdict}" for verdict, n in number.items() if n)
    return Group(TITLES[name], counts, tuple(map(_line, ordered)))


def _flagged(finding: Finding, failure: str) -> bool:
    return finding.audit == failure and finding.verdict == "flagged"


def _line(finding: Finding) -> Line:
    if finding.value is None or finding.low is None or finding.high is None:
        return Line(finding, None, 2, Markup())
    effect = Estimate(finding.value, finding.low, finding.high, finding.n)
    return Line(finding, effect, min(3, places_of([effect])), _strip(finding, effect))


def _strip(finding: Finding, effect: Estimate) -> Markup:
    """The interval on a line of its own scale; a tick at the threshold, a dotted one at what matters."""
    marks = [mark for mark in (finding.threshold, finding.matters) if mark is not None]
    low, high = min([effect.low, *marks]), max([effect.high, *marks])
    room = 0.06 * (high - low) or 1.0
    axis = Axis(low - room, high + room, ())
    at = {name: percent(axis.at(getattr(effect, name))) for name in ("low", "value", "high")}
    rules = [
        element("line", class_=css, x1=percent(axis.at(mark)), x2=percent(axis.at(mark)), y1=0, y2=18)
        for css, mark in zip(("limit", "matters"), marks, strict=False)
    ]
    bar = element("line", class_="bar", x1=at["low"], x2=at["high"], y1=9, y2=9)
    dot = element("circle", class_="mark", cx=at["value"], cy=9, r=4)
    css = f"strip {finding.verdict}"
    return element("svg", *rules, bar, dot, class_=css, aria_hidden="true", width="100%", height=18)
