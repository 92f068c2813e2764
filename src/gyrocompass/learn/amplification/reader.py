"""What X and H' read and learn with: rows of tokens, each a question with its answer in the last slot.

X is a small transformer, `Reader`, that reads facts and answers questions about them; H' a smaller network, `Decider`,
that reads a question with the sub-questions answered so far, and says what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 2
Question = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spelling:
    """A puzzle's questions of `width` tokens below `tokens`, and three tokens beside them."""

    width: int
    tokens: int

    @property
    def idk(self) -> int:
        """The answer of one who doesn't know."""
        return self.tokens

    @property
    def unknown(self) -> int:
        """Stands in a question's last slot: its answer is wanted."""
        return self.tokens + 1

    @property
    def empty(self) -> int:
        """Fills a row that isn't there yet."""
        return self.tokens + 2

    @property
    def size(self) -> int:
        return self.tokens + 3

    def asking(self, questions: Int[Tensor, "*B W"]) -> Int[Tensor, "*B W+1"]:
        """Each question as a row whose answer is wanted."""
        return torch.cat([questions, torch.full_like(questions[..., :1], self.unknown)], -1)

    def read(self, rows: Sequence[Sequence[int]]) -> tuple[Question, list[int]]:
        """The question and the answers so far, from its rows."""
        return tuple(rows[0][:-1]), [row[-1] for row in rows[1:] if row[-1] != self.empty]

    def move_of(self, move: Question | int) -> list[int]:
        """A move as a row: a sub-question whose answer is wanted, or an answer that leaves the question's slots empty.

        An answer that is none of the tokens is idk.
        """
        if isinstance(move, tuple):
            return [*move, self.unknown]
        return [self.empty] * self.width + [move if 0 <= move < self.tokens else self.idk]


class Block(nn.Module):
    """One pass: rows look at what is known, then each is worked on by itself. Queries and keys are normalised (Dehghani
    et al. 2023, arXiv:2302.05442), so that looks are sharp from the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.known = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.sought, self.found = nn.LayerNorm(width // HEADS), nn.LayerNorm(width // HEADS)
        self.mixed = nn.Linear(width, width)
        self.work = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, looking: Float[Tensor, "B Q D"], known: Float[Tensor, "B R D"]) -> Float[Tensor, "B Q D"]:
        keys, values = self.known(self.before(known)).chunk(2, -1)
        queries, keys = self.sought(_heads(self.query(self.before(looking)))), self.found(_heads(keys))
        seen = F.scaled_dot_product_attention(queries, keys, _heads(values))
        states: Tensor = looking + self.mixed(seen.transpose(1, 2).flatten(2))
        worked: Tensor = self.work(self.after(states))
        return states + worked


def _heads(states: Float[Tensor, "B R D"]) -> Float[Tensor, "B H R E"]:
    """What each head is given, E = D / H."""
    n, rows, width = states.shape
    heads: Tensor = states.view(n, rows, HEADS, width // HEADS).transpose(1, 2)
    return heads


class Slots(nn.Module):
    """Embeds rows, (..., S) tokens: the sum of an embedding for each slot, (..., D)."""

    def __init__(self, slots: int, size: int, width: int) -> None:
        super().__init__()
        self.offsets = torch.arange(slots) * size
        self.embedding = nn.EmbeddingBag(slots * size, width, mode="sum")

    def forward(self, rows: Int[Tensor, "*B S"]) -> Float[Tensor, "*B D"]:
        flat: Tensor = self.embedding((rows + self.offsets).flatten(0, -2))
        return flat.view(*rows.shape[:-1], -1)


class Reader(nn.Module):
    """Reads F facts, (B, F, S) tokens, and answers Q questions about them, (B, Q, S), each alone: logits, (B, Q, V).

    The facts are read once for all questions, and their order means nothing. Every pass has the same weights (Dehghani
    et al. 2019, arXiv:1807.03819), so that a step learnt at one serves at the next.
    """

    def __init__(self, spelling: Spelling, width: int, passes: int) -> None:
        super().__init__()
        self.passes = passes
        self.rows = Slots(spelling.width + 1, spelling.size, width)
        self.asked = nn.Parameter(torch.zeros(width))
        self.block = Block(width)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, spelling.size))

    def forward(self, facts: Int[Tensor, "B F S"], questions: Int[Tensor, "B Q S"]) -> Float[Tensor, "B Q V"]:
        known, states = self.rows(facts), self.rows(questions) + self.asked
        for left in reversed(range(self.passes)):
            states = self.block(states, known)
            if left:
                known = self.block(known, known)
        logits: Tensor = self.head(states)
        return logits


class Decider(nn.Module):
    """Reads a question and what was asked for it, (B, R, S) tokens; gives logits for each slot of a move, (B, S, V)."""

    def __init__(self, spelling: Spelling, rows: int, width: int) -> None:
        super().__init__()
        self.slots, self.size = spelling.width + 1, spelling.size
        self.rows = Slots(rows * self.slots, self.size, width)
        self.work = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, self.slots * self.size))

    def forward(self, rows: Int[Tensor, "B R S"]) -> Float[Tensor, "B S V"]:
        states = self.rows(rows.flatten(1))
        logits: Tensor = self.head(states + self.work(states))
        return logits.view(len(rows), self.slots, self.size)


def update(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One clipped step at this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
