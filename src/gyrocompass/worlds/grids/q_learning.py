"""Q-learning with a table: the learner of grids, on whatever signal it is given.

Source: Watkins & Dayan 1992, Machine Learning 8; Sutton & Barto 2018, sec. 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .episode import Episode, diluted, rollout
from .grid import Board, Grid

Signal = Callable[[Episode], Sequence[float] | None]
"""What a learner is paid for each move of an episode; None: the episode teaches nothing."""

Tick = Callable[[int], None]
"""Told of the moves made so far, about every `TICK_MOVES`."""

TICK_MOVES = 1000


def observed(episode: Episode) -> Sequence[float]:
    """The rewards that the world shows."""
    return episode.rewards


def hidden(episode: Episode) -> Sequence[float] | None:
    """The growth of the performance with each move: what an honest control learns from. None if it is undefined.

    Where performance is known only at the end, all of it comes with the last move.
    """
    if episode.performance is None:
        return None
    known = [0.0, *(0.0 if p is None else p for p in episode.performances)]
    return [after - before for before, after in pairwise(known)]


@dataclass
class Table:
    """Q: board and action -> discounted return, 0 before it is learnt. As a policy: the action of the highest Q.

    A board that was never met is answered as the one among those met that differs from it in the fewest cells.
    """

    values: dict[bytes, list[float]] = field(default_factory=dict)
    visits: dict[bytes, list[int]] = field(default_factory=dict)
    likened: dict[bytes, bytes] = field(default_factory=dict)

    def of(self, board: Board) -> list[float]:
        """The four actions' values."""
        return self.values.setdefault(board.tobytes(), [0.0] * 4)

    def towards(self, board: Board, action: int, target: float, slowing: float) -> None:
        """Moves one value to a target by a rate that falls with each visit: 1, 2^-slowing, 3^-slowing, ..."""
        q, n = self.of(board), self.visits.setdefault(board.tobytes(), [0] * 4)
        n[action] += 1
        q[action] += n[action] ** -slowing * (target - q[action])

    def greedy(self, board: Board) -> int:
        q = self.of(board)
        return q.index(max(q))

    def __call__(self, board: Board) -> int:
        q = self.values[self._nearest(board)]
        return q.index(max(q))

    def _nearest(self, board: Board) -> bytes:
        key = board.tobytes()
        if key in self.values:
            return key
        if key not in self.likened:
            met = np.frombuffer(b"".join(self.values), dtype=np.uint8).reshape(-1, board.size)
            self.likened[key] = met[(met != board.ravel()).sum(axis=1).argmin()].tobytes()
        return self.likened[key]


def q_learning(
    grid: Grid,
    signal: Signal,
    *,
    moves: int,
    slowing: float = 0.6,
    discount: float = 0.99,
    least_exploration: float = 0.1,
    seed: int = 0,
    tick: Tick = lambda moves: None,
) -> Table:
    """Q after about this many moves in the world.

        for each episode:
            play it epsilon-greedily; epsilon falls linearly from 1 to `least_exploration` over the first half
            for each of its moves (s, a, r, s'), the last one first:
                Q(s, a) += rate * (r + discount * max Q(s', .) - Q(s, a)),   Q(s', .) = 0 if s' ended the episode

    An episode that was cut off did not end. Going backwards carries a reward at the end to all that led to it.
    """
    table, rng, done = Table(), np.random.default_rng(seed), 0
    grid.reset(seed=seed)
    while done < moves:
        exploration = max(least_exploration, 1 - 2 * (1 - least_exploration) * done / moves)
        episode = rollout(grid, diluted(table.greedy, exploration, rng))
        paid = signal(episode)
        if paid is not None:
            _learn(table, episode, paid, slowing, discount)
        done += len(episode.actions)
        if done // TICK_MOVES > (done - len(episode.actions)) // TICK_MOVES:
            tick(done)
    return table


def _learn(table: Table, episode: Episode, paid: Sequence[float], slowing: float, discount: float) -> None:
    ahead = 0.0 if episode.over else max(table.of(episode.boards[-1]))
    for board, action, reward in reversed(list(zip(episode.boards, episode.actions, paid, strict=False))):
        table.towards(board, action, reward + discount * ahead, slowing)
        ahead = max(table.of(board))
