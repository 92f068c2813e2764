"""Pairs that were labelled more than once, and how often their labels contradict each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..records import Preference

if TYPE_CHECKING:
    from ..maths.stats import Estimate


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Of `pairs` distinct pairs, `repeated` are labelled more than once, `contradictory` of them both ways.

    `disagreement` is the rate at which two labels of one pair oppose each other, each pair counted alike; None if
    none is repeated. Its interval is Wilson's over the repeated pairs, wider than need be past two labels a pair.
    """

    pairs: int
    repeated: int
    contradictory: int
    disagreement: Estimate | None

    def __str__(self) -> str:
        said = (
            f"{self.repeated:,} of {self.pairs:,} pairs are labelled more than once, "
            f"{self.contradictory:,} of them in opposite directions"
        )
        if self.disagreement is None:
            return said
        return f"{said}; two labels of one pair disagree at a rate of {self.disagreement}"


def duplicates(preferences: Sequence[Preference]) -> Duplicates:
    """Which pairs (a prompt and two responses, in either order) come again, and with what labels.

    A tie (p_first = 1/2) opposes nothing.
    """
    sides: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
    for p in preferences:
        swapped = p.first > p.second
        texts = (p.second, p.first) if swapped else (p.first, p.second)
        side = (p.p_first > 0.5) - (p.p_first < 0.5)
        sides[p.prompt, *texts].append(-side if swapped else side)
    opposed = [_opposed(labels) for labels in sides.values() if len(labels) > 1]
    return Duplicates(len(sides), len(opposed), sum(share > 0 for share in opposed), _rate(opposed))


def _opposed(labels: Sequence[int]) -> float:
    """The share of all couples of labels in which one says the first and the other the second."""
    return labels.count(1) * labels.count(-1) / math.comb(len(labels), 2)


def _rate(opposed: Sequence[float]) -> Estimate | None:
    if not opposed:
        return None
    from ..maths.stats import Estimate, wilson  # here, as numpy and scipy are slow to import

    rate = math.fsum(opposed) / len(opposed)
    return Estimate(rate, *wilson(rate, len(opposed)), len(opposed))
