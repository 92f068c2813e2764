"""One reward model from several: the mean of their weights.

Source: Ramé et al. 2024, arXiv:2401.12187 (WARM).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..config import Compute
from ..errors import InputError
from .loading import load
from .network import Network

LEAST_LIKENESS = 0.5
"""Cosine of the weights of two models that have each moved, in directions of their own, as far as their common start
is from 0. Models that were never one have a cosine near 0, and the mean of their weights is no model of either."""


def averaged(names: Sequence[str], compute: Compute) -> Network:
    """The reward model whose weights are the mean of these models', which are loaded one after the other.

    Its scale is the mean of theirs; `RewardModel.calibrate` sets one of its own.
    Raises InputError if there are fewer than two, or they differ in shape or tokens or have no common start.
    """
    if len(names) < 2:
        raise InputError("averaged weights: one reward model has nothing to be averaged with; name two or more")
    mean = load(names[0], compute, scalar=True)
    for count, name in enumerate(names[1:], start=2):
        other = load(name, compute, scalar=True)
        _check_alike(mean, other, name, names[0])
        _move(mean, other, 1 / count)
    return mean


def likeness(one: Network, two: Network) -> float:
    """Cosine between the weight matrices of two models of one shape, all as one vector; heads and vectors aside."""
    dot = first = second = 0.0
    for a, b in zip(_matrices(one), _matrices(two), strict=True):
        dot, first, second = dot + _dot(a, b), first + _dot(a, a), second + _dot(b, b)
    return dot / max(math.sqrt(first * second), 1e-300)


def _dot(a: Tensor, b: Tensor) -> float:
    return float((a.double() * b.double()).sum())


def _matrices(network: Network) -> list[Tensor]:
    """Norms are near 1 in every model, and heads start at 0 in every one: neither tells where a model comes from."""
    named = network.core.named_parameters()
    return [p.detach() for name, p in named if p.dim() > 1 and not name.startswith("score.")]


def _check_alike(mean: Network, other: Network, name: str, first: str) -> None:
    shapes = [{key: p.shape for key, p in network.core.named_parameters()} for network in (mean, other)]
    if shapes[0] != shapes[1] or mean.tokenizer.get_vocab() != other.tokenizer.get_vocab():
        raise InputError(f"{name}: not of {first}'s shape and tokens, so their weights have no mean; combine by scores")
    found = likeness(mean, other)
    if found < LEAST_LIKENESS:
        raise InputError(
            f"{name}: its weights have no common start with those of {first} (cosine {found:.2f}); average models "
            "that were trained from one, or combine these by scores"
        )


@torch.no_grad()
def _move(mean: Network, other: Network, share: float) -> None:
    """Moves a model's weights and scale a share of the way to another's."""
    theirs = dict(other.core.named_parameters())
    for name, p in mean.core.named_parameters():
        p.lerp_(theirs[name], share)
    for key, default in (("reward_mean", 0.0), ("reward_std", 1.0)):
        mine, its = (float(getattr(network.core.config, key, default)) for network in (mean, other))
        setattr(mean.core.config, key, mine + share * (its - mine))
