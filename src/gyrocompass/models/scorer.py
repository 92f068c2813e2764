"""Reward models behind the Scorer protocol, alone or as an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import Diverged, InputError
from ..protocols import Floats, Scorer
from ..records import Example
from . import chat
from .batching import Padded
from .network import Network
from .policy import padded_batches

Combine = Literal["mean", "min", "mean_minus_variance"]


def end_scores(network: Network, batch: Padded) -> Float[Tensor, "B"]:
    """The score read at each row's last token, which no padding reaches."""
    return network.scalars_at(batch, batch.ends)


@dataclass
class RewardModel:
    """Scores prompt + response at its end token. `cut` counts responses too long to be read whole."""

    network: Network
    name: str = "reward model"
    cut: int = 0

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        """Scores, (N,). Raises InputError if a prompt is too long, Diverged if a score is NaN."""
        rows, cut = chat.encode_cut(self.network.tokenizer, examples, self.network.max_tokens)
        self.cut += cut
        scores = np.empty(len(examples))
        with torch.no_grad():
            for chosen, batch in padded_batches(self.network, rows):
                scores[chosen] = end_scores(self.network, batch).cpu().double().numpy()
        return checked(scores, len(examples), self.name)

    def calibrate(self, examples: Sequence[Example]) -> None:
        """Sets the scale so that these responses' scores have mean 0 and standard deviation 1.

        The scale lives in the model's config, so that whoever loads it, a critic too, reads the same numbers.
        Source: Stiennon et al. 2020, arXiv:2009.01325, app. C (the shift).
        """
        config = self.network.core.config
        config.reward_mean, config.reward_std = 0.0, 1.0
        raw = self(examples)
        config.reward_mean, config.reward_std = float(raw.mean()), float(raw.std()) or 1.0


def ensemble(scorers: Sequence[Scorer], combine: Combine = "mean", variance_weight: float = 1.0) -> Scorer:
    """One scorer from several: their mean, their worst case, or mean - weight * variance, per response.

    Source: Coste et al. 2024, arXiv:2310.02743. Raises InputError if there are none.
    """
    if not scorers:
        raise InputError("an ensemble of no scorers scores nothing")
    rules: dict[str, Callable[[Floats], Floats]] = {
        "mean": lambda s: s.mean(0),
        "min": lambda s: s.min(0),
        "mean_minus_variance": lambda s: s.mean(0) - variance_weight * s.var(0),
    }
    rule = rules[combine]
    return lambda examples: rule(np.stack([scorer(examples) for scorer in scorers]))


def checked(scores: Any, n: int, name: str) -> Floats:
    """The scores, if there is one number for each of n examples.

    Raises InputError for another shape, Diverged for a NaN or infinity.
    """
    found = np.asarray(scores, dtype=np.float64)
    if found.shape != (n,):
        raise InputError(f"{name} gave scores of shape {found.shape} for {n:,} examples; return one number each")
    bad = int((~np.isfinite(found)).sum())
    if bad:
        raise Diverged(f"{name}: {bad:,} of {n:,} scores are NaN or infinite; check the scorer")
    return found
