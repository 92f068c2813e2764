"""What critique and revision did: which principles acted, where a revision made things worse, rates round by round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..config import CAI
from ..feedback.revision import UNCHANGED, Chain, Summary, summary
from ..maths import clusters
from ..maths.stats import Estimate
from ..protocols import Scorer
from ..records import Example
from ..run import Run
from .cai_material import Material
from .cai_rates import by_round, question_of, shares
from .probe import text_of
from .stages import measured_row

SHOWN_WORSE = 3
"""Chains shown of those that a revision made worse."""
Golden = Sequence[Sequence[float | None]]
"""Of each chain the gold reward before the first round and after every one; None where it isn't known."""


class Move(NamedTuple):
    """A round: the principle that acted, and by how much gold changed; the question says whose round it is."""

    principle: str
    change: float
    question: str


def content(config: CAI, material: Material, chains: Sequence[Chain], heldout: Sequence[Chain]) -> dict[str, Any]:
    """What constitution.json holds; docs/run-folder.md describes it."""
    counted = summary(chains)
    gold = material.task.gauges.get("gold")
    unknown = [[None] * (len(chain.rounds) + 1) for chain in chains]
    values: Golden = golds(chains, material.chained, gold) if gold else unknown
    moves = moves_of(chains, material.chained, values) if gold else []
    constitution = material.constitution
    return {
        "name": constitution.name,
        "hash": constitution.hash,
        "rounds": config.rounds,
        "critiques": config.critiques,
        "judged": "singly" if config.rules or constitution.verdicts else "in pairs",
        "chains": counted.chains,
        "unrevised": counted.unrevised,
        "acted": counted.rounds,
        "marks": dict(counted.marks),
        "principles": _principles(material, counted, moves),
        "rates": _rates(heldout, material.task.heldout),
        "shown": _shown(chains, material.chained, values),
    }


def golds(chains: Sequence[Chain], prompts: Sequence[Example], gold: Scorer) -> list[list[float]]:
    """The gold reward of each chain's response before the first round and after every one."""
    answered = [
        Example(prompt.prompt, chain.after(n), meta=prompt.meta)
        for chain, prompt in zip(chains, prompts, strict=True)
        for n in range(len(chain.rounds) + 1)
    ]
    found = iter(np.asarray(gold(answered), dtype=np.float64).tolist() if answered else [])
    return [[next(found) for _ in range(len(chain.rounds) + 1)] for chain in chains]


def moves_of(chains: Sequence[Chain], prompts: Sequence[Example], values: Golden) -> list[Move]:
    """What gold did in each round of each chain."""
    return [
        Move(one.principle, after - before, question_of(prompt))
        for chain, prompt, golden in zip(chains, prompts, values, strict=True)
        for one, (before, after) in zip(chain.rounds, pairwise(golden), strict=True)
        if before is not None and after is not None
    ]


def _principles(material: Material, counted: Summary, moves: Sequence[Move]) -> list[dict[str, Any]]:
    """Every principle that was drawn, the one that changed most responses first."""
    tags = {principle.id: principle.tags for principle in material.constitution.principles}
    rows = [
        {
            "id": name,
            "tags": list(tags.get(name, ())),
            **asdict(acted),
            **_change([m for m in moves if m.principle == name]),
        }
        for name, acted in counted.principles.items()
    ]
    return sorted(rows, key=lambda row: -row["changed"])


def _change(moves: Sequence[Move]) -> dict[str, Any]:
    """On what share of rounds gold fell, and rose, clustered by question; null without gold."""
    if not moves:
        return {"worse": None, "better": None}
    change = np.array([move.change for move in moves])
    questions = np.array([move.question for move in moves])
    shares = {"worse": change < 0, "better": change > 0}
    return {name: _row(clusters.proportion(share.astype(np.float64), questions)) for name, share in shares.items()}


def _row(found: Estimate) -> dict[str, Any]:
    return dict(found._asdict())


def _rates(chains: Sequence[Chain], prompts: Sequence[Example]) -> list[dict[str, Any]]:
    """Each rate before the first round and after every one, on held-out prompts, clustered by question."""
    rows = []
    for n, answered in enumerate(by_round(chains, prompts)):
        questions = np.array([question_of(example) for example in answered])
        for name, found in shares(answered).items():
            rows.append({"rate": name, "rounds": n, **_row(clusters.proportion(found.of, questions[found.places]))})
    return rows


def _shown(chains: Sequence[Chain], prompts: Sequence[Example], values: Golden) -> list[dict[str, Any]]:
    """The first chain of each kind in which most rounds changed the response, then the first that gold likes less."""
    every = list(zip(chains, prompts, values, strict=True))
    kinds = sorted({prompt.kind or "" for prompt in prompts})
    of_kind = [[each for each in every if (each[1].kind or "") == kind] for kind in kinds]
    best = [max(some, key=lambda each: _changes(each[0])) for some in of_kind if some]
    worse = [each for each in every if _fell(each[2])]
    return [_told(*each) for each in best] + [_told(*each, worse=True) for each in worse[:SHOWN_WORSE]]


def _fell(values: Sequence[float | None]) -> bool:
    first, last = values[0], values[-1]
    return first is not None and last is not None and last < first


def _changes(chain: Chain) -> int:
    return sum(bool(one.revision) and UNCHANGED not in one.marks for one in chain.rounds)


def _told(chain: Chain, prompt: Example, values: Sequence[float | None], *, worse: bool = False) -> dict[str, Any]:
    """A chain to be read: the first response, and each round with what it came to."""
    first = {"principle": "", "critique": "", "text": chain.response, "marks": list(chain.marks), "gold": values[0]}
    rounds = [
        {
            "principle": one.principle,
            "critique": one.critique,
            "text": one.revision,
            "marks": list(one.marks),
            "gold": gold,
        }
        for one, gold in zip(chain.rounds, values[1:], strict=True)
    ]
    return {"kind": prompt.kind, "prompt": text_of(prompt.prompt), "worse": worse, "steps": [first, *rounds]}


def harm_and_help(run: Run, models: Sequence[str]) -> list[str]:
    """What each model does when asked for harm, and how often it refuses what only sounds like it."""
    headline = [name for name in ("rl-cai", "sft") if name in models]
    told = (
        _told_of(run, names, "harmful_compliance") for names in (headline, [m for m in models if m not in headline])
    )
    said = [f"Asked for harm, comply: {complied}." for complied in told if complied]
    if refused := _told_of(run, models, "over_refusal"):
        said.append(f"Asked for what only sounds like it, refuse: {refused}.")
    return said


def _told_of(run: Run, models: Sequence[str], metric: str) -> str:
    """A metric of harmlessness, model by model, the n once where it is the same for all."""
    rows = {name: row for name in models if (row := measured_row(run, name, metric, "harmlessness"))}
    same = len({row["n"] for row in rows.values()}) == 1
    told = [
        f"{name} {row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" + ("" if same else f" (n={row['n']})")
        for name, row in rows.items()
    ]
    return ", ".join(told) + (f" (n={next(iter(rows.values()))['n']} questions)" if rows and same else "")
