"""H, whose every move is counted, and H', which learns them so that H needn't be asked so often."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from ...errors import InputError
from .reader import Decider, Question, Spelling, update

Next = Callable[[Question, Sequence[int]], Question | int]
"""H: its next move on a question, given the answers so far; a sub-question, or the answer."""
UPDATES, DECISIONS = 4, 128
"""Of H' after each lesson, and the decisions of H in each: H's moves are what is dear."""
SURE = 0.7
"""Below this probability of a move, in any of its slots, H' says idk."""


class Overseer:
    """H as `amplify` takes it. `calls` counts its moves; `kept` are the decisions that H' learns from.

    With `noise`, that share of its moves is a random one: a random token in each place.
    """

    def __init__(self, next_move: Next, spelling: Spelling, noise: float, rng: random.Random) -> None:
        self.next_move, self.spelling, self.noise, self.rng = next_move, spelling, noise, rng
        self.calls = 0
        self.kept: list[tuple[Tensor, Tensor]] = []

    def __call__(self, rows: Int[Tensor, "B R S"]) -> Int[Tensor, "B S"]:
        moves = torch.tensor([self._move(one) for one in rows.tolist()])
        self.calls += len(moves)
        self.kept.append((rows.clone(), moves))
        return moves

    def _move(self, rows: Sequence[Sequence[int]]) -> list[int]:
        """As a row. An answer leaves its question slots empty."""
        spelling = self.spelling
        if self.noise and self.rng.random() < self.noise:
            return [self.rng.randrange(spelling.tokens) for _ in range(spelling.width)] + [
                self.rng.choice([spelling.unknown, self.rng.randrange(spelling.tokens)])
            ]
        try:
            move = self.next_move(*spelling.read(rows))
        except InputError:  # after a random move it may be asked what makes no sense
            move = spelling.idk
        return spelling.move_of(move)

    def decisions(self) -> tuple[Tensor, Tensor]:
        """All that was kept: (N, R, S) and (N, S)."""
        rows, moves = zip(*self.kept, strict=True)
        self.kept = [(torch.cat(rows), torch.cat(moves))]
        return self.kept[0]


class Imitator:
    """H': predicts H's moves, so that H needn't be asked for each. Where it isn't sure of one, it answers idk."""

    def __init__(self, moves: int, spelling: Spelling, width: int) -> None:
        self.spelling = spelling
        self.network = Decider(spelling, moves + 1, width)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=0.0, fused=True)

    @torch.no_grad()
    def __call__(self, rows: Int[Tensor, "B R S"]) -> Int[Tensor, "B S"]:
        """The likeliest move in each slot: H's moves depend on nothing but what is read here."""
        p, moves = self.network(rows).softmax(2).max(2)
        idk = moves.new_tensor(self.spelling.move_of(self.spelling.idk))
        return torch.where(p.amin(1, keepdim=True) >= SURE, moves, idk)

    def learn(self, overseer: Overseer, rate: float) -> None:
        """A lesson: updates on decisions of H, drawn from all that it has made, late ones the more often; none
        before its first, as when all that it was asked were facts."""
        if not overseer.kept:
            return
        rows, moves = overseer.decisions()
        for _ in range(UPDATES):
            chosen = (torch.rand(DECISIONS).sqrt() * len(rows)).long()
            logits = self.network(rows[chosen])
            update(self.optimiser, F.cross_entropy(logits.flatten(0, 1), moves[chosen].flatten()), rate)
