"""From scores and log-probabilities to per-token advantages: KL-shaped rewards, GAE, RLOO, GRPO."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from . import masked


def shaped_rewards(
    scores: Float[Tensor, "B"],
    logp: Float[Tensor, "B T"],
    ref: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    kl_coef: float,
) -> Float[Tensor, "B T"]:
    """r_t = -kl_coef * (logp_t - ref_t), plus the score once, at the row's last response token.

    Source: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; Stiennon et al. 2020, arXiv:2009.01325.
    Args: scores in reward units (B,); logp, ref: sampled tokens' log-probabilities, nats, (B, T);
    mask: True at response tokens, at least one a row. Returns: (B, T), 0 outside the mask.
    """
    rewards = (-kl_coef * (logp - ref)).masked_fill(~mask, 0)
    end = masked.last_index(mask)
    return rewards.scatter_add(1, end[:, None], scores[:, None].to(rewards.dtype))


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    gamma: float = 1.0,
    lam: float = 0.95,
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Generalised advantage estimation: A_t = sum_k (gamma lam)^k delta_{t+k}, and returns A_t + V_t.

    delta_t = r_t + gamma V_{t+1} - V_t with V = 0 after the last response token.
    Source: Schulman et al. 2016, arXiv:1506.02438, eq. 16.
    Args: values: V of the state before token t. mask: True on one contiguous stretch a row.
    Returns: advantages and returns, both 0 outside the mask. lam = 1 gives discounted return minus value.
    """
    values = values.masked_fill(~mask, 0)
    rewards = rewards.masked_fill(~mask, 0)
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])
    next_value = torch.zeros_like(following)
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        following = (delta + gamma * lam * following) * mask[:, t]
        advantages[:, t] = following
        next_value = values[:, t]
    return advantages, (advantages + values).masked_fill(~mask, 0)


def rloo(returns: Float[Tensor, "P K"]) -> Float[Tensor, "P K"]:
    """REINFORCE leave-one-out: each return minus the mean of the prompt's other K - 1.

    Source: Ahmadian et al. 2024, arXiv:2402.14740, eq. 8. Raises: ValueError if K < 2.
    """
    k = _group_size(returns)
    return (returns - returns.mean(1, keepdim=True)) * (k / (k - 1))


def grpo(returns: Float[Tensor, "P K"]) -> Float[Tensor, "P K"]:
    """Group-relative advantage: (return - group mean) / group std; a group of equals gives 0.

    Source: Shao et al. 2024, arXiv:2402.03300, sec. 4.1.2. Differs from source: the KL penalty is part of
    the return, as for every estimator here. Raises: ValueError if K < 2.
    """
    _group_size(returns)
    centred = returns - returns.mean(1, keepdim=True)
    return centred / (returns.std(1, keepdim=True) + 1e-6)


def _group_size(returns: Tensor) -> int:
    k = returns.shape[1]
    if k < 2:
        raise ValueError(f"a group needs at least 2 responses a prompt, got {k}")
    return k
