"""Losses as pure functions.

Each is the sum over what it was given, divided by `count`: the tokens or pairs of the whole optimiser step.
So the gradient doesn't depend on how the step is cut into micro-batches.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

Metrics = dict[str, Tensor]
"""Detached scalars, each a share of the step's total: they add up over micro-batches."""


def negative_log_likelihood(logp: Float[Tensor, "N"], count: int) -> tuple[Float[Tensor, ""], Metrics]:
    """-sum(logp) / count, nats per token."""
    loss = -logp.sum() / count
    return loss, {"loss": loss.detach()}


def bradley_terry(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    margin: Float[Tensor, "B"] | float = 0.0,
    centring: float = 0.0,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """-[p log sigma(d) + (1 - p) log sigma(-d)] + centring * (first + second)^2, d = first - second.

    A margin m >= 0 is taken off the difference on the preferred side: d - sign(p - 1/2) m, so a tie has none.
    Source: Ouyang et al. 2022, arXiv:2203.02155, eq. 1; margin: Touvron et al. 2023, arXiv:2307.09288, eq. 2;
    centring: Eisenstein et al. 2023, arXiv:2312.09244. Differs from source: p may be soft.
    Args: first, second: scores of the two responses; p_first in [0, 1]; all (B,).
    Returns: loss in nats per pair; metrics `loss`, and `accuracy`, in which a tie counts one half.
    """
    n = count or len(first)
    difference = first - second
    shifted = difference - torch.sign(p_first - 0.5) * margin
    cross_entropy = -(p_first * F.logsigmoid(shifted) + (1 - p_first) * F.logsigmoid(-shifted))
    loss = (cross_entropy + centring * (first + second).square()).sum() / n
    agrees = 0.5 * (1 + torch.sign(difference) * torch.sign(p_first - 0.5))
    return loss, {"loss": loss.detach(), "accuracy": agrees.sum().detach() / n}


def ppo_policy(
    logp: Float[Tensor, "*shape"],
    old: Float[Tensor, "*shape"],
    advantages: Float[Tensor, "*shape"],
    mask: Bool[Tensor, "*shape"],
    clip: float = 0.2,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """max(-A ratio, -A clamp(ratio, 1 - clip, 1 + clip)), ratio = exp(logp - old), mean over tokens.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7.
    Metrics: `clip_fraction`, and `update_kl_nats`, the k3 estimate of KL(old || new) per token.
    """
    n = count or int(mask.sum())
    log_ratio = (logp - old).masked_fill(~mask, 0)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    losses = torch.maximum(-advantages * ratio, -advantages * clipped)
    loss = losses.masked_fill(~mask, 0).sum() / n
    with torch.no_grad():
        outside = ((ratio - 1).abs() > clip) & mask
        metrics = {
            "policy_loss": loss.detach(),
            "clip_fraction": outside.sum() / n,
            "update_kl_nats": (ratio - 1 - log_ratio).sum() / n,
        }
    return loss, metrics


def ppo_value(
    values: Float[Tensor, "*shape"],
    old: Float[Tensor, "*shape"],
    returns: Float[Tensor, "*shape"],
    mask: Bool[Tensor, "*shape"],
    clip: float = 0.2,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """1/2 max((V - R)^2, (V_clipped - R)^2), V_clipped within `clip` of the old value, mean over tokens.

    Source: the value clipping of Schulman et al.'s released PPO, as in Huang et al. 2024, arXiv:2403.17031.
    """
    n = count or int(mask.sum())
    clipped = old + (values - old).clamp(-clip, clip)
    squared = torch.maximum((values - returns).square(), (clipped - returns).square())
    loss = 0.5 * squared.masked_fill(~mask, 0).sum() / n
    return loss, {"value_loss": loss.detach()}


def step_cross_entropy(
    logits: Float[Tensor, "M"], labels: Float[Tensor, "M"], count: int | None = None
) -> tuple[Float[Tensor, ""], Metrics]:
    """-[y log sigma(z) + (1 - y) log sigma(-z)], mean over steps; y in [0, 1] is how likely a step is right.

    Source: Lightman et al. 2023, arXiv:2305.20050; soft y: Wang et al. 2023, arXiv:2312.08935, eq. 3-4.
    Returns: loss in nats per step; metrics `loss`, and `accuracy`, the share of steps on the label's side of one half.
    """
    n = count or len(logits)
    loss = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum") / n
    agrees = ((logits > 0) == (labels > 0.5)).sum()
    return loss, {"loss": loss.detach(), "accuracy": agrees.detach() / n}
