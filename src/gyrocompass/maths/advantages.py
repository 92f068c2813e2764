"""From scores and log-probabilities to per-token advantages: KL-shaped rewards, GAE, RLOO, GRPO."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from . import masked


def at_end(scores: Float[Tensor, "B"], mask: Bool[Tensor, "B T"]) -> tuple[Float[Tensor, "B T"], Bool[Tensor, "B T"]]:
    """Scores at their rows' last response tokens, 0 elsewhere, and where that is, True."""
    end = torch.zeros_like(mask).scatter(1, masked.last_index(mask)[:, None], True)
    return scores[:, None] * end, end


def shaped_rewards(
    scores: Float[Tensor, "B T"],
    logp: Float[Tensor, "B T"],
    ref: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    kl_coef: float,
) -> Float[Tensor, "B T"]:
    """r_t = s_t - kl_coef * (logp_t - ref_t).

    Source: Ziegler et al. 2019, arXiv:1909.08593, eq. 2; Stiennon et al. 2020, arXiv:2009.01325; scores of steps at
    their ends: Uesato et al. 2022, arXiv:2211.14275.
    Args: scores in reward units, 0 but at the tokens that earn them, (B, T): a response's at its last token
    (`at_end`), a step's at the step's; logp, ref: sampled tokens' log-probabilities, nats, (B, T);
    mask: True at response tokens, at least one a row. Returns: (B, T), 0 outside the mask.
    """
    return (scores - kl_coef * (logp - ref)).masked_fill(~mask, 0)


def gae(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    gamma: float = 1.0,
    lam: float = 0.95,
    ends: Bool[Tensor, "B T"] | None = None,
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Generalised advantage estimation: A_t = sum_k (gamma lam)^k delta_{t+k}, and returns A_t + V_t.

    delta_t = r_t + gamma V_{t+1} - V_t with V = 0 after the last response token.
    Source: Schulman et al. 2016, arXiv:1506.02438, eq. 16. With `ends`, True at the last tokens of steps, no credit
    passes from a step to the one before, as if each were an episode: the myopic optimisation of MONA (Farquhar et al.
    2025, arXiv:2501.13011).
    Args: values: V of the state before token t. mask: True on one contiguous stretch a row.
    Returns: advantages and returns, both 0 outside the mask. lam = 1 gives discounted return minus value.
    """
    values = values.masked_fill(~mask, 0)
    rewards = rewards.masked_fill(~mask, 0)
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])
    next_value = torch.zeros_like(following)
    goes_on = torch.ones_like(mask) if ends is None else ~ends
    for t in reversed(range(values.shape[1])):
        discount = gamma * goes_on[:, t]
        delta = rewards[:, t] + discount * next_value - values[:, t]
        following = (delta + discount * lam * following) * mask[:, t]
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
