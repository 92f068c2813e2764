"""Planted on the town's two dialects: policies and scorers of known quality in either, in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

from ...errors import Unsupported
from ...protocols import Floats, Policy
from ...records import Example, Preference, Prompt
from ...worlds import town
from ...worlds.town.responses import StyleRates
from ...worlds.town.words import is_second, stable_fraction

PLAIN = StyleRates(confidence=0.12, hedge=0.15, filler=0.2)
"""The manner of those who write the town's demonstrations, without their flattery."""
GUESS = 0.8
"""Standard deviation of a guess, about that of gold."""

Chance = Callable[[town.Intent], float]


@dataclass(frozen=True)
class Speaker:
    """A policy that does what is right with a chance that depends on what is asked, and what is wrong otherwise."""

    right: Chance
    style: StyleRates = PLAIN

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        rng = random.Random(seed)
        intents = [town.understand(town.prompt_text(prompt)) for prompt in prompts]
        return [[self._answer(intent, rng) for _ in range(n)] for intent in intents]

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        raise Unsupported("a planted speaker tells no log-probabilities")

    def _answer(self, intent: town.Intent, rng: random.Random) -> str:
        right = rng.random() < self.right(intent)
        return town.render(intent, "right" if right else "wrong", self.style.draw(rng), rng)


def always(chance: float) -> Chance:
    """The same chance of being right, whatever is asked."""
    return lambda _: chance


def in_dialects(standard: float, second: float) -> Chance:
    """The chance of being right in either dialect."""
    return lambda intent: second if intent.second_dialect else standard


@dataclass(frozen=True)
class Reader:
    """A scorer: gold and noise; of the second dialect's prompts it can't read a share, and guesses what they're worth.

    The same text has the same score whenever it is asked for.
    """

    noise: float
    unread: float
    seed: int

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        asked = [town.prompt_text(e.prompt) for e in examples]
        unread = np.array([is_second(text) and self._fraction("reads", text) < self.unread for text in asked])
        drawn = [self._fraction(text, str(e.response)) for text, e in zip(asked, examples, strict=True)]
        normal = distributions.norm.ppf(np.clip(drawn, 1e-9, 1 - 1e-9))
        scores: Floats = np.where(unread, GUESS * normal, town.gold(examples) + self.noise * normal)
        return scores

    def _fraction(self, *texts: str) -> float:
        return stable_fraction(" | ".join((str(self.seed), *texts)))


def answered(policy: Policy, prompts: Sequence[Example], seed: int) -> list[Example]:
    """One response to each prompt."""
    drawn = policy.sample([e.prompt for e in prompts], seed=seed)
    return [Example(e.prompt, text, meta=e.meta) for e, (text,) in zip(prompts, drawn, strict=True)]


def preferences(policy: Policy, asked: Sequence[Example], seed: int, errors: float = 0.0) -> list[Preference]:
    """Two of a policy's responses to each prompt, and which of them gold prefers; a share of the labels is in error.

    Prompts are left out to which a response is empty, or whose responses are worth the same.
    """
    drawn = policy.sample([e.prompt for e in asked], 2, seed=seed)
    both = [Example(e.prompt, text) for e, texts in zip(asked, drawn, strict=True) for text in texts]
    ahead = -np.diff(town.gold(both).reshape(-1, 2))[:, 0]
    rng = random.Random(seed)
    return [
        Preference(e.prompt, first, second, p_first=float((lead > 0) != (rng.random() < errors)), meta=e.meta)
        for e, (first, second), lead in zip(asked, drawn, ahead, strict=True)
        if lead != 0 and first.strip() and second.strip()
    ]
