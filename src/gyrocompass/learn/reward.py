"""Reward model: a score per response whose differences explain people's preferences.

Source: Bradley & Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, sec. 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from ..config import Reward
from ..errors import InputError
from ..maths.losses import Metrics, bradley_terry
from ..maths.stats import Estimate, mean, proportion
from ..models.batching import Passes, seed_of, shuffled
from ..models.network import Network
from ..models.pairs import PairBatch, PairRows, pair_batches, pair_scores
from ..models.scorer import RewardModel
from ..records import Example, Preference, Prompt
from .loop import Collected


class RewardModelling:
    """Each epoch passes over shuffled pairs; a step's loss is the mean over its pairs.

    Raises InputError if there are no pairs.
    """

    def __init__(self, network: Network, pairs: Sequence[PairRows], config: Reward, seed: int) -> None:
        if not pairs:
            raise InputError("reward: there are no preferences to learn from")
        self.networks: Mapping[str, Network] = {"reward": network}
        self.pairs, self.config = pairs, config
        self.passes = Passes(len(pairs), config.batch_size, config.epochs, seed_of(seed, "reward"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        chosen = self.passes.indices(step)
        batches = pair_batches(self.networks["reward"], self.pairs, chosen)
        return Collected([batches], tokens=sum(self.pairs[i].tokens for i in chosen))

    def loss(self, batch: PairBatch) -> tuple[Tensor, Metrics]:
        first, second = pair_scores(self.networks["reward"], batch)
        margin = batch.strength if self.config.margin else 0.0
        return bradley_terry(first, second, batch.p_first, margin, self.config.centring, batch.total_pairs)


def split_by_prompt(
    preferences: Sequence[Preference], heldout_fraction: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """Training and held-out preferences that share no prompt."""
    prompts = list(dict.fromkeys(p.prompt for p in preferences))
    order = shuffled(len(prompts), seed_of(seed, "heldout preferences"))
    heldout = {prompts[i] for i in order[: math.ceil(heldout_fraction * len(prompts))]}
    train = [p for p in preferences if p.prompt not in heldout]
    return train, [p for p in preferences if p.prompt in heldout]


def accuracy(scorer: RewardModel, preferences: Sequence[Preference]) -> Estimate:
    """Share of preferences, ties aside, in which the scorer gives the chosen response more.

    Wilson's interval; where several preferences share a prompt, Student's t over the prompts' means.
    Raises ValueError if all are ties: no number without data.
    """
    decided = [p for p in preferences if p.p_first != 0.5]
    scores = scorer([Example(p.prompt, text) for p in decided for text in (p.chosen, p.rejected)])
    chosen, rejected = scores.reshape(-1, 2).T
    right = chosen > rejected
    by_prompt: dict[Prompt, list[bool]] = {}
    for p, hit in zip(decided, right, strict=True):
        by_prompt.setdefault(p.prompt, []).append(bool(hit))
    if len(by_prompt) == len(decided):
        return proportion(int(right.sum()), len(decided))
    return mean([float(np.mean(hits)) for hits in by_prompt.values()])
