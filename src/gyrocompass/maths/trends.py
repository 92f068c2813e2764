"""Curves of a metric against model size: smooth trends, and thresholds. All but one or two parameters are linear.

x is log2(size), in doublings: (S,), increasing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from .stats import Floats

EXPONENTS: Floats = np.concatenate([-np.geomspace(0.05, 1.0, 16), np.geomspace(0.05, 1.0, 16)])
"""Of the power laws: no faster than size itself or its inverse. Those of losses are below 0.5 (Kaplan et al. 2020,
arXiv:2001.08361; Hoffmann et al. 2022, arXiv:2203.15556)."""
CENTRES, WIDTHS = 33, 12
"""Grid points: a threshold's places and widths."""


@dataclass(frozen=True, slots=True)
class Family:
    """Curves of one form. `columns(x, at)` is (G, P, c): for each of G shapes over the sizes x, the terms of the curve
    but for its constant, at P places. `parameters` counts all, the spread of the noise too."""

    name: str
    parameters: int
    threshold: bool
    columns: Callable[[Floats, Floats], Floats]

    def terms(self, x: Floats, at: Floats) -> Floats:
        """All that the curve is linear in, (G, P, 1 + c)."""
        columns = self.columns(x, at)
        return np.concatenate([np.ones((*columns.shape[:2], 1)), columns], axis=2)


def _line(x: Floats, at: Floats) -> Floats:
    return at[None, :, None]


def _power(x: Floats, at: Floats) -> Floats:
    found: Floats = np.exp2(EXPONENTS[:, None] * (at - x[0]))[:, :, None]
    return found


def _step(x: Floats, at: Floats) -> Floats:
    edges = (x[1:] + x[:-1]) / 2
    return (at > edges[:, None]).astype(np.float64)[:, :, None]


def _logistic(x: Floats, at: Floats) -> Floats:
    span = x[-1] - x[0]
    centres, widths = np.linspace(x[0], x[-1], CENTRES), np.geomspace(span / 100, span / 2, WIDTHS)
    shapes: Floats = special.expit((at - centres[:, None, None]) / widths[:, None])
    return shapes.reshape(-1, len(at))[:, :, None]


def _broken(x: Floats, at: Floats) -> Floats:
    kinks = np.linspace(x[1], x[-2], CENTRES)
    bent = np.maximum(at - kinks[:, None], 0.0)
    return np.stack([np.broadcast_to(at, bent.shape), bent], axis=2)


FAMILIES = (
    Family("line", 3, False, _line),
    Family("power law", 4, False, _power),
    Family("step", 4, True, _step),
    Family("logistic", 5, True, _logistic),
    Family("broken line", 5, True, _broken),
)
