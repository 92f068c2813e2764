"""Losses that learn a policy straight from preferences, as pure functions.

With pi the policy and ref the reference, a log-ratio is log pi(y|x) - log ref(y|x), nats, and beta times it the
implied reward. Each loss on pairs is p cost(first, second) + (1 - p) cost(second, first): swapping the responses
and p with 1 - p changes nothing, p may be soft, and p = 1/2 is a tie. Each is the sum over what it was given divided
by `count`, the pairs or examples of the whole optimiser step (by default, as many as given): shares of
micro-batches add up.

Metrics of the pair losses: `loss`; `accuracy`, in which a tie counts one half; `rewards_chosen` and
`rewards_rejected`, both the mean of the two responses for a tie; `margin`, their difference.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from .losses import Metrics

Cost = Callable[[Tensor, Tensor], Tensor]
"""cost(preferred, other), (B,) each, of a pair whose preference is certain."""


def dpo(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    label_noise: int | float = 0.0,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """-[p' log sigma(beta h) + (1 - p') log sigma(-beta h)], h = first - second, p' = p (1 - e) + (1 - p) e.

    Source: Rafailov et al. 2023, arXiv:2305.18290, eq. 7; with label noise e it is the conservative DPO of Mitchell
    2023, "A note on DPO with noisy preferences". Fed with per-token averages it is the length-normalised DPO of
    Lambert et al. 2024, arXiv:2411.15124. Differs from source: p may be soft.
    Args: first, second: log-ratios, nats, summed over the response; p_first in [0, 1]; all (B,).
    beta in 1 / nats; label_noise in [0, 1/2): the rate at which labels are flipped.
    Returns: loss in nats per pair, and the pair metrics.
    Raises: ValueError if shapes differ, there is no pair, beta <= 0, or label_noise is out of range.
    """
    _check_noise(label_noise)
    believed = p_first * (1 - label_noise) + (1 - p_first) * label_noise
    return _over_both_orders(_sigmoid_cost(beta), first, second, p_first, beta, count, believed)


def robust(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    label_noise: int | float,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """dpo's loss at p' = (p - e) / (1 - 2 e), which undoes on average what flips at rate e do to the loss.

    For a certain label that is [(1 - e) cost(h) - e cost(-h)] / (1 - 2 e), cost(h) = -log sigma(beta h).
    Source: Chowdhury et al. 2024, arXiv:2403.00409. Differs from source: p may be soft.
    Args, returns and raises: as `dpo`. The loss can be below 0, as p' leaves [0, 1].
    """
    _check_noise(label_noise)
    unflipped = (p_first - label_noise) / (1 - 2 * label_noise)
    return _over_both_orders(_sigmoid_cost(beta), first, second, p_first, beta, count, unflipped)


def ipo(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """p (h - 1 / (2 beta))^2 + (1 - p) (h + 1 / (2 beta))^2, h = first - second.

    Its minimum is at h = (2 p - 1) / (2 beta): unlike dpo's, finite for a certain label.
    Source: Azar et al. 2023, arXiv:2310.12036, eq. 17 (beta is its tau).
    Differs from source: p may be soft, and log-ratios are meant to be averages per token, so that beta keeps its
    meaning for any length.
    Args: first, second: log-ratios, nats per token; p_first in [0, 1]; all (B,). beta in 1 / nats.
    Returns: loss in nats squared per pair, and the pair metrics. Raises: as `dpo`.
    """

    def cost(preferred: Tensor, other: Tensor) -> Tensor:
        return (preferred - other - 1 / (2 * beta)).square()

    return _over_both_orders(cost, first, second, p_first, beta, count)


def hinge(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """p max(0, 1 - beta h) + (1 - p) max(0, 1 + beta h), h = first - second.

    Source: SLiC-HF, Zhao et al. 2023, arXiv:2305.10425. Differs from source: log-ratios stand in the place of
    log-probabilities, as in Liu et al. 2023, arXiv:2309.06657; p may be soft; its term that keeps the policy near
    the demonstrations is left to the caller.
    Args: first, second: log-ratios, nats; p_first in [0, 1]; all (B,). beta in 1 / nats.
    Returns: loss per pair, and the pair metrics. Raises: as `dpo`.
    """

    def cost(preferred: Tensor, other: Tensor) -> Tensor:
        return F.relu(1 - beta * (preferred - other))

    return _over_both_orders(cost, first, second, p_first, beta, count)


def simpo(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    target_margin: int | float,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """-[p log sigma(beta h - m) + (1 - p) log sigma(-beta h - m)], h = first - second, m the target margin.

    Source: Meng et al. 2024, arXiv:2405.14734, eq. 6. Differs from source: p may be soft.
    Args: first, second: average log-probabilities, nats per token, no reference; p_first in [0, 1]; all (B,).
    target_margin: in units of reward, that is of beta times nats.
    Returns: loss in nats per pair, and the pair metrics. Raises: as `dpo`.
    """

    def cost(preferred: Tensor, other: Tensor) -> Tensor:
        return -F.logsigmoid(beta * (preferred - other) - target_margin)

    return _over_both_orders(cost, first, second, p_first, beta, count)


def orpo(
    first: Float[Tensor, "B"],
    second: Float[Tensor, "B"],
    p_first: Float[Tensor, "B"],
    beta: int | float,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """-beta [p log sigma(d) + (1 - p) log sigma(-d)], d = log odds(first) - log odds(second), odds = P / (1 - P).

    Source: Hong et al. 2024, arXiv:2403.07691, eq. 6-7 (beta is its lambda). Differs from source: p may be soft;
    the likelihood of the chosen response is left to the caller.
    Args: first, second: log P, the average log-probability, nats per token, no reference; p_first in [0, 1]; all (B,).
    Returns: loss in nats per pair, and the pair metrics. Raises: as `dpo`.
    """

    def cost(preferred: Tensor, other: Tensor) -> Tensor:
        return -beta * F.logsigmoid(_log_odds(preferred) - _log_odds(other))

    return _over_both_orders(cost, first, second, p_first, beta, count)


def kto(
    log_ratio: Float[Tensor, "B"],
    label: Bool[Tensor, "B"],
    baseline: Float[Tensor, ""],
    beta: int | float,
    desirable_weight: int | float = 1.0,
    undesirable_weight: int | float = 1.0,
    count: int | None = None,
) -> tuple[Float[Tensor, ""], Metrics]:
    """w (1 - sigma(s beta (log_ratio - baseline))), s = 1 and w the desirable weight where label, else s = -1.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306, eq. 7-8.
    Args: log_ratio (B,), nats, summed over the response; label (B,): whether the response is desirable;
    baseline: max(0, mean log-ratio of responses paired with other prompts), nats, without gradient.
    Returns: loss per example; metrics `loss`; `accuracy`, the share on their label's side of the baseline, one half
    if upon it; `margin`, the mean of s beta (log_ratio - baseline).
    Raises: ValueError if shapes differ, there is no example, or beta <= 0.
    """
    _check(beta, log_ratio, label)
    n = count or len(log_ratio)
    sign = torch.where(label, 1.0, -1.0)
    gain = sign * beta * (log_ratio - baseline.detach())
    loss = (torch.where(label, desirable_weight, undesirable_weight) * torch.sigmoid(-gain)).sum() / n
    with torch.no_grad():
        accuracy = 0.5 * (1 + torch.sign(gain)).sum() / n
        return loss, {"loss": loss.detach(), "accuracy": accuracy, "margin": gain.sum() / n}


def _over_both_orders(
    cost: Cost,
    first: Tensor,
    second: Tensor,
    p_first: Tensor,
    beta: int | float,
    count: int | None,
    weight: Tensor | None = None,
) -> tuple[Tensor, Metrics]:
    """The cost of each order weighted by its probability (`weight` in place of p_first where given), and metrics."""
    _check(beta, first, second, p_first)
    n = count or len(first)
    w = p_first if weight is None else weight
    loss = (w * cost(first, second) + (1 - w) * cost(second, first)).sum() / n
    with torch.no_grad():
        side = torch.sign(p_first - 0.5)
        middle, half = beta * (first + second) / 2, beta * side * (first - second) / 2
        metrics = {
            "loss": loss.detach(),
            "accuracy": 0.5 * (1 + torch.sign(half)).sum() / n,
            "margin": 2 * half.sum() / n,
            "rewards_chosen": (middle + half).sum() / n,
            "rewards_rejected": (middle - half).sum() / n,
        }
    return loss, metrics


def _sigmoid_cost(beta: int | float) -> Cost:
    return lambda preferred, other: -F.logsigmoid(beta * (preferred - other))


def _log_odds(logp: Tensor) -> Tensor:
    """log(P / (1 - P)) from log P; P is kept a rounding error below 1."""
    below = logp.clamp(max=-torch.finfo(logp.dtype).eps)
    return logp - torch.log(-torch.expm1(below))


def _check(beta: int | float, *columns: Tensor) -> None:
    shapes = [tuple(column.shape) for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise ValueError(f"shapes are {shapes}, not one (B,)")
    if not len(columns[0]):
        raise ValueError("there is nothing to learn from: B = 0")
    if beta <= 0:
        raise ValueError(f"beta is {beta}, not above 0")


def _check_noise(label_noise: int | float) -> None:
    if not 0 <= label_noise < 0.5:
        raise ValueError(f"label_noise is {label_noise}, not in [0, 1/2)")
