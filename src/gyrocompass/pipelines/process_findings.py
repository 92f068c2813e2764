"""What process supervision did, in numbers with intervals and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config import Recipe
from ..maths import clusters, nested, stats
from ..maths.stats import Estimate, known
from ..maths.steps import aggregate, earliest_error, error_f1, majority_of_n
from ..protocols import Floats
from ..records import Measurement

ERRORS = ("answer_error", "trace_error")
SHARE, GAP = (0.0, 1.0), (-1.0, 1.0)
SHOWN = 6
"""Chains of the report."""
Rows = Sequence[Mapping[str, Any]]


class Reading(NamedTuple):
    """One policy of one seed on the held-out questions: which answers and which traces are right, (P,)."""

    seed: int
    model: str
    right: Floats
    traced: Floats
    questions: NDArray[np.str_]

    @classmethod
    def of(cls, seed: int, model: str, rows: Rows) -> Reading:
        right, traced = (np.array([row[name] for row in rows], dtype=np.float64) for name in ("right", "traced"))
        return cls(seed, model, right, traced, np.array([row["question"] for row in rows]))

    @property
    def cases(self) -> Floats:
        """Answer right or not, and whether its trace is, (P, 2): what rates are made of."""
        return np.stack([self.right, self.right * self.traced], 1)

    def estimate(self, metric: str) -> Estimate:
        """The answer error, or the trace error among right answers, clustered by question.

        Raises ValueError for the latter if no answer is right.
        """
        if metric == "answer_error":
            return clusters.proportion(1 - self.right, self.questions)
        of_right = self.right == 1
        return clusters.proportion(1 - self.traced[of_right], self.questions[of_right])


def answer_error(cases: Floats) -> float:
    """From rows (right, right and traced), (N, 2)."""
    return 1 - float(cases[:, 0].mean())


def trace_error(cases: Floats) -> float:
    """Among right answers. Raises ValueError if there are none."""
    if not cases[:, 0].sum():
        raise ValueError("no right answers, so no trace errors among them")
    return 1 - float(cases[:, 1].sum() / cases[:, 0].sum())


RATES: Mapping[str, Callable[[Floats], float]] = {"answer_error": answer_error, "trace_error": trace_error}


class Pool(NamedTuple):
    """Of one seed: for each way to choose and each size n, (right, right and traced) of the response chosen, (P, 2)."""

    seed: int
    sizes: list[int]
    chosen: Mapping[str, list[Floats]]
    found: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """Of each step scorer: its earliest errors and the checker's, on every distinct response."""
    prompts: NDArray[np.str_]
    shown: Rows

    @classmethod
    def of(cls, seed: int, rows: Rows, recipe: Recipe) -> Pool:
        by, most = recipe.process.aggregate, recipe.evaluation.best_of
        sizes = [2**power for power in range(most.bit_length()) if 2**power <= most]
        prompts = list(dict.fromkeys(row["prompt"] for row in rows))
        pooled = [[row for row in rows if row["prompt"] == prompt for _ in range(row["count"])] for prompt in prompts]

        def table(value: Callable[[Mapping[str, Any]], float]) -> Floats:
            return np.array([[value(row) for row in pool] for pool in pooled], dtype=np.float64)

        right, traced = table(lambda row: row["right"]), table(lambda row: row["right"] and row["traced"])
        scorers = [name for name in rows[0]["scores"] if name != "checker"]
        chosen = {}
        for name in ("checker", *scorers):
            scores = table(lambda row, name=name: aggregate(row["scores"][name], by))  # type: ignore[misc]
            chosen[name] = [
                np.stack([stats.best_of_n(scores, values, n) for values in (right, traced)], 1) for n in sizes
            ]
        codes = {answer: i for i, answer in enumerate(dict.fromkeys(row["answer"] for row in rows if row["answer"]))}
        answers = table(lambda row: codes.get(row["answer"], -1)).astype(np.int64)
        votes = [majority_of_n(answers, values, sizes, seed=recipe.seed) for values in (right, traced)]
        chosen["majority"] = [np.stack(both, 1) for both in zip(*votes, strict=True)]
        truth = np.array([earliest_error(row["scores"]["checker"]) for row in rows])
        found = {
            name: (np.array([earliest_error(row["scores"][name]) for row in rows]), truth)
            for name in scorers
            if name != "orm"
        }
        return cls(seed, sizes, chosen, found, np.array([row["prompt"] for row in rows]), _shown(rows))


def _shown(rows: Rows) -> Rows:
    """Responses to be read: for each earliest error, with a right answer and with a wrong one, the commonest."""
    kinds: dict[tuple[int, bool], Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: -row["count"]):
        kinds.setdefault((earliest_error(row["scores"]["checker"]), row["right"]), row)
    return list(kinds.values())[:SHOWN]


def told(e: Estimate | None) -> dict[str, Any] | None:
    return e._asdict() if e else None


def content(recipe: Recipe, readings: Sequence[Reading], pools: Sequence[Pool]) -> dict[str, Any]:
    """What process.json holds; docs/methods/process.md describes it."""
    models = list(dict.fromkeys(one.model for one in readings))
    of = {name: [one for one in readings if one.model == name] for name in models}
    return {
        "seeds": recipe.process.seeds,
        "slips": recipe.process.slips,
        "habits": recipe.process.habits,
        "rewards": recipe.process.rewards,
        "aggregate": recipe.process.aggregate,
        "policies": [
            {
                "model": name,
                "seeds": [{metric: told(known(one.estimate, metric)) for metric in ERRORS} for one in of[name]],
                **{
                    metric: told(nested.known_mean([known(one.estimate, metric) for one in of[name]], SHARE))
                    for metric in ERRORS
                },
            }
            for name in models
        ],
        "differences": [_difference(of[name], of["outcome-rl"]) for name in models[1:] if name != "outcome-rl"]
        if "outcome-rl" in of
        else [],
        "best_of": {"sizes": pools[0].sizes, "curves": [_curve(pools, name) for name in pools[0].chosen]},
        "located": [_located(pools, name) for name in pools[0].found],
        "shown": list(pools[0].shown),
    }


def _difference(ones: Sequence[Reading], others: Sequence[Reading]) -> dict[str, Any]:
    """Each error of a policy minus that of outcome-RL, on the same questions, seed by seed."""
    found = {}
    for metric, rate in RATES.items():
        of_each = [
            known(clusters.bootstrap_difference, two.cases, one.cases, one.questions, rate)
            for one, two in zip(ones, others, strict=True)
        ]
        found[metric] = told(nested.known_mean([each and each[0] for each in of_each], GAP))
    return {"model": ones[0].model, "over": others[0].model, **found}


def _curve(pools: Sequence[Pool], name: str) -> dict[str, Any]:
    """The errors of what a scorer chooses from n responses, n by n."""
    points = []
    for i, n in enumerate(pools[0].sizes):
        found = {}
        for metric, rate in RATES.items():
            of_each = [known(_chosen_rate, pool.chosen[name][i], rate) for pool in pools]
            found[metric] = told(nested.known_mean(of_each, SHARE))
        points.append({"n": n, **found})
    return {"scorer": name, "points": points}


def _chosen_rate(cases: Floats, rate: Callable[[Floats], float]) -> Estimate:
    """Over questions, each a pool of its own."""
    return clusters.bootstrap(cases, np.arange(len(cases)), rate, resamples=400)


def _located(pools: Sequence[Pool], name: str) -> dict[str, Any]:
    """How well a step scorer finds the earliest error, on the distinct responses of the pools."""
    of_each = [error_f1(*pool.found[name], pool.prompts) for pool in pools]
    return {"scorer": name, "error_f1": nested.mean(of_each, SHARE)._asdict()}


def measurements(found: Mapping[str, Any]) -> list[Measurement]:
    """Rows of evals.json: policies, whole and by seed; what best-of-n chooses at most; step scorers. What can't be
    measured has no row."""
    rows: list[tuple[str, str, str | None, dict[str, Any] | None]] = []
    for policy in found["policies"]:
        for metric in ERRORS:
            of_seeds = {f"seed-{i}": one[metric] for i, one in enumerate(policy["seeds"])}
            rows += [(policy["model"], metric, where, e) for where, e in ({None: policy[metric]} | of_seeds).items()]
    last = found["best_of"]["sizes"][-1]
    for curve in found["best_of"]["curves"]:
        rows += [(f"best-of-{last}", metric, curve["scorer"], curve["points"][-1][metric]) for metric in ERRORS]
    rows += [(one["scorer"], "error_f1", None, one["error_f1"]) for one in found["located"]]
    return [Measurement(model, "intent", metric, **e, slice=where) for model, metric, where, e in rows if e]


def sentences(found: Mapping[str, Any]) -> list[str]:
    """The claim first, as far as the intervals carry it; then what each policy and each scorer does."""
    said, over = [], f"over {found['seeds']} seeds" if found["seeds"] > 1 else "in one training run"
    for one in found["differences"]:
        trace, answer = _estimate(one["trace_error"]), _estimate(one["answer_error"])
        if trace is None:
            said.append(
                f"{one['model']} and {one['over']}: trace errors can't be compared; some seed has no right answer."
            )
            continue
        how = "lower" if trace.high < 0 else "higher" if trace.low > 0 else None
        first = f"Trace error among right answers is {how} under" if how else "Trace error can't be told apart between"
        link = "than under" if how else "and"
        said.append(
            f"{first} {one['model']} {link} {one['over']} {over}: the difference is {trace}; in answer error it is "
            f"{answer}."
        )
    for policy in found["policies"]:
        answer, trace = (_estimate(policy[metric]) for metric in ERRORS)
        said.append(f"{policy['model']}: answer error {answer}, trace error {trace or 'not measured'}.")
    ends = [
        f"{curve['scorer']} {_estimate(curve['points'][-1]['answer_error'])}" for curve in found["best_of"]["curves"]
    ]
    said.append(f"Answer error of the best of {found['best_of']['sizes'][-1]}: {'; '.join(ends)}.")
    return said


def _estimate(row: Mapping[str, Any] | None) -> Estimate | None:
    return Estimate(**row) if row else None
