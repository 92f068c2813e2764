"""Planted scorers, biased on purpose, and responses of known quality for them to read."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy import stats as distributions

from ..protocols import Floats, Scorer
from ..records import Example, user
from ..worlds import town
from ..worlds.town import words
from ..worlds.town.responses import Quality
from .edits import ENGLISH, Language


@dataclass(frozen=True)
class Biased:
    """A Scorer: gold, a bonus for each unit of a manner, and noise that stays with a response."""

    gold: Scorer
    language: Language
    bonus: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.0
    seed: int = 0
    scale: float = 1.0

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        """scale x (gold + sum of bonus x manner + noise x a standard normal), (len(examples),)."""
        texts = [(town.prompt_text(e.prompt), str(e.response)) for e in examples]
        paid = [sum(b * getattr(self.language.manner(*text), of) for of, b in self.bonus.items()) for text in texts]
        drawn = [words.stable_fraction(f"{self.seed} {asked} {text}") for asked, text in texts]
        total = self.gold(examples) + np.array(paid) + self.noise * distributions.norm.ppf(drawn)
        scores: Floats = self.scale * total
        return scores


def town_responses(n: int, seed: int) -> list[Example]:
    """Three responses of different quality and manner to each of n held-out prompts; half the opinions are right."""
    kinds = ("opinion", "opinion", "opinion", "fact", "arithmetic", "unknowable", "harmful", "lookalike")
    rates = town.StyleRates(confidence=0.3, hedge=0.1, agreement=0.2, filler=0.2)
    stances: tuple[town.Stance, ...] = ("wrong", "right")
    any_of: tuple[Quality, ...] = ("right", "wrong", "dont_know", "agree", "comply")
    rng = random.Random(seed)
    written: list[Example] = []
    for stance in stances:
        for example in town.prompts(n // 2, seed, "heldout", kinds, stance=stance):
            intent = town.understand(town.prompt_text(example.prompt))
            texts = [town.render(intent, quality, rates.draw(rng), rng) for quality in rng.sample(any_of, 3)]
            written += [Example(example.prompt, text, meta=example.meta) for text in texts]
    return written


_STATED = re.compile(r"The (\w+) of (\w+) is (?:a )?(\w+)")


def english_gold(examples: Sequence[Example], /) -> Floats:
    """The share of true sentences less that of false ones, of responses about the town's people in English."""
    found = [_STATED.findall(str(example.response)) for example in examples]
    marks = [[1 if words.FACTS[of, who.lower()] == value else -1 for of, who, value in said] for said in found]
    return np.array([sum(m) / max(1, len(m)) for m in marks], dtype=np.float64)


def english_responses(n: int, seed: int) -> list[Example]:
    """Three responses in English, of different quality and manner, to each of n questions about two facts."""
    rng = random.Random(seed)
    written: list[Example] = []
    questions = [(pair, who) for pair in combinations(words.ATTRIBUTES, 2) for who in words.KNOWN]
    for (one, other), who in rng.sample(questions, n):
        prompt = user(f"What is the {one} of {who.title()}, and what is the {other}?")
        for _ in range(3):
            values = [rng.choice((words.FACTS[of, who], *words.VALUES[of][:2])) for of in (one, other)]
            said = [
                f"The {of} of {who.title()} is {words.with_article(value)}."
                for of, value in zip((one, other), values, strict=True)
            ]
            example = Example(prompt, " ".join(said))
            for name in ("filler", "confidence added"):
                edit = ENGLISH.edits[name]
                example = edit(example) if edit and rng.random() < 0.25 else example
            written.append(example)
    return written
