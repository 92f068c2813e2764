"""Reward model: a score per response whose differences explain people's preferences.

Source: Bradley & Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, sec. 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..config import Reward
from ..errors import InputError
from ..maths.losses import Metrics, bradley_terry
from ..maths.stats import Estimate, mean, proportion
from ..models import chat
from ..models.batching import Padded, Passes, micro_batches, pad, seed_of, shuffled
from ..models.chat import Row
from ..models.network import Network
from ..models.scorer import RewardModel, end_scores
from ..records import Example, Preference, Prompt
from .loop import Collected


@dataclass(frozen=True, slots=True)
class PairRows:
    """Both responses of a preference, tokenised."""

    first: Row
    second: Row
    p_first: float
    strength: float

    def __len__(self) -> int:
        return max(len(self.first), len(self.second))


class Micro(NamedTuple):
    batch: Padded
    """(2 B, T): the first responses, then the second ones."""
    p_first: Tensor
    margin: Tensor
    total_pairs: int
    """Pairs in the whole optimiser step."""


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
        network = self.networks["reward"]
        chosen = [self.pairs[i] for i in self.passes.indices(step)]
        cuts = micro_batches([len(pair) for pair in chosen], max(network.compute.micro_batch_tokens // 2, 1))
        micros = [self._micro([chosen[i] for i in cut], len(chosen)) for cut in cuts]
        return Collected([micros], tokens=sum(len(p.first) + len(p.second) for p in chosen))

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        first, second = end_scores(self.networks["reward"], micro.batch).chunk(2)
        return bradley_terry(first, second, micro.p_first, micro.margin, self.config.centring, micro.total_pairs)

    def _micro(self, pairs: Sequence[PairRows], total: int) -> Micro:
        network = self.networks["reward"]
        rows = [pair.first for pair in pairs] + [pair.second for pair in pairs]
        margin = [pair.strength if self.config.margin else 0.0 for pair in pairs]
        return Micro(
            pad(rows).to(network.device),
            torch.tensor([pair.p_first for pair in pairs], device=network.device),
            torch.tensor(margin, device=network.device),
            total,
        )


def encode_pairs(
    network: Network, preferences: Sequence[Preference]
) -> tuple[list[PairRows], list[Preference], list[str]]:
    """Tokenised pairs, the preferences they are, and notes: a pair with one response unusable is left out whole."""
    both = [Example(p.prompt, text) for p in preferences for text in (p.first, p.second)]
    encoded = chat.encode(network.tokenizer, both, network.max_tokens)
    rows = dict(zip(encoded.kept, encoded.rows, strict=True))
    kept = [i for i in range(len(preferences)) if 2 * i in rows and 2 * i + 1 in rows]
    chosen = [preferences[i] for i in kept]
    pairs = [
        PairRows(rows[2 * i], rows[2 * i + 1], p.p_first, p.strength or 0.0) for i, p in zip(kept, chosen, strict=True)
    ]
    return pairs, chosen, encoded.notes


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
