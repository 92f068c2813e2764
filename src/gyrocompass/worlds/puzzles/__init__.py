"""Five puzzles whose hard questions fall apart into easier ones: what iterated amplification is tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .assignments import Assignments
from .paths import Paths
from .powering import Powering
from .puzzle import Facts, Puzzle, Question, Split, Thought, solve, split_of
from .union import UnionFind
from .wildcard import Wildcard

PUZZLES: Mapping[str, Callable[[], Puzzle]] = {
    kind.name: kind for kind in (Powering, Assignments, Wildcard, Paths, UnionFind)
}

__all__ = [
    "PUZZLES",
    "Assignments",
    "Facts",
    "Paths",
    "Powering",
    "Puzzle",
    "Question",
    "Split",
    "Thought",
    "UnionFind",
    "Wildcard",
    "solve",
    "split_of",
]
