"""Reward models behind the Scorer protocol, alone or as an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

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
    return network.scalars(batch).gather(1, batch.lengths[:, None] - 1)[:, 0]


@dataclass
class RewardModel:
    """Scores prompt + response at its end token, shifted and scaled as the model's config says.

    `reward_mean` and `reward_std` in the config are those of a reference policy's responses, so that 0 is
    what the reference gets on average. Source: Stiennon et al. 2020, arXiv:2009.01325, app. C (the shift).
    """

    network: Network
    name: str = "reward model"

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        raw = self.raw(examples)
        config = self.network.core.config
        scaled: Floats = (raw - getattr(config, "reward_mean", 0.0)) / getattr(config, "reward_std", 1.0)
        return scaled

    def raw(self, examples: Sequence[Example]) -> Floats:
        """Unshifted scores, (N,). Raises InputError if a text is too long, Diverged if a score is NaN."""
        encoded = chat.encode(self.network.tokenizer, examples, self.network.max_tokens)
        if len(encoded.rows) < len(examples):
            raise InputError(encoded.notes[-1])
        scores = np.empty(len(examples))
        with torch.no_grad():
            for chosen, batch in padded_batches(self.network, encoded.rows):
                scores[chosen] = end_scores(self.network, batch).double().cpu().numpy()
        return checked(scores, self.name)

    def calibrate(self, examples: Sequence[Example]) -> None:
        """Sets 0 and 1 to the mean and standard deviation of these responses' scores."""
        raw = self.raw(examples)
        config = self.network.core.config
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


def checked(scores: Floats, name: str) -> Floats:
    """The scores, if every one is a number. Raises Diverged otherwise."""
    bad = int((~np.isfinite(scores)).sum())
    if bad:
        raise Diverged(f"{name}: {bad:,} of {scores.size:,} scores are NaN or infinite; check the scorer")
    return scores
