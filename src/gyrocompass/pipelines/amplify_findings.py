"""What iterated amplification came to: accuracy by depth, step by step; against its controls; calls to the overseer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..config import Recipe
from ..feedback.amplify import Node
from ..maths import clusters, stats
from ..maths.stats import Estimate, Floats
from ..records import Measurement
from ..worlds.puzzles import Puzzle

IDA, ONE_SHOT = "ida", "one-shot"
SHOWN_TREES = 3

Row = dict[str, Any]


@dataclass(frozen=True)
class Learnt:
    """A puzzle, the deepest depth that its overseer reaches alone, and every training run."""

    puzzle: Puzzle
    reach: int
    runs: tuple[Row, ...]

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(run["method"] for run in self.runs))

    @property
    def seeds(self) -> int:
        return len({run["seed"] for run in self.runs})

    def of(self, method: str) -> list[Row]:
        """The runs of a method, by seed."""
        return sorted((run for run in self.runs if run["method"] == method), key=lambda run: int(run["seed"]))

    def accuracy(self, method: str, depth: int, probe: int = -1) -> Estimate | None:
        """Share of right answers at a depth, over seeds; None where no held-out question is that deep."""
        right, seeds = self._right(method, lambda d: d == depth, probe)
        return over_seeds(right, seeds) if right.size else None

    def beyond(self, other: str) -> Estimate | None:
        """IDA's accuracy less another method's on the same questions, at depths that the overseer doesn't reach alone;
        None with a single seed."""
        if self.seeds < 2 or not {IDA, other} <= set(self.methods):
            return None
        ours, seeds = self._right(IDA, lambda d: d > self.reach)
        theirs, _ = self._right(other, lambda d: d > self.reach)
        return lead_over_seeds(ours, theirs, seeds) if ours.size else None

    def calls(self, method: str) -> Estimate | None:
        """H's moves in a whole training run; None where it wasn't asked, or where a single seed shows no spread."""
        found = [run["probes"][-1]["calls"] for run in self.of(method)]
        return stats.mean(found) if len(found) > 1 and any(found) else None

    def _right(self, method: str, wanted: Any, probe: int = -1) -> tuple[Floats, Floats]:
        """Right or not, and the seed, of each wanted question."""
        right, seeds = [], []
        for run in self.of(method):
            for depth, hit in zip(run["depths"], run["probes"][probe]["right"], strict=True):
                if wanted(depth):
                    right.append(hit)
                    seeds.append(run["seed"])
        return np.array(right, dtype=np.float64), np.array(seeds, dtype=np.float64)


@dataclass(frozen=True)
class Sums:
    """Answers of each model to held-out questions, what was amplified, by stage, and the share of right answers to
    one's own questions, by model."""

    answers: Sequence[Row]
    trees: Mapping[str, Sequence[Node]]
    own: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(row["model"] for row in self.answers))

    @property
    def lengths(self) -> list[int]:
        return sorted({row["terms"] for row in self.answers})

    def accuracy(self, model: str, terms: int) -> Estimate:
        """Share of right answers to sums of so many terms."""
        return over_seeds(*self._right(model, terms))

    def lead(self, model: str, other: str, terms: int) -> Estimate:
        """On the same questions, seed by seed."""
        ours, seeds = self._right(model, terms)
        return lead_over_seeds(ours, self._right(other, terms)[0], seeds)

    def _right(self, model: str, terms: int) -> tuple[Floats, Floats]:
        mine = [(row["right"], row["seed"]) for row in self.answers if (row["model"], row["terms"]) == (model, terms)]
        right, seeds = np.array(mine, dtype=np.float64).T
        return right, seeds


def lead_over_seeds(ours: ArrayLike, theirs: ArrayLike, seeds: ArrayLike) -> Estimate:
    """Mean difference with its interval over training runs; over questions where there is one, or no two differ."""
    gaps, runs = np.asarray(ours) - np.asarray(theirs), np.asarray(seeds)
    found = clusters.mean(gaps, runs)
    if np.isfinite(found.low) and found.low < found.high:
        return found._replace(low=max(-1.0, found.low), high=min(1.0, found.high))
    return clusters.gap(gaps, np.arange(len(gaps)) if np.isinf(found.low) else runs)


def over_seeds(right: ArrayLike, seeds: ArrayLike) -> Estimate:
    """A share with its interval over training runs; over questions where there is one run, or no two differ."""
    values, runs = np.asarray(right, dtype=np.float64), np.asarray(seeds)
    if len(np.unique(runs)) == 1:
        return stats.proportion(int(values.sum()), len(values))
    found = clusters.mean(values, runs)
    if found.low == found.high:
        return clusters.proportion(values, runs)
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


def measurements(puzzles: Sequence[Learnt], sums: Sums) -> list[Measurement]:
    """Rows of evals.json: accuracy by depth and by terms, IDA's lead, calls to the overseer."""
    rows = []
    for one in puzzles:
        name = one.puzzle.name
        for method in one.methods:
            known = {f"{name}, depth {d}": one.accuracy(method, d) for d in range(one.puzzle.depths + 1)}
            rows += [Measurement(method, "intent", "accuracy", *e, slice=where) for where, e in known.items() if e]
            if calls := one.calls(method):
                rows.append(Measurement(method, "intent", "overseer_calls", *calls, slice=name))
            if method != IDA and (lead := one.beyond(method)):
                rows.append(Measurement(IDA, "intent", "accuracy_lead", *lead, slice=f"{name}, over {method}"))
    rows += [Measurement(model, "intent", "accuracy", *share) for model, share in sums.own.items()]
    rows += [
        Measurement(model, "intent", "accuracy", *sums.accuracy(model, terms), slice=f"sums of {terms} terms")
        for model in sums.models
        for terms in sums.lengths
    ]
    return rows


def content(recipe: Recipe, puzzles: Sequence[Learnt], sums: Sums) -> Row:
    """What amplify.json holds; docs/methods/amplify.md describes it."""
    return {
        "seeds": recipe.amplification.seeds,
        "puzzles": [_puzzle(one) for one in puzzles],
        "sums": [
            {"model": model, "terms": terms, **sums.accuracy(model, terms)._asdict()}
            for model in sums.models
            for terms in sums.lengths
        ],
        "own": [{"model": model, **share._asdict()} for model, share in sums.own.items()],
        "rounds": [_round(stage, trees) for stage, trees in sums.trees.items()],
        "trees": [tree.row for tree in _worth_reading([t for trees in sums.trees.values() for t in trees])],
    }


def _puzzle(one: Learnt) -> Row:
    depths = range(one.puzzle.depths + 1)
    return {
        "name": one.puzzle.name,
        "asks": one.puzzle.asks,
        "reach": one.reach,
        "methods": [
            {
                "method": method,
                "courses": [_course(one, method, depth) for depth in depths],
                "lead": _told(one.beyond(method)) if method != IDA else None,
                "calls": _told(one.calls(method)),
            }
            for method in one.methods
        ],
        "trees": one.of(IDA)[0]["trees"] if IDA in one.methods else [],
    }


def _course(one: Learnt, method: str, depth: int) -> Row:
    """Accuracy at a depth, probe by probe."""
    steps = [probe["step"] for probe in one.of(method)[0]["probes"]]
    found = [(step, one.accuracy(method, depth, i)) for i, step in enumerate(steps)]
    return {"depth": depth, "points": [{"step": step, **e._asdict()} for step, e in found if e]}


def _told(e: Estimate | None) -> Row | None:
    return e._asdict() if e else None


def _round(stage: str, trees: Sequence[Node]) -> Row:
    nodes = [node for tree in trees for node in tree]
    return {
        "stage": stage,
        "questions": len(trees),
        "idk": sum(tree.answer is None for tree in trees),
        "calls": sum(node.calls for node in nodes),
        "depth": max((tree.depth for tree in trees), default=0),
    }


def _worth_reading(trees: Sequence[Node]) -> list[Node]:
    """The deepest trees, each of another question, and one without an answer."""
    deepest = sorted(trees, key=lambda tree: -sum(1 for _ in tree))
    unanswered = [tree for tree in trees if tree.answer is None]
    return [*deepest[:SHOWN_TREES], *unanswered[:1]]


def sentences(puzzles: Sequence[Learnt], sums: Sums) -> list[str]:
    """The verdict first: by how much IDA leads its one-shot control where the overseer can't reach."""
    if sums.models:
        return [*map(_verdict, puzzles), _said_of(sums)]
    told = "{stage}: {answered:,} of {questions:,} questions answered, {calls:,} calls."
    rounds = [_round(stage, trees) for stage, trees in sums.trees.items()]
    said = [told.format(**row, answered=row["questions"] - row["idk"]) for row in rounds]
    shares = ", ".join(f"{model} {share}" for model, share in sums.own.items())
    return [*said, f"Right answers to these very questions, which were amplified: {shares}."] if shares else said


def _said_of(sums: Sums) -> str:
    """The longest sums, after the last round, after one-shot amplification and before."""
    last, longest = [model for model in sums.models if model.startswith(IDA)][-1], sums.lengths[-1]
    after, once, before = (sums.accuracy(model, longest) for model in (last, ONE_SHOT, "base"))
    return (
        f"Sums of {longest} terms: the share of right answers is {before} before, {once} after one-shot amplification, "
        f"{after} after {len(sums.lengths) - 1} rounds; the lead over one-shot is {sums.lead(last, ONE_SHOT, longest)}."
    )


def _verdict(one: Learnt) -> str:
    name, lead = one.puzzle.name.capitalize(), one.beyond(ONE_SHOT)
    if lacking := [method for method in (IDA, ONE_SHOT) if method not in one.methods]:
        return f"{name}: no verdict without {' and '.join(lacking)} among amplification.methods."
    if lead is None:
        return f"{name}: one training run shows no spread from run to run; set amplification.seeds to 2 or more."
    word = "leads" if lead.low > 0 else "falls behind" if lead.high < 0 else "does not show a lead over"
    return (
        f"{name}: beyond depth {one.reach}, which is as far as the overseer gets alone, iterated amplification {word} "
        f"one-shot amplification: {lead} in accuracy."
    )
