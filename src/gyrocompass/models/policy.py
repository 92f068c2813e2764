"""A local causal LM behind the Policy protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..config import Sampling
from ..errors import InputError
from ..protocols import Floats
from ..records import Example, Prompt
from . import chat
from .batching import Padded
from .chat import Row
from .decode import Response, end_ids, sample
from .network import Network


class Begun(NamedTuple):
    """A response that is begun: the first characters of an example's."""

    example: Example
    characters: int

    @property
    def text(self) -> str:
        return (self.example.response or "")[: self.characters]

    def goes_on(self, text: str) -> bool:
        """Whether another response begins so, or is this and no more."""
        begun = self.text.lstrip()
        return text.startswith(begun) or text == begun.rstrip()


@dataclass
class LocalPolicy:
    """Samples, and tells log-probabilities, with a network."""

    network: Network
    sampling: Sampling

    @property
    def at_one(self) -> LocalPolicy:
        """The same at temperature 1."""
        return replace(self, sampling=self.sampling.model_copy(update={"temperature": 1.0}))

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """n responses a prompt. A response that came out empty is an empty string."""
        drawn = self._drawn(prompts, n, seed)
        return [[chat.decode(self.network.tokenizer, r.ids) for r in responses] for responses in drawn]

    def sample_ended(self, prompts: Sequence[Prompt], *, seed: int = 0) -> list[tuple[str, bool]]:
        """A response to each prompt, and whether it came to its end, rather than to the token limit.

        One that doesn't fit the context is empty and didn't end. Raises InputError if this is so of all.
        """
        kept, _ = with_room(self.network, prompts, self.sampling)
        ends, told = set(end_ids(self.network)), [("", False)] * len(prompts)
        for i, (response,) in zip(kept, self._drawn([prompts[i] for i in kept], 1, seed), strict=True):
            told[i] = chat.decode(self.network.tokenizer, response.ids), response.ids[-1] in ends
        return told

    def continued(self, begun: Sequence[Begun], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """Of n draws to each prompt, whole, those that go on from where its response is begun, or stop there.

        They go on from the response's own tokens. Where one stands on both sides of the border, such as a word with the
        blank before it, it is drawn anew; then `= 5` may go on as `= 57`, which doesn't count. What was said before is
        part of max_new_tokens; at least one is drawn. There are none where the context has no room for them.
        """
        tokenizer, context = self.network.tokenizer, self.network.max_tokens
        encoded = chat.encode(tokenizer, [one.example for one in begun], context)
        starts = {i: _start(tokenizer, row, begun[i]) for row, i in zip(encoded.rows, encoded.kept, strict=True)}
        limits = {i: max(1, self.sampling.max_new_tokens - start.n_response) for i, start in starts.items()}
        kept = [i for i, start in starts.items() if len(start) + limits[i] + 1 <= context]
        ids = [starts[i].ids for i in kept]
        drawn = sample(self.network, ids, n, self.sampling, seed, [limits[i] for i in kept])
        found: list[list[str]] = [[] for _ in begun]
        for i, responses in zip(kept, drawn, strict=True):
            said = starts[i].ids[starts[i].n_prompt :]
            texts = [chat.decode(tokenizer, [*said, *response.ids]) for response in responses]
            found[i] = [text for text in texts if begun[i].goes_on(text)]
        return found

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        """Summed response log-probabilities, nats, (len(examples),). Raises InputError if one is too long."""
        return self._summed(examples, left_out=0)

    def opening_logprobs(self, examples: Sequence[Example]) -> Floats:
        """The log-probabilities that responses begin so, end token left out; else as `logprobs`."""
        return self._summed(examples, left_out=1)

    def _summed(self, examples: Sequence[Example], left_out: int) -> Floats:
        """Over the tokens of each response but its last `left_out`."""
        encoded = chat.encode(self.network.tokenizer, examples, self.network.max_tokens)
        if len(encoded.rows) < len(examples):
            raise InputError(encoded.notes[-1])
        per_token = sampled_logprobs(self.network, encoded.rows, self.sampling.temperature)
        counted = [row.n_prompt + row.n_response - 1 - left_out for row in encoded.rows]
        within = torch.arange(per_token.shape[1]) < torch.tensor(counted)[:, None]
        summed: Floats = per_token.where(within.to(per_token.device), 0.0).sum(1).cpu().double().numpy()
        return summed

    def _drawn(self, prompts: Sequence[Prompt], n: int, seed: int) -> list[list[Response]]:
        ids = chat.encode_prompts(self.network.tokenizer, prompts)
        check_room(ids, self.network, self.sampling)
        return sample(self.network, ids, n, self.sampling, seed)


class Drawn(NamedTuple):
    """Responses as rows, a prompt's together, and which of them came to their end token.

    `logprobs` are the sampler's own of the tokens it drew, nats, laid out as `Padded.mask`.
    """

    rows: list[Row]
    ended: Bool[Tensor, "B"]
    logprobs: Float[Tensor, "B t"]


def _start(tokenizer: Any, row: Row, begun: Begun) -> Row:
    """The row of a response up to where it is begun, without what the template puts before it."""
    ids = row.ids[row.n_prompt : -1]
    lead = chat.begins_at(chat.said(tokenizer, ids), begun.example.response or "")
    first = chat.tokens_within(tokenizer, ids, lead) if lead else 0
    n = chat.tokens_within(tokenizer, ids, lead + len(begun.text.lstrip()))
    return Row([*row.ids[: row.n_prompt], *ids[first:n]], row.n_prompt)


def rollout(network: Network, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int) -> Drawn:
    """n responses a prompt."""
    return laid_out(network, prompts, sample(network, prompts, n, sampling, seed))


def laid_out(network: Network, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[Response]]) -> Drawn:
    """Responses to these prompts, laid out."""
    pairs = [(p, r) for p, several in zip(prompts, responses, strict=True) for r in several]
    rows = [Row([*p, *r.ids], len(p)) for p, r in pairs]
    logprobs = torch.zeros(len(rows), max(map(len, rows)) - 1)
    for out, row, (_, r) in zip(logprobs, rows, pairs, strict=True):
        out[row.n_prompt - 1 : len(row) - 1] = torch.tensor(r.logprobs)
    ends = set(end_ids(network))
    ended = torch.tensor([row.ids[-1] in ends for row in rows], device=network.device)
    return Drawn(rows, ended, logprobs.to(network.device))


def response_texts(network: Network, rows: Sequence[Row]) -> list[str]:
    """What each row's response says."""
    return [chat.decode(network.tokenizer, row.ids[row.n_prompt :]) for row in rows]


def with_room(network: Network, prompts: Sequence[Prompt], sampling: Sampling) -> tuple[list[int], list[str]]:
    """Indices of the prompts after which a whole response still fits the context, and a note about the others.

    Raises InputError if there is none.
    """
    ids = chat.encode_prompts(network.tokenizer, prompts)
    limit = network.max_tokens - sampling.max_new_tokens - 1
    kept = [i for i, row in enumerate(ids) if len(row) <= limit]
    if len(kept) == len(ids) > 0:
        return kept, []
    note = (
        f"{len(ids) - len(kept):,} of {len(ids):,} prompts are longer than {limit:,} tokens, which leaves no room "
        f"for {sampling.max_new_tokens:,} new ones, and were left out"
    )
    if not kept:
        raise InputError(f"{note}; lower max_new_tokens or shorten them")
    return kept, [note]


def check_room(prompts: Sequence[Sequence[int]], network: Network, sampling: Sampling) -> None:
    """Raises InputError if a response to some prompt might not fit the model's context."""
    longest = max(map(len, prompts), default=0)
    if longest + sampling.max_new_tokens + 1 > network.max_tokens:
        raise InputError(
            f"a prompt of {longest:,} tokens leaves no room for {sampling.max_new_tokens:,} new ones in a context of "
            f"{network.max_tokens:,}; lower max_new_tokens or shorten it"
        )


def padded_batches(network: Network, rows: Sequence[Row]) -> Iterator[tuple[list[int], Padded]]:
    """Rows by length, padded, on the network's device, with their indices."""
    for chosen in network.cuts(rows):
        yield chosen, network.batch([rows[i] for i in chosen])


@torch.no_grad()
def over_rows(
    network: Network, rows: Sequence[Row], read: Callable[[Padded], Float[Tensor, "B t"]]
) -> Float[Tensor, "N T"]:
    """`read` over all rows in micro-batches, in the rows' order; T = the longest row - 1, 0 where it's padding."""
    out = torch.zeros(len(rows), max(map(len, rows)) - 1, device=network.device)
    for chosen, batch in padded_batches(network, rows):
        out[chosen, : batch.mask.shape[1]] = torch.where(batch.mask, read(batch), 0.0)
    return out


def sampled_logprobs(network: Network, rows: Sequence[Row], temperature: float) -> Float[Tensor, "N T"]:
    """Each response token's log-probability at the temperature it was sampled with, nats; 0 elsewhere."""
    return over_rows(network, rows, lambda batch: network.logprobs(batch, temperature))


def reference_logprobs(
    policy: Network, reference: Network | None, rows: Sequence[Row], temperature: float
) -> Float[Tensor, "N T"]:
    """The same under the reference; None means the policy with its adapters off."""
    if reference is not None:
        return sampled_logprobs(reference, rows, temperature)
    with policy.adapters_off():
        return sampled_logprobs(policy, rows, temperature)
