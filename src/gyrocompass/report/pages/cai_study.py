"""Constitutional AI over seeds: rates by number of revisions, and a model for each kind of label."""

from __future__ import annotations

from collections.abc import Iterable

from ..cai_study import CAIStudy, Rated
from ..charts import PLAIN
from ..folder import RunData
from ..notation import model, sentence
from .constitution import RATES, after
from .lanes import Group, Lanes, Row, draw
from .section import Section

BOILERPLATE = {"boilerplate": "asked for harm or insults, the response that the model gives most often, word for word"}
SHOWN_KINDS = (("harmless", "harmful"), ("harmless", "jailbreak"), ("harmless", "rude"), ("helpful", "lookalike"))
"""Kinds of prompt on which models are also shown by themselves."""
SET_APART = ("harmless", "helpful")


def cai_study(run: RunData) -> Section | None:
    """The rates of cai_study.json."""
    found = run.cai_study
    if found is None:
        return None
    against = list(dict.fromkeys(one.against for one in found.differences))
    content = {
        "found": found,
        "revisions": _revisions(found),
        "models": _models(found),
        "apart": [(model(other), _apart(found, other)) for other in against],
    }
    return Section("cai-study", "Constitutional AI over seeds", content)


def _revisions(found: CAIStudy) -> Lanes | None:
    groups = [
        Group(
            sentence(rate),
            (f"{'with' if critiques else 'without'} critiques",),
            tuple(
                Row(after(one.rounds), PLAIN, one.estimate)
                for one in found.revisions
                if (one.rate, one.critiques) == (rate, critiques)
            ),
        )
        for rate in RATES
        for critiques in (True, False)
    ]
    shown = [group for group in groups if group.rows]
    return draw(shown, [0.0, 1.0], joined=True) if shown else None


def _models(found: CAIStudy) -> Lanes | None:
    whole = [_group(found, rate, None, note) for rate, note in {**RATES, **BOILERPLATE}.items()]
    by_kind = [_group(found, rate, kind, f"of {kind} prompts") for rate, kind in SHOWN_KINDS]
    shown = [group for group in (*whole, *by_kind) if group.rows]
    return draw(shown, [0.0, 1.0]) if shown else None


def _group(found: CAIStudy, rate: str, kind: str | None, note: str) -> Group:
    ours = _rows(one for one in found.models if (one.rate, one.kind) == (rate, kind))
    return Group(sentence(rate), (note,), ours)


def _apart(found: CAIStudy, other: str) -> Lanes:
    ours = [one for one in found.differences if one.against == other and one.kind is None]
    rates = [rate for rate in SET_APART if any(one.rate == rate for one in ours)]
    groups = [Group(sentence(rate), (), _rows(one for one in ours if one.rate == rate), zero=True) for rate in rates]
    return draw(groups, [-0.1, 0.1])


def _rows(ours: Iterable[Rated]) -> tuple[Row, ...]:
    return tuple(Row(model(one.model), PLAIN, one.estimate) for one in ours)
