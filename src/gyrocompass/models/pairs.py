"""Pairs of responses to one prompt: tokenised, cut into micro-batches, and read by a policy or a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..records import Example, Preference
from . import chat
from .batching import Padded
from .chat import Row
from .layout import Layout, Stretch, layout
from .network import LONGEST_PACKED, Network


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
    def shared_tokens(self) -> int:
        """The prompt's, if it is the same in both."""
        n = self.first.n_prompt
        return n if n == self.second.n_prompt and self.first.ids[:n] == self.second.ids[:n] else 0

    @property
    def tokens(self) -> int:
        return len(self.first) + len(self.second)


@dataclass(frozen=True)
class PairBatch:
    """B pairs of an optimiser step on the network's device; each prompt is read once where the network packs.

    Of its states, `predicting` are those that predict `targets`, the tokens of the responses; `owners` says whose:
    the first responses are 0 to B - 1, the second ones B to 2 B - 1. `ends` are the responses' last tokens.
    """

    rows: Padded | Layout
    predicting: Int[Tensor, "M"]
    targets: Int[Tensor, "M"]
    owners: Int[Tensor, "M"]
    ends: Int[Tensor, "R"]
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
    cuts = network.cuts([pairs[i].tokens - pairs[i].shared_tokens for i in indices])
    return [_batch(network, pairs, [indices[i] for i in cut], len(indices)) for cut in cuts]


def _batch(network: Network, pairs: Sequence[PairRows], indices: list[int], total: int) -> PairBatch:
    chosen = [pairs[i] for i in indices]
    shared = network.packs and all(pair.shared_tokens and len(pair) <= LONGEST_PACKED for pair in chosen)
    rows, places = _shared(network, chosen) if shared else _apart(network, chosen)

    def column(values: Sequence[int | float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=network.device)

    return PairBatch(
        rows=rows,
        **{name: place.to(network.device) for name, place in places._asdict().items()},
        first_tokens=column([pair.first.n_response for pair in chosen]),
        second_tokens=column([pair.second.n_response for pair in chosen]),
        p_first=column([pair.p_first for pair in chosen]),
        strength=column([pair.strength for pair in chosen]),
        indices=indices,
        total_pairs=total,
    )


class Places(NamedTuple):
    """Those of PairBatch."""

    predicting: Tensor
    targets: Tensor
    owners: Tensor
    ends: Tensor


def _apart(network: Network, pairs: Sequence[PairRows]) -> tuple[Padded, Places]:
    """Two rows a pair: the first responses, then the second ones."""
    batch = network.batch([pair.first for pair in pairs] + [pair.second for pair in pairs])
    return batch, Places(batch.predicting, batch.targets, batch.cells // batch.mask.shape[1], batch.ends)


def _shared(network: Network, pairs: Sequence[PairRows]) -> tuple[Layout, Places]:
    """Prompt, first response, second response, end to end. Both responses see the prompt, neither the other."""
    ids: list[int] = []
    stretches: list[Stretch] = []
    firsts: list[range] = []
    seconds: list[range] = []
    for pair in pairs:
        prompt, n = len(ids), pair.first.n_prompt
        ids += pair.first.ids
        stretches += [Stretch(prompt, len(pair.first)), Stretch(len(ids), pair.second.n_response, prompt, n)]
        firsts.append(range(prompt + n, len(ids)))
        seconds.append(range(len(ids), len(ids) + pair.second.n_response))
        ids += pair.second.ids[n:]
    responses = [*firsts, *seconds]
    prompts_end = [response.start - 1 for response in firsts] * 2
    predicting = [[end, *response[:-1]] for end, response in zip(prompts_end, responses, strict=True)]
    at = torch.tensor([position for response in responses for position in response])
    places = Places(
        predicting=torch.tensor([position for each in predicting for position in each]),
        targets=torch.tensor(ids)[at],
        owners=torch.tensor([owner for owner, response in enumerate(responses) for _ in response]),
        ends=torch.tensor([response[-1] for response in responses]),
    )
    return layout(ids, stretches).to(network.device), places


def pair_logprobs(
    network: Network, batch: PairBatch, temperature: float = 1.0
) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """Summed log-probability of each first and each second response, nats."""
    logp = network.logprobs_at(batch.rows, batch.predicting, batch.targets, temperature)
    sums = torch.zeros(len(batch.ends), dtype=torch.float64, device=logp.device)  # fp32 loses 1e-4 nats over 100 tokens
    first, second = sums.index_add(0, batch.owners, logp.double()).float().chunk(2)
    return first, second


def pair_scores(network: Network, batch: PairBatch) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """The scorer's number for each first and each second response, read at its end token."""
    first, second = network.scalars_at(batch.rows, batch.ends).chunk(2)
    return first, second
