"""Axes: a domain, its ticks and their labels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .notation import number, significant


@dataclass(frozen=True, slots=True)
class Axis:
    """From `low` to `high`, marked at `ticks`, which are evenly spaced round numbers within it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value lies, 0 at the axis's low end and 1 at its high end."""
        return (value - self.low) / (self.high - self.low)

    @property
    def labels(self) -> tuple[str, ...]:
        """The ticks in words, all with the same decimals."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else abs(self.high - self.low)
        largest = max(map(abs, self.ticks), default=0.0)
        if largest >= 1e6 or 0 < largest < 1e-4:
            digits = max(1, 1 + math.floor(math.log10(largest)) - math.floor(math.log10(step)))
            return tuple(significant(tick, digits) for tick in self.ticks)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        return tuple(number(tick, places) for tick in self.ticks)


def nice_axis(values: Iterable[float], count: int = 4, *, snug: bool = False) -> Axis:
    """An axis of about `count` intervals that holds all values, which must be finite.

    Its ends are ticks, or with `snug` the values' own ends. Equal values get room around them.
    """
    found = sorted(values)
    low, high = (found[0], found[-1]) if found else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-12):
        room = abs(low) / 10 or 0.5
        low, high = low - room, high + room
    step = _nice_step((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = [index * step for index in range(first, last + 1)]
    if snug:
        slack = (high - low) * 1e-9
        return Axis(low, high, tuple(mark for mark in marks if low - slack <= mark <= high + slack))
    return Axis(marks[0], marks[-1], tuple(marks))


def _nice_step(rough: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is no less than about `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * unit for unit in (1, 2, 5, 10) if power * unit >= 0.85 * rough)
