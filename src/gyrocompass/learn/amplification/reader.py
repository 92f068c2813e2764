"""X and H' are one small transformer: it reads rows of tokens, a question and what is known, and answers the question.

A row is a question with its answer in the last slot; a fact and an answered sub-question look the same. A row is one
position: the sum of an embedding for each slot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

PASSES, HEADS = 3, 2
"""How often a reader goes over its rows, and the heads with which it does."""
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

    def asking(self, questions: Int[Tensor, "B W"]) -> Int[Tensor, "B W+1"]:
        """Each question as a row whose answer is wanted."""
        return torch.cat([questions, torch.full_like(questions[:, :1], self.unknown)], 1)

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
    """One pass: some rows look at all rows, then each is worked on by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.known = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mixed = nn.Linear(width, width)
        self.work = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, looking: Float[Tensor, "B Q D"], rows: Float[Tensor, "B R D"]) -> Float[Tensor, "B Q D"]:
        keys, values = self.known(self.before(rows)).chunk(2, -1)
        queries = self.query(self.before(looking))
        seen = F.scaled_dot_product_attention(_heads(queries), _heads(keys), _heads(values))
        states: Tensor = looking + self.mixed(seen.transpose(1, 2).flatten(2))
        worked: Tensor = self.work(self.after(states))
        return states + worked


def _heads(states: Float[Tensor, "B R D"]) -> Float[Tensor, "B H R E"]:
    """What each head is given, E = D / H."""
    n, rows, width = states.shape
    heads: Tensor = states.view(n, rows, HEADS, width // HEADS).transpose(1, 2)
    return heads


class Reader(nn.Module):
    """Reads (B, R, S) tokens, the question first; gives logits for each of `outputs` slots, (B, outputs, size).

    Where `ordered`, a row's place among the R counts; a set of facts has no order. Every pass has the same weights
    (Dehghani et al. 2019, arXiv:1807.03819), so that a step learnt at one serves at the next; the last pass is the
    question's alone, whose row is the only one that is read out.
    """

    def __init__(self, spelling: Spelling, rows: int, outputs: int, width: int, *, ordered: bool = False) -> None:
        super().__init__()
        slots = spelling.width + 1
        self.outputs, self.size = outputs, spelling.size
        self.offsets = torch.arange(slots) * spelling.size
        self.embedding = nn.EmbeddingBag(slots * spelling.size, width, mode="sum")
        self.places = nn.Parameter(torch.zeros(rows, width), requires_grad=ordered)
        self.asked = nn.Parameter(torch.zeros(width))
        self.block = Block(width)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs * spelling.size))

    def forward(self, rows: Int[Tensor, "B R S"]) -> Float[Tensor, "B O V"]:
        n, length, slots = rows.shape
        states = self.embedding((rows + self.offsets).view(-1, slots)).view(n, length, -1) + self.places[:length]
        states = torch.cat([states[:, :1] + self.asked, states[:, 1:]], 1)
        for _ in range(PASSES - 1):
            states = self.block(states, states)
        logits: Tensor = self.head(self.block(states[:, :1], states)[:, 0])
        return logits.view(n, self.outputs, self.size)


def update(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One clipped step at this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 1.0)
    optimiser.step()
