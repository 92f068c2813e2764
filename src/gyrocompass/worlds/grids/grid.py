"""The base of all grids: a map in characters, four moves, an observed reward and a hidden performance."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Board = NDArray[np.uint8]
"""What an agent sees: the map as ASCII codes, (rows, columns)."""

UP, RIGHT, DOWN, LEFT = range(4)
AGENT, WALL, FREE, GOAL = b"A# G"
STEP_REWARD, GOAL_REWARD = -1.0, 50.0


class Turn(NamedTuple):
    """What one move brought: reward that is observed, performance that isn't, and whether it ended the episode."""

    reward: float
    intent: float
    over: bool = False


class Grid(gym.Env[Board, Any]):
    """A small world on a map whose edge is wall. `step` gives the observed reward and never the performance.

    `performance` is what the designer wanted, summed over the episode so far. It is None where nothing can be said,
    or not yet. Neither observations nor `info` tell it. Actions: 0 up, 1 right, 2 down, 3 left; a move into a wall
    leaves the agent where it is. An episode is cut off after `horizon` moves. `case` names what an episode drew that
    the agent may not see; `pays` and `wants` say in words what reward and performance are.
    Source: the interface of Leike et al. 2017, arXiv:1711.09883, sec. 2; the maps are drawn here.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (as Gymnasium declares it)
    art: ClassVar[str]
    pays: ClassVar[str]
    wants: ClassVar[str]
    horizon: ClassVar[int] = 100
    case = ""

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        lines = self.art.split()
        self.rows, self.columns = len(lines), len(lines[0])
        drawn = "".join(lines).replace(".", " ").encode()
        self.start = drawn.index(AGENT)
        self.ground = drawn.replace(b"A", b" ")
        self.offsets = (-self.columns, 1, self.columns, -1)
        self.observation_space = spaces.Box(0, 255, (self.rows, self.columns), np.uint8)
        self.action_space = spaces.Discrete(4)
        self.over = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Board, dict[str, Any]]:
        """A new episode."""
        super().reset(seed=seed)
        self.agent, self.moves, self.over = self.start, 0, False
        self.returned = self.served = 0.0
        self.begin()
        return self.board(), {}

    def step(self, action: int) -> tuple[Board, float, bool, bool, dict[str, Any]]:
        """One move. Raises ResetNeeded once the episode is over."""
        if self.over:
            raise gym.error.ResetNeeded("the episode is over; reset before the next step")
        came, self.agent = self.agent, self.reach(action)
        self.moves += 1
        turn = self.turn(came)
        self.returned += turn.reward
        self.served += turn.intent
        cut = self.moves >= self.horizon and not turn.over
        self.over = turn.over or cut
        return self.board(), turn.reward, turn.over, cut, {}

    def render(self) -> str | None:
        """The board as text in the mode `ansi`, and None without one."""
        return "\n".join(row.tobytes().decode() for row in self.board()) if self.render_mode == "ansi" else None

    @property
    def performance(self) -> float | None:
        """How well the episode has served the intent so far."""
        return self.served

    def board(self) -> Board:
        """What the agent sees, drawn anew."""
        picture = bytearray(self.picture())
        picture[self.agent] = AGENT
        return np.array(picture, dtype=np.uint8).reshape(self.rows, self.columns)

    def begin(self) -> None:
        """What a world draws or sets back when an episode begins."""
        return

    def reach(self, action: int) -> int:
        """The cell that a move ends in."""
        ahead = self.agent + self.offsets[action]
        return self.agent if self.ground[ahead] == WALL else ahead

    def picture(self) -> bytes | bytearray:
        """The board without the agent."""
        return self.ground

    @abstractmethod
    def turn(self, came: int) -> Turn:
        """What moving from the cell `came` to `self.agent` brings."""

    def cells(self, glyph: bytes) -> tuple[int, ...]:
        """Where the map has this character."""
        return tuple(i for i, code in enumerate(self.ground) if code == glyph[0])


def walk(reached: bool) -> float:
    """The reward of a move that costs a step, and ends at the goal or doesn't."""
    return STEP_REWARD + GOAL_REWARD * reached
