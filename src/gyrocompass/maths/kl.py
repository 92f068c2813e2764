"""How far a policy has moved: KL of best-of-n, and the adaptive KL coefficient."""

from __future__ import annotations

import math


def best_of_n(n: int) -> float:
    """Upper bound on KL(best-of-n || policy): log n - (n - 1) / n, nats. Raises ValueError if n < 1.

    Source: Hilton, 'KL divergence of max-of-n', 2023; Beirami et al. 2024, arXiv:2401.01879.
    """
    if n < 1:
        raise ValueError(f"best of {n} responses means nothing")
    return math.log(n) - (n - 1) / n


def adapt_coef(coef: float, kl: float, target: float, episodes: int, horizon: int = 10_000) -> float:
    """The proportional controller: coef * (1 + clip(kl / target - 1, -0.2, 0.2) * episodes / horizon).

    Source: Ziegler et al. 2019, arXiv:1909.08593, sec. 2.2, with the horizon of its released code.
    kl and target in nats per response; coef must not be 0, or it stays there.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return coef * (1 + error * episodes / horizon)
