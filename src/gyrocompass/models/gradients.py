"""Gradients of a response's likelihood with respect to the tokens of a suffix of its prompt."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..records import Example, Prompt
from . import chat
from .chat import Row
from .network import Network
from .policy import LocalPolicy, padded_batches


@dataclass
class SearchableLocal(LocalPolicy):
    """A local policy that a search by gradient may look into (`gyrocompass.evals.search.Gradients`)."""

    abilities: ClassVar[frozenset[str]] = frozenset({"logprobs", "gradients"})

    def suffix_tokens(self, vocabulary: Collection[str] | None = None) -> list[int]:
        """Tokens a suffix may be made of: no special or added ones; with a vocabulary, only words of it."""
        tokenizer = self.network.tokenizer
        special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_encoder.values()}
        ordinary = [token for token in range(len(tokenizer)) if token not in special]
        if vocabulary is None:
            return ordinary
        return [token for token in ordinary if self.suffix_text([token]).strip() in vocabulary]

    def suffix_text(self, suffix: Sequence[int]) -> str:
        text: str = self.network.tokenizer.decode(list(suffix), clean_up_tokenization_spaces=False)
        return text

    def keeps(self, prompts: Sequence[Prompt], suffixes: Sequence[Sequence[int]]) -> list[bool]:
        """Whether these prompts, in which the suffixes are written, are tokenised to these suffixes again."""
        encoded = chat.encode_prompts(self.network.tokenizer, prompts)
        return [_place(ids, suffix) is not None for ids, suffix in zip(encoded, suffixes, strict=True)]

    def swaps(
        self, examples: Sequence[Example], suffixes: Sequence[Sequence[int]], tokens: Sequence[int], top_k: int
    ) -> NDArray[np.int64]:
        """For each place of each suffix, which the prompts hold, the `top_k` of these tokens that to first order
        raise the response's log-probability most, (len(examples), suffix length, top_k).

        The suffixes are of one length. Raises InputError if an example is too long, or doesn't hold its suffix.
        """
        network = self.network
        encoded = chat.encode(network.tokenizer, examples, network.max_tokens)
        if len(encoded.rows) < len(examples):
            raise InputError(encoded.notes[-1])
        allowed = torch.tensor(tokens, device=network.device)
        best = [
            allowed[gradient[:, allowed].topk(min(top_k, len(tokens)), largest=False).indices].cpu().numpy()
            for gradient in suffix_gradients(network, encoded.rows, suffixes, self.sampling.temperature)
        ]
        return np.stack(best)


def suffix_gradients(
    network: Network, rows: Sequence[Row], suffixes: Sequence[Sequence[int]], temperature: float = 1.0
) -> Iterator[Float[Tensor, "S V"]]:
    """For each row the gradient of its response's negative log-likelihood, nats, with respect to the one-hot
    tokens of its suffix, (S, V): the last place in its prompt at which these tokens stand.

    With E (V, D) what the network's embedding gives for each token and g (S, D) the gradient with respect to the
    embedded suffix, it is g E^T. Source: Zou et al. 2023, arXiv:2307.15043, sec. 2.2.
    Raises InputError if a prompt doesn't hold its suffix.
    """
    embedded = _embedding_gradients(network, rows, temperature)
    layer = network.core.get_input_embeddings()
    with torch.no_grad():
        every = layer(torch.arange(layer.weight.shape[0], device=network.device)).float()
    for row, suffix, gradient in zip(rows, suffixes, embedded, strict=True):
        place = _place(row.ids[: row.n_prompt], suffix)
        if place is None:
            raise InputError("a prompt isn't tokenised to the suffix that it ends in; search among those that are")
        yield gradient[place : place + len(suffix)] @ every.T


def _embedding_gradients(network: Network, rows: Sequence[Row], temperature: float) -> list[Float[Tensor, "_ D"]]:
    """Gradient of each row's negative log-likelihood with respect to its embedded tokens."""
    found: list[Tensor] = [torch.empty(0, 0)] * len(rows)
    for chosen, batch in padded_batches(network, rows):
        with torch.enable_grad(), _embedded(network) as states:
            loss = -network.logprobs(batch, temperature).sum()
        (gradient,) = torch.autograd.grad(loss, states)
        of_tokens = gradient.flatten(0, 1).float().index_select(0, batch.tokens)
        for i, of_row in zip(chosen, torch.split(of_tokens, batch.lengths.tolist()), strict=True):
            found[i] = of_row
    return found


@contextmanager
def _embedded(network: Network) -> Iterator[list[Tensor]]:
    """What the embedding layer puts out while this is open, as leaves that gradients reach."""
    states: list[Tensor] = []

    def catch(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        states.append(output.detach().requires_grad_())
        return states[-1]

    hook = network.core.get_input_embeddings().register_forward_hook(catch)
    try:
        yield states
    finally:
        hook.remove()


def _place(ids: Sequence[int], suffix: Sequence[int]) -> int | None:
    """Where the suffix stands last in the tokens."""
    listed, n = list(suffix), len(suffix)
    return next((i for i in range(len(ids) - n, -1, -1) if list(ids[i : i + n]) == listed), None)
