"""Pairs of responses to one prompt: tokenised, cut into micro-batches, and read by a policy or a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..records import Example, Preference
from . import chat
from .batching import Padded, micro_batches, packed_batches, tokens_read
from .chat import Row
from .network import Network


@dataclass(frozen=True, slots=True)
class PairRows:
    """Both responses of a preference, tokenised."""

    first: Row
    second: Row
    p_first: float
    strength: float

    def __len__(self) -> int:
        return max(len(self.first), len(self.second))

    @property
    def tokens(self) -> int:
        return len(self.first) + len(self.second)


@dataclass(frozen=True)
class PairBatch:
    """B pairs of an optimiser step on the network's device; each prompt is read once where the network packs.

    Of the rows the first B are the first responses, the others the second ones.
    """

    rows: Padded
    first_tokens: Float[Tensor, "B"]
    second_tokens: Float[Tensor, "B"]
    p_first: Float[Tensor, "B"]
    strength: Float[Tensor, "B"]
    indices: list[int]
    """Which of all pairs these are."""
    total_pairs: int
    """Pairs in the whole optimiser step."""


def encode_pairs(
    network: Network, preferences: Sequence[Preference]
) -> tuple[list[PairRows], list[Preference], list[str]]:
    """Tokenised pairs, the preferences they are, and notes: a pair with one response unusable is left out whole."""
    both = [Example(p.prompt, text) for p in preferences for text in (p.first, p.second)]
    encoded = chat.encode(network.tokenizer, both, network.max_tokens)
    rows = dict(zip(encoded.kept, encoded.rows, strict=True))
    kept = [i for i in range(len(preferences)) if 2 * i in rows and 2 * i + 1 in rows]
    chosen = [preferences[i] for i in kept]
    pairs = [
        PairRows(rows[2 * i], rows[2 * i + 1], p.p_first, p.strength or 0.0) for i, p in zip(kept, chosen, strict=True)
    ]
    return pairs, chosen, encoded.notes


def pair_batches(network: Network, pairs: Sequence[PairRows], indices: Sequence[int]) -> list[PairBatch]:
    """The pairs of one optimiser step, by length, in micro-batches of the network's token budget."""
    rows = [[pairs[i].first, pairs[i].second] for i in indices]
    if all(map(network.packs_rows, rows)):
        cuts = packed_batches([tokens_read(both) for both in rows], network.budget_tokens)
    else:
        cuts = micro_batches([2 * len(pairs[i]) for i in indices], network.budget_tokens)
    return [_batch(network, pairs, [indices[i] for i in cut], len(indices)) for cut in cuts]


def _batch(network: Network, pairs: Sequence[PairRows], indices: list[int], total: int) -> PairBatch:
    chosen = [pairs[i] for i in indices]

    def column(values: Sequence[int | float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=network.device)

    return PairBatch(
        rows=network.batch([pair.first for pair in chosen] + [pair.second for pair in chosen]),
        first_tokens=column([pair.first.n_response for pair in chosen]),
        second_tokens=column([pair.second.n_response for pair in chosen]),
        p_first=column([pair.p_first for pair in chosen]),
        strength=column([pair.strength for pair in chosen]),
        indices=indices,
        total_pairs=total,
    )


def pair_logprobs(
    network: Network, batch: PairBatch, temperature: float = 1.0
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Summed log-probability of each first and each second response, nats."""
    first, second = response_logprobs(network, batch.rows, temperature).chunk(2)
    return first, second


def response_logprobs(network: Network, rows: Padded, temperature: float = 1.0) -> Float[Tensor, "B"]:
    """Summed log-probability of each row's response, nats."""
    logp = network.masked_logprobs(rows, temperature)
    sums = torch.zeros(len(rows.ends), dtype=torch.float64, device=logp.device)  # fp32 loses 1e-4 nats over 100 tokens
    return sums.index_add(0, rows.cells // rows.mask.shape[1], logp.double()).float()


def pair_scores(network: Network, batch: PairBatch) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """The scorer's number for each first and each second response, read at its end token."""
    first, second = network.scalars_at(batch.rows, batch.rows.ends).chunk(2)
    return first, second
