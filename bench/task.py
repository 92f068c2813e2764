"""The work that this project and TRL both do: the same weights, token ids, batches and number of steps.

Lengths are skewed, so a batch drawn at random is half padding. TRL's remedy is batches of alike lengths. That both
orders hold the same examples, their number of steps being small, they are drawn so: the first step is a random batch,
the same one in both orders; it warms up, and its loss must agree. The others are every k-th batch of many that were
sorted by length, in one order as they are (`grouped`), in the other one shuffled (`random`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
import transformers
from transformers import AutoTokenizer
from workload import Size, examples, preferences, size_of, weights

from gyrocompass.config import Compute
from gyrocompass.models import chat
from gyrocompass.models.chat import Row
from gyrocompass.records import Example, Preference, Prompt

POOL = 50
"""Batches that are sorted together: as many as transformers' `group_by_length` takes."""

SCALAR = ("reward",)
PAIRED = ("reward", "dpo")
SAMPLED = ("grpo", "rloo")
LEARNING_RATE = 1e-5
MAX_GRAD_NORM = 1e9
"""Norms are computed and none is clipped, so that both sides' can be compared."""
RLOO_KL = 0.05
"""TRL's default, which needs a reference; its grpo has none by default."""


class Trial(NamedTuple):
    """What one side did in a process of its own. A step's numbers leave the first step out."""

    seconds: list[float]
    tokens: list[int]
    """Of prompts and responses, padding left out."""
    answered: list[int]
    """Of responses."""
    first_loss: float | None
    first_gradient: float | None
    """Its norm, not clipped. None where the steps are random."""
    before_mib: float
    """Resident memory once everything is imported and the model is loaded."""
    reference_seconds: float | None = None
    """Spent on a reference's log-probabilities before the first step."""
    device_mib: float | None = None


class Item(NamedTuple):
    """A prompt, with its response or with a pair of them, tokenised."""

    record: Example | Preference
    rows: tuple[Row, ...]

    @property
    def prompt(self) -> Prompt:
        return self.record.prompt

    @property
    def longest(self) -> int:
        return max(map(len, self.rows))

    @property
    def tokens(self) -> int:
        return sum(map(len, self.rows))

    @property
    def answered(self) -> int:
        return sum(row.n_response for row in self.rows)


@dataclass(frozen=True)
class Task:
    """What is compared. `folder` holds the weights, the same ones for both sides."""

    method: str
    size: str
    folder: Path
    precision: Any = "fp32"
    vocabulary: int | None = None
    batch: int = 16
    steps: int = 8
    generations: int = 8

    @cached_property
    def shape(self) -> Size:
        return size_of(self.size, self.vocabulary)

    @property
    def compute(self) -> Compute:
        return Compute(precision=self.precision)

    @property
    def scalar(self) -> bool:
        return self.method in SCALAR

    def prepare(self) -> None:
        """Writes the weights and the tokenizer."""
        transformers.logging.disable_progress_bar()
        weights(self.shape, scalar=self.scalar).save_pretrained(self.folder)
        self.shape.tokenizer().save_pretrained(self.folder)

    @cached_property
    def items(self) -> list[Item]:
        """(steps + 1) batches, the first of them random, each of the others of alike lengths."""
        pool = self._encoded(self.batch * (1 + max(POOL, self.steps)))
        warm, rest = pool[: self.batch], sorted(pool[self.batch :], key=lambda item: item.longest)
        many = len(rest) // self.batch
        chosen = [(2 * i + 1) * many // (2 * self.steps) for i in range(self.steps)]
        return [*warm, *(item for i in chosen for item in rest[i * self.batch : (i + 1) * self.batch])]

    def _encoded(self, n: int) -> list[Item]:
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        context = self.shape.shape().max_position_embeddings
        if self.method not in PAIRED:
            singles = examples(self.shape, n)
            return [Item(e, (r,)) for e, r in zip(singles, chat.encode(tokenizer, singles, context).rows, strict=True)]
        pairs = preferences(self.shape, n)
        both = [Example(p.prompt, text) for p in pairs for text in (p.first, p.second)]
        rows = chat.encode(tokenizer, both, context).rows
        return [Item(p, (rows[2 * i], rows[2 * i + 1])) for i, p in enumerate(pairs)]

    @property
    def prompts(self) -> list[Prompt]:
        """Those of (steps + 1) batches of `generations` responses each."""
        return [item.prompt for item in self.items[: (self.steps + 1) * self.batch // self.generations]]

    def order(self, kind: str) -> list[list[int]]:
        """The items of each step. The first step is the same in both kinds of order."""
        n, first = len(self.items), self.batch
        blocks, rng = np.arange(first, n).reshape(-1, self.batch), np.random.default_rng(0)
        rest = rng.permutation(blocks) if kind == "grouped" else rng.permutation(blocks.ravel())
        indices = [*range(first), *rest.ravel().tolist()]
        return [indices[i : i + self.batch] for i in range(0, n, self.batch)]

    def counted(self, steps: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
        """Tokens, and tokens of responses, of each step but the first."""
        found = [[self.items[i] for i in step] for step in steps[1:]]
        return [sum(i.tokens for i in step) for step in found], [sum(i.answered for i in step) for step in found]


def share_of_long_words(text: str) -> float:
    """A reward that costs next to nothing: the share of words of an odd number of letters."""
    words = text.split()
    return sum(len(word) % 2 for word in words) / max(len(words), 1)


def resident_mib() -> float:
    """The memory that this process holds now, MiB."""
    return float(psutil.Process().memory_info().rss) / (1 << 20)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
