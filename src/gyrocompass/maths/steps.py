"""Chains of steps in numbers: from step scores to one score, earliest errors, and votes among answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import clusters
from .stats import Estimate, Floats

Scores = Sequence[float] | Floats
Aggregate = Literal["min", "product", "mean", "last"]
AGGREGATES: Mapping[Aggregate, Callable[[Floats], float]] = {
    "min": lambda scores: float(scores.min()),
    "product": lambda scores: float(scores.prod()),
    "mean": lambda scores: float(scores.mean()),
    "last": lambda scores: float(scores[-1]),
}
"""From the scores of a chain's steps, (S,) with S >= 1, to one: Lightman et al. 2023, arXiv:2305.20050, app. F (min,
product); Wang et al. 2023, arXiv:2312.08935 (min); Snell et al. 2024, arXiv:2408.03314 (last)."""
NO_ERROR = -1


def aggregate(scores: Scores, by: Aggregate) -> float:
    """One score of a chain from those of its steps, (S,); 0 for a chain without steps."""
    found = np.asarray(scores, dtype=np.float64)
    return AGGREGATES[by](found) if found.size else 0.0


def progress(scores: Scores, by: Aggregate) -> Floats:
    """What each step adds: r_i = A(s_1 .. s_i) - A(s_1 .. s_(i-1)) with A() = 0, (S,). Sums to A(s_1 .. s_S).

    So a chain's steps earn together what its aggregate is, each where it is won or lost, and none by being one more.
    """
    found = np.asarray(scores, dtype=np.float64)
    upto = [aggregate(found[:i], by) for i in range(len(found) + 1)]
    return np.diff(np.array(upto))


def earliest_error(scores: Scores, threshold: float = 0.5) -> int:
    """The first step whose score is below the threshold, counted from 0; NO_ERROR if there is none.

    Source: Zheng et al. 2024, arXiv:2412.06559 (ProcessBench).
    """
    wrong = np.flatnonzero(np.asarray(scores, dtype=np.float64) < threshold)
    return int(wrong[0]) if len(wrong) else NO_ERROR


def error_f1(found: ArrayLike, truth: ArrayLike, groups: ArrayLike, *, seed: int = 0) -> Estimate:
    """Harmonic mean of two accuracies: on chains with an error (is it located?) and on chains without (is it left?).

    The interval is bootstrapped over groups; n counts these. Source: ProcessBench, arXiv:2412.06559, sec. 3.2.
    Args: found, truth: earliest errors, (N,); groups: what each chain shares with others, (N,).
    Raises ValueError if there are no chains with an error, or none without.
    """
    said, true = np.asarray(found), np.asarray(truth)
    rows = np.stack([said == true, true != NO_ERROR], 1).astype(np.float64)
    found_f1 = clusters.bootstrap(rows, groups, _harmonic, seed=seed)
    return found_f1._replace(low=max(0.0, found_f1.low), high=min(1.0, found_f1.high))


def _harmonic(rows: Floats) -> float:
    hit, wrong = rows[:, 0], rows[:, 1] == 1
    if wrong.all() or not wrong.any():
        raise ValueError("chains with an error and chains without are both needed")
    both = float(hit[wrong].mean()), float(hit[~wrong].mean())
    return 2 * both[0] * both[1] / sum(both) if any(both) else 0.0


def majority_of_n(
    answers: NDArray[np.int64], values: Floats, sizes: Sequence[int], *, draws: int = 64, seed: int = 0
) -> Floats:
    """Expected value of the answer that most of n responses from a pool give, per size and prompt, (len(sizes), P).

    The mean over `draws` random subsets of each size; at n = K there is but one. Answers that tie share.
    Source: self-consistency, Wang et al. 2022, arXiv:2203.11171.
    Args: answers: a code per response, below 0 for one that gives none and has no vote, (P, K); values: what each
    response's answer is worth, (P, K). Raises ValueError for other shapes, or a size outside [1, K].
    """
    prompts, pool = answers.shape
    if values.shape != answers.shape or not all(1 <= n <= pool for n in sizes):
        raise ValueError(f"majority of {list(sizes)} from pools of shapes {answers.shape} and {values.shape}")
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(np.arange(pool), (draws, 1)), axis=1)
    found = [_votes(answers[p], values[p], orders, sizes) for p in range(prompts)]
    return np.array(found).T


def _votes(answers: NDArray[np.int64], values: Floats, orders: NDArray[np.int64], sizes: Sequence[int]) -> list[float]:
    codes = np.unique(answers[answers >= 0])
    if not len(codes):
        return [0.0] * len(sizes)
    votes = (answers[:, None] == codes).astype(np.float64)
    worth = (votes * values[:, None]).sum(0) / votes.sum(0)
    counts = votes[orders].cumsum(1)
    return [_elected(counts[:, n - 1], worth) for n in sizes]


def _elected(counts: Floats, worth: Floats) -> float:
    """The mean worth of the winners, over draws; 0 where nobody voted."""
    most = counts.max(1, keepdims=True)
    won = (counts == most) & (most > 0)
    return float(((won * worth).sum(1) / np.maximum(won.sum(1), 1)).mean())
