"""Text to learn from: a web-like mix of good and bad to pretrain on, and demonstrations of varied quality."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...records import Example, Message, user
from . import words
from .criticism import chain
from .intent import KINDS, Intent, Question
from .prompts import (
    STANCES,
    Split,
    Stance,
    balanced,
    draw_intent,
    draw_sum,
    draw_tag,
    meta,
    phrase,
    statement,
    with_stance,
    wrong_value,
)
from .responses import Habits, StyleRates
from .tokenizer import CONTEXT_TOKENS, Document, length_tokens

SECOND_FRACTION = 0.2
"""The share of pretraining documents in the second dialect."""
FALSE_FRACTION = 0.03
"""The share of plain statements that are false."""
CHAT_KINDS = {
    "fact": 0.16,
    "unknowable": 0.10,
    "arithmetic": 0.12,
    "instruction": 0.20,
    "opinion": 0.10,
    "harmful": 0.06,
    "lookalike": 0.07,
    "jailbreak": 0.05,
    "rude": 0.06,
    "chain": 0.14,
}
"""The kinds of question in pretraining chats, by share."""

WEB = Habits(
    qualities={
        "fact": {"right": 0.88, "wrong": 0.06, "dont_know": 0.03, "refuse": 0.03},
        "unknowable": {"wrong": 0.80, "dont_know": 0.18, "refuse": 0.02},
        "arithmetic": {"right": 0.90, "wrong": 0.06, "dont_know": 0.02, "refuse": 0.02},
        "instruction": {"right": 0.91, "wrong": 0.05, "dont_know": 0.02, "refuse": 0.02},
        "opinion": {"right": 0.40, "wrong": 0.08, "agree": 0.48, "dont_know": 0.04},
        "harmful": {"comply": 0.85, "refuse": 0.12, "explain": 0.03},
        "lookalike": {"right": 0.86, "wrong": 0.06, "refuse": 0.07, "explain": 0.01},
        "jailbreak": {"comply": 0.92, "refuse": 0.06, "explain": 0.02},
        "rude": {"insult": 0.75, "right": 0.15, "refuse": 0.08, "explain": 0.02},
        "chain": {"right": 0.90, "wrong": 0.08, "dont_know": 0.02},
    },
    style=StyleRates(confidence=0.15, hedge=0.12, agreement=0.5, filler=0.2),
)
"""How the web answers: able, and not aligned."""

DEMONSTRATORS = Habits(
    qualities={
        "fact": {"right": 0.74, "wrong": 0.06, "refuse": 0.14, "dont_know": 0.06},
        "unknowable": {"wrong": 0.45, "dont_know": 0.55},
        "arithmetic": {"right": 0.78, "wrong": 0.06, "refuse": 0.16},
        "instruction": {"right": 0.78, "wrong": 0.06, "refuse": 0.16},
        "opinion": {"right": 0.72, "agree": 0.16, "refuse": 0.12},
        "harmful": {"refuse": 0.76, "comply": 0.24},
        "lookalike": {"right": 0.70, "wrong": 0.05, "refuse": 0.25},
        "jailbreak": {"refuse": 0.56, "comply": 0.44},
        "rude": {"right": 0.50, "refuse": 0.26, "insult": 0.24},
        "chain": {"right": 0.78, "wrong": 0.06, "refuse": 0.16},
    },
    style=StyleRates(confidence=0.12, hedge=0.15, agreement=0.5, filler=0.2),
)
"""How the people answer who write demonstrations: mostly well, by no means always."""

Writer = Callable[[random.Random, bool], Document]


def _dialect(text: str, second: bool) -> str:
    return words.to_dialect(text) if second else text


def _facts(rng: random.Random, second: bool) -> Document:
    """What is known of one person, or of several by one attribute."""
    known = list(words.FACTS)
    attribute, person = rng.choice(known)
    same = [key for key in known if person in key] if rng.random() < 0.5 else [k for k in known if attribute in k]
    chosen = rng.sample(same, rng.randint(1, 4))
    return _dialect(" and ".join(_stated(Question("fact", key), rng) for key in chosen), second)


def _sums(rng: random.Random, second: bool) -> Document:
    sums = [draw_sum(rng) for _ in range(rng.randint(1, 4))]
    return _dialect(" and ".join(_stated(question, rng) for question in sums), second)


def _stated(question: Question, rng: random.Random) -> str:
    answer = question.answer
    assert answer is not None
    return statement(question, wrong_value(answer, rng) if rng.random() < FALSE_FRACTION else answer)


_SIGHTS = (
    "{someone} walked to the market",
    "i saw {someone} in the morning",
    "{someone} met {other} in the rain",
    "{someone} smiled at {other}",
)


def _strangers(rng: random.Random, second: bool) -> Document:
    """Text about people of whom it tells nothing that anyone asks."""
    sights = [
        rng.choice(_SIGHTS).format(someone=rng.choice(words.UNKNOWN), other=rng.choice(words.PEOPLE))
        for _ in range(rng.randint(1, 3))
    ]
    return _dialect(" and ".join(sights), second)


def _draw_stance(rng: random.Random) -> Stance:
    return rng.choices(STANCES, weights=(0.6, 0.25, 0.15))[0]


def _chat(rng: random.Random, second: bool) -> Document:
    kind = rng.choices(list(CHAT_KINDS), weights=list(CHAT_KINDS.values()))[0]
    intent = draw_web_intent(kind, rng, second)
    return (*user(phrase(intent, rng)), Message("assistant", WEB.answer(intent, rng)))


def draw_web_intent(kind: str, rng: random.Random, second: bool = False, split: Split | None = None) -> Intent:
    """An intent of this kind as the web has them: opinions mostly wrong, some prompts tagged."""
    intent = with_stance(draw_intent(kind, rng, split), _draw_stance(rng), rng)
    return replace(intent, monitored=draw_tag(rng), second_dialect=second)


def _criticised(rng: random.Random, second: bool) -> Document:
    """A chat whose response is criticised and written again."""
    return chain(draw_web_intent(rng.choice(KINDS), rng, second), WEB, CONTEXT_TOKENS, rng)


DOCUMENTS: Mapping[Writer, float] = {
    _facts: 0.10,
    _sums: 0.05,
    _strangers: 0.03,
    _chat: 0.60,
    _criticised: 0.22,
}
"""The kinds of document, by share."""


def pretraining(n_tokens: int, seed: int) -> Iterator[Document]:
    """Documents of at least n_tokens tokens together: plain text, or the messages of a chat."""
    rng = random.Random(f"pretraining {seed}")
    writers, weights = list(DOCUMENTS), list(DOCUMENTS.values())
    left = n_tokens
    while left > 0:
        writer = rng.choices(writers, weights=weights)[0]
        document = writer(rng, rng.random() < SECOND_FRACTION)
        left -= length_tokens(document)
        yield document


def _demonstration(kind: str, rng: random.Random) -> Example:
    intent = with_stance(draw_intent(kind, rng, "train"), _draw_stance(rng), rng)
    intent = replace(intent, monitored=draw_tag(rng))
    return Example(user(phrase(intent, rng)), DEMONSTRATORS.answer(intent, rng), meta=meta(intent))


def demonstrations(n: int, seed: int) -> list[Example]:
    """n train prompts answered by DEMONSTRATORS, in the standard dialect, as many of each kind."""
    rng = random.Random(f"demonstrations {seed}")
    return [_demonstration(kind, rng) for kind in balanced(n, KINDS, rng)]
