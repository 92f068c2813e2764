"""Simulated raters: people with a utility, moments of inattention, and noise.

A pair's utilities differ by d; a rater prefers the first response with probability sigma(d / temperature)
(Luce 1959). Now and then a rater doesn't check: then the utilities are those that a blind reader perceives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..errors import InputError
from ..maths.stats import noise_for_disagreement
from ..protocols import Floats, Pair
from ..records import Example, Preference


class Utility(Protocol):
    """What a rater feels a response is worth, (N,). Where `blind` is True its errors go unnoticed."""

    def __call__(self, examples: Sequence[Example], /, blind: NDArray[np.bool_] | None = None) -> Floats: ...


@dataclass(frozen=True)
class SimulatedRaters:
    """A Judge, and a source of labelled preferences.

    `inattention` is the chance that a rater doesn't check a pair; `temperature` is the noise, in utilities.
    """

    utility: Utility
    inattention: float
    temperature: float
    count: int = 8

    def __call__(self, pairs: Sequence[Pair], /) -> Floats:
        """Chance that a rater drawn at random prefers the first response, (len(pairs),)."""
        attentive, blind = _differences(self.utility, pairs)
        weights = 1 - self.inattention, self.inattention
        p: Floats = weights[0] * expit(attentive / self.temperature) + weights[1] * expit(blind / self.temperature)
        return p

    def label(self, pairs: Sequence[Pair], seed: int) -> list[Preference]:
        """Each pair's choice by one rater, whose identity is recorded."""
        rng = np.random.default_rng(seed)
        first = rng.random(len(pairs)) < self(pairs)
        raters = rng.integers(self.count, size=len(pairs))
        return [
            Preference(*pair, p_first=float(choice), rater=f"rater-{rater}", source="simulated raters")
            for pair, choice, rater in zip(pairs, first, raters, strict=True)
        ]


def with_disagreement(
    utility: Utility, inattention: float, pairs: Sequence[Pair], disagreement: float, count: int = 8
) -> SimulatedRaters:
    """Raters whose noise makes two of them disagree on this share of these pairs.

    Raises InputError if no noise does, because too many pairs are ties.
    """
    differences = np.stack(_differences(utility, pairs))
    weights = np.array([1 - inattention, inattention])
    try:
        temperature = noise_for_disagreement(differences, weights, disagreement)
    except ValueError as error:
        raise InputError(f"preferences.disagreement = {disagreement}: {error}; choose another rate") from None
    return SimulatedRaters(utility, inattention, temperature, count)


def _differences(utility: Utility, pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """First minus second utility of each pair, to an attentive rater and to a blind one."""
    both = [Example(pair.prompt, text) for pair in pairs for text in (pair.first, pair.second)]
    found = []
    for blind in (False, True):
        first, second = utility(both, blind=np.full(len(both), blind)).reshape(-1, 2).T
        found.append(first - second)
    return found[0], found[1]
