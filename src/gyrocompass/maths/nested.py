"""Estimates over seeds that have cases of their own: each seed's models meet questions that no other seed's meet.

A seed's number then varies with its models and with its questions at once, so that the spread from seed to seed holds
both, and seeds are what is drawn at random. Where seeds share their questions: `crossed`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import stats
from .stats import Estimate


def mean(seeds: Sequence[Estimate], span: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """Mean of the seeds' numbers, within `span`; n counts seeds. One seed's estimate stays as it is.

    Student's t over the seeds' values. Few seeds may agree by chance, so the interval is never narrower than for these
    seeds' models alone, of which the seeds' own intervals tell: their arms add up in squares.
    Source: adding up arms (MOVER), Zou & Donner 2008, Statistics in Medicine 27.
    Raises ValueError if there is no seed, or a value is not finite.
    """
    if len(seeds) == 1:
        return seeds[0]
    centre, low, high, n = stats.mean([seed.value for seed in seeds])
    below, above = (
        float(np.linalg.norm([end - seed.value for seed, end in zip(seeds, ends, strict=True)])) / n
        for ends in ([seed.low for seed in seeds], [seed.high for seed in seeds])
    )  # fmt: skip
    low, high = min(low, centre - below), max(high, centre + above)
    return Estimate(centre, max(low, span[0]), min(high, span[1]), n)


def known_mean(seeds: Sequence[Estimate | None], span: tuple[float, float] = (-np.inf, np.inf)) -> Estimate | None:
    """The same; None where some seed has no such number."""
    found = [seed for seed in seeds if seed is not None]
    return mean(found, span) if len(found) == len(seeds) else None
