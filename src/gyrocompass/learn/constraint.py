"""A score held at a threshold: a Lagrange multiplier weighs it against the KL penalty.

Stay near the reference while the mean score is at least the threshold. The reward is mu * score - kl_coef * KL with
mu = sigmoid(logit): while the mean score lies above the threshold the logit falls and the KL penalty pulls the policy
back; below it the logit rises and the score counts for more.
Source: Moskovitz et al. 2023, arXiv:2310.04373, with inequality constraints. Differs from source: there is one proxy;
the KL keeps the weight kl_coef; one critic values the mixed reward; the step is taken by the logit.
"""

from __future__ import annotations

import math

MOST_LOGIT = 4.0
"""A multiplier stays within about 0.02 and 0.98, so that it comes back soon once the score has crossed over."""


def multiplier(logit: float) -> float:
    """The weight of the score, in (0, 1); 1/2 at the logit 0, where training starts."""
    return 1 / (1 + math.exp(-logit))


def adapted(logit: float, score: float, threshold: float, rate: float) -> float:
    """The logit of the next step: logit - rate * (score - threshold), within MOST_LOGIT of 0.

    Args: score: the step's mean, in the scorer's units, as is the threshold; rate: logits per such unit.
    """
    moved = logit - rate * (score - threshold)
    return min(max(moved, -MOST_LOGIT), MOST_LOGIT)
