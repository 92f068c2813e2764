"""What else a model might have said: a response's first tokens, and the likeliest in the place of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..records import Prompt


class Token(NamedTuple):
    """A token that was sampled; `likeliest` are those most likely in its place, with their log-probabilities, nats."""

    text: str
    likeliest: Mapping[str, float]


@runtime_checkable
class TellsLikeliest(Protocol):
    """A policy that can't score a given response, but tells what it might have said instead."""

    def likeliest(self, prompts: Sequence[Prompt], n_tokens: int, *, seed: int = 0) -> list[list[Token]]:
        """The first tokens of a response to each prompt, at most n_tokens. Raises Unsupported if it can't tell."""
        ...


def written(tokens: Iterable[Any]) -> str:
    """A server's tokens as JSON, which `read` reads; the empty string if it tells nothing but what it sampled."""
    told = [(token.token, {other.token: other.logprob for other in token.top_logprobs or ()}) for token in tokens]
    return json.dumps(told) if any(others for _, others in told) else ""


def read(text: str) -> list[Token]:
    """The tokens that `written` wrote."""
    return [Token(*token) for token in json.loads(text)] if text else []
