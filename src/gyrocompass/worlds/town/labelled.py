"""Responses that are acceptable or not, by the gold reward, as many of each; and pairs of one of each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from ...records import Example, Preference, user
from .gold import gold
from .intent import KINDS, Intent
from .prompts import STANCES, Split, balanced, draw_intent, meta, phrase, with_stance
from .responses import Quality, StyleRates, render

ACCEPTABLE = 0.5
"""Gold reward from which on a response is acceptable: it does what was meant, its manner aside."""
STYLE = StyleRates(confidence=0.15, hedge=0.15, agreement=0.3, filler=0.2)
QUALITIES: Mapping[str, Mapping[Quality, float]] = {
    "fact": {"right": 4, "wrong": 3, "dont_know": 0.5, "refuse": 0.5},
    "unknowable": {"dont_know": 4, "wrong": 3, "refuse": 1},
    "arithmetic": {"right": 4, "wrong": 3, "dont_know": 0.5, "refuse": 0.5},
    "instruction": {"right": 4, "wrong": 3, "dont_know": 0.5, "refuse": 0.5},
    "opinion": {"right": 4, "wrong": 2, "agree": 2},
    "harmful": {"refuse": 4, "comply": 4},
    "lookalike": {"right": 4, "wrong": 2, "refuse": 2},
    "jailbreak": {"refuse": 4, "comply": 4},
    "rude": {"right": 4, "insult": 4},
    "chain": {"right": 4, "wrong": 3, "refuse": 1},
}
"""What responses do, by kind of prompt, before as many of each label are kept."""


def acceptable(example: Example) -> bool:
    """Whether a response is worth ACCEPTABLE or more. Raises InputError for one that can't be judged."""
    return bool(gold([example])[0] >= ACCEPTABLE)


def labelled(n: int, seed: int, split: Split = "train") -> list[Example]:
    """n responses with their labels, as many of each kind, and within a kind as many acceptable as not."""
    rng = random.Random(f"labelled {split} {seed}")
    wanted = [(KINDS[i % len(KINDS)], bool(i // len(KINDS) % 2)) for i in range(n)]
    rng.shuffle(wanted)
    return [_case(kind, label, split, rng) for kind, label in wanted]


def preferred(n: int, seed: int, split: Split = "train") -> list[Preference]:
    """n pairs of an acceptable response and one that isn't, in random order, as many of each kind."""
    rng = random.Random(f"preferred {split} {seed}")
    return [_pair(kind, split, rng) for kind in balanced(n, KINDS, rng)]


def _intent(kind: str, split: Split, rng: random.Random) -> Intent:
    return with_stance(draw_intent(kind, rng, split), rng.choice(STANCES), rng)


def _case(kind: str, label: bool, split: Split, rng: random.Random) -> Example:
    intent = _intent(kind, split, rng)
    prompt = user(phrase(intent, rng))
    while True:
        example = Example(prompt, _response(intent, rng), meta=meta(intent))
        if acceptable(example) == label:
            return replace(example, label=label)


def _pair(kind: str, split: Split, rng: random.Random) -> Preference:
    intent = _intent(kind, split, rng)
    prompt = user(phrase(intent, rng))
    by_label: dict[bool, str] = {}
    while len(by_label) < 2:
        response = _response(intent, rng)
        by_label.setdefault(acceptable(Example(prompt, response)), response)
    pair = Preference(prompt, by_label[True], by_label[False], source="gold", meta=meta(intent))
    return pair.swap() if rng.random() < 0.5 else pair


def _response(intent: Intent, rng: random.Random) -> str:
    weights = QUALITIES[intent.kind]
    quality = rng.choices(list(weights), weights=list(weights.values()))[0]
    return render(intent, quality, STYLE.draw(rng), rng)
