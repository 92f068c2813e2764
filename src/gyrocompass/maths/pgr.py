"""Performance gap recovered: how much of the way from the weak supervisor to the strong ceiling a student comes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from . import crossed
from .stats import Estimate


def performance_gap_recovered(
    weak: ArrayLike, student: ArrayLike, ceiling: ArrayLike, questions: ArrayLike, level: float = 0.95
) -> Estimate:
    """(student - weak) / (ceiling - weak), of mean performances on the same cases; 0 is the supervisor, 1 the ceiling.

    Paired by case, with Fieller's interval over questions and seeds (`crossed.ratio`). As a ratio it is no number where
    the gap can't be told from 0.
    Source: Burns et al. 2023, arXiv:2312.09390, sec. 3.
    Args: performances of each case under each seed, such as 1 for right and 0 for wrong, (seeds, cases) each.
    Raises ValueError if the ceiling isn't shown to lie above the supervisor, or the shapes differ.
    """
    w, s, c = (np.asarray(x, dtype=np.float64) for x in (weak, student, ceiling))
    if not w.shape == s.shape == c.shape:
        raise ValueError(f"performances on different cases: {w.shape}, {s.shape} and {c.shape}")
    gap = crossed.mean(c - w, questions, level)
    untold = ValueError(f"the ceiling isn't shown to lie above the supervisor, with a gap of {gap}")
    if not gap.low > 0:
        raise untold
    try:
        return crossed.ratio(s - w, c - w, questions, level)
    except ValueError:
        raise untold from None
