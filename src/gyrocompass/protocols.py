"""Who answers, who scores, who judges. A local model, an endpoint, a simulated rater and a person all fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .records import Example, Prompt

Floats = NDArray[np.float64]


class Pair(NamedTuple):
    """Two responses to one prompt, not yet judged."""

    prompt: Prompt
    first: str
    second: str


@runtime_checkable
class Policy(Protocol):
    """Answers prompts. `sample` gives n responses a prompt, the same ones for the same seed."""

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]: ...

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        """Summed response log-probabilities, nats, (len(examples),)."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """One number per response, higher is better, (len(examples),). A plain function fits."""

    def __call__(self, examples: Sequence[Example], /) -> Floats: ...


@runtime_checkable
class Judge(Protocol):
    """The probability that the first response is the better one, (len(pairs),); NaN is an abstention."""

    def __call__(self, pairs: Sequence[Pair], /) -> Floats: ...
