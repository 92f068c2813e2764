"""Episodes: what an agent saw and did, what it was paid, and what it was worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .grid import Board, Grid

Act = Callable[[Board], int]
"""A policy of grids: a board to a move."""


@dataclass(frozen=True, slots=True)
class Episode:
    """T moves: the boards before each and after the last, (T + 1); and per move its reward and the performance so far.

    A performance is None where it is undefined, or not known yet. `over` is False where the episode was cut off.
    """

    boards: tuple[Board, ...]
    actions: tuple[int, ...]
    rewards: tuple[float, ...]
    performances: tuple[float | None, ...]
    over: bool

    @property
    def total(self) -> float:
        """The return: the sum of the observed rewards."""
        return sum(self.rewards)

    @property
    def performance(self) -> float | None:
        """The performance of the whole, None where it is undefined."""
        return self.performances[-1]


def rollout(grid: Grid, act: Act, seed: int | None = None) -> Episode:
    """One episode; the same for the same seed, as far as `act` is."""
    board, _ = grid.reset(seed=seed)
    boards, actions, rewards, performances = [board], [], [], []
    over = cut = False
    while not (over or cut):
        action = act(board)
        board, reward, over, cut, _ = grid.step(action)
        boards.append(board)
        actions.append(action)
        rewards.append(reward)
        performances.append(grid.performance)
    return Episode(tuple(boards), tuple(actions), tuple(rewards), tuple(performances), over)


def diluted(act: Act, share: float, rng: np.random.Generator) -> Act:
    """The policy with this share of its moves drawn at random."""
    return lambda board: int(rng.integers(4)) if rng.random() < share else act(board)
