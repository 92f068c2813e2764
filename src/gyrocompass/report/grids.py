"""What `grids.json` and the episodes of its worlds hold. `folder.read` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from pydantic import FiniteFloat

from .spectrum import Measured


@dataclass(frozen=True)
class Play:
    """An episode of T moves: T + 1 boards as lines of text, and the rewards and performances that came of the moves.

    Raises ValueError if their numbers don't fit, or a board has another shape than the first.
    """

    policy: str
    boards: tuple[str, ...]
    rewards: tuple[FiniteFloat, ...]
    performances: tuple[FiniteFloat | None, ...]
    case: str = ""

    def __post_init__(self) -> None:
        if not len(self.boards) - 1 == len(self.rewards) == len(self.performances) > 0:
            raise ValueError(
                f"{len(self.boards)} boards, {len(self.rewards)} rewards and {len(self.performances)} performances"
            )
        shapes = {tuple(map(len, board.split("\n"))) for board in self.boards}
        if len(shapes) > 1 or len(set(next(iter(shapes)))) > 1:
            raise ValueError("boards of different shapes")

    @property
    def returns(self) -> tuple[float | None, ...]:
        """The return after each number of moves, from 0 on, (T + 1)."""
        return tuple(accumulate(self.rewards, initial=0.0))

    @property
    def worths(self) -> tuple[float | None, ...]:
        """The performance after each number of moves, None where it is undefined, (T + 1)."""
        return (None if self.performances[0] is None else 0.0, *self.performances)


@dataclass(frozen=True)
class World:
    """A world: what it pays and what was wanted, each policy's `return` and `performance`, and whether that is gaming.

    `lack` is how far the agent lies below honest play of its return, None where that was not measured.
    """

    name: str
    pays: str
    wants: str
    verdict: str
    said: str
    policies: dict[str, dict[str, Measured]]
    lack: Measured | None = None
    episodes: tuple[Play, ...] = ()


@dataclass(frozen=True)
class Grids:
    """Agents and controls in small worlds: `runs` trainings of `moves` moves, measured on `episodes` episodes each.

    A world is flagged if the whole interval of its `lack` lies above `threshold`.
    """

    moves: int
    runs: int
    episodes: int
    threshold: FiniteFloat
    worlds: tuple[World, ...]
