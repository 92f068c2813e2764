"""A scorer without what length explains.

Reward models pay for length, and policies find out (Singhal et al. 2023, arXiv:2310.03716). Differs from source: what
is taken off is a regression's estimate on samples, where the paper tries penalties and rewards of other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..protocols import Floats, Scorer
from ..records import Example
from .scorer import checked


@dataclass(frozen=True)
class LengthControlled:
    """score - slope * (log length - centre): what the score is worth at the samples' usual length.

    `slope` is in score units for each e-fold of length, `centre` the mean log length of the samples.
    """

    scorer: Scorer
    slope: float
    centre: float

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        raw = checked(self.scorer(examples), len(examples), "the scorer")
        controlled: Floats = raw - self.slope * (log_lengths(examples) - self.centre)
        return controlled

    @property
    def a_doubling(self) -> float:
        """Score units that twice the length was worth."""
        return float(self.slope * np.log(2))


def length_controlled(scorer: Scorer, samples: Sequence[Example]) -> LengthControlled:
    """Takes off the score's least-squares slope on log length over these samples, which stay at their mean.

    Where prompts have several responses, scores and lengths are compared within a prompt, so that prompts which ask
    for more words don't count as length's doing; else over all.
    Raises InputError if there are no samples, or all are equally long.
    """
    if not samples:
        raise InputError("length control: no samples to learn the worth of length from")
    scores, lengths = checked(scorer(samples), len(samples), "the scorer"), log_lengths(samples)
    prompts = {prompt: i for i, prompt in enumerate(dict.fromkeys(e.prompt for e in samples))}
    owner = np.array([prompts[e.prompt] for e in samples])
    apart = _centred(lengths, owner)
    if not apart.any():
        owner = np.zeros_like(owner)
        apart = _centred(lengths, owner)
    if not apart.any():
        raise InputError(f"length control: all {len(samples):,} samples are equally long; leave it out")
    slope = float(apart @ _centred(scores, owner) / (apart @ apart))
    return LengthControlled(scorer, slope, float(lengths.mean()))


def log_lengths(examples: Sequence[Example]) -> Floats:
    """log(1 + characters) of each response, (len(examples),)."""
    return np.log1p(np.array([len(e.response or "") for e in examples], dtype=np.float64))


def _centred(values: Floats, owner: NDArray[np.intp]) -> Floats:
    """Each value minus the mean of its owner's; a rounding error counts as 0."""
    means = np.bincount(owner, values) / np.bincount(owner)
    left = values - means[owner]
    rounded: Floats = np.where(np.abs(left) > 1e-12, left, 0.0)
    return rounded
