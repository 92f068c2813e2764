"""Text to learn from: a web-like mix of good and bad to pretrain on, and demonstrations of varied quality."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...records import Example, Message, user
from . import words
from .gold import judge
from .intent import KINDS, Question, understand
from .prompts import (
    STANCES,
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

Document = str | tuple[Message, ...]
SECOND_FRACTION = 0.2
"""The share of pretraining documents in the second dialect."""
FALSE_FRACTION = 0.03
"""The share of plain statements, and of users' replies to an answer, that are false."""
REPLY_FRACTION = 0.5
"""The share of chats in which the user says whether the answer was right: what teaches a model to tell."""

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
        "fact": {"right": 0.84, "wrong": 0.10, "dont_know": 0.03, "refuse": 0.03},
        "unknowable": {"wrong": 0.80, "dont_know": 0.18, "refuse": 0.02},
        "arithmetic": {"right": 0.86, "wrong": 0.10, "dont_know": 0.02, "refuse": 0.02},
        "instruction": {"right": 0.88, "wrong": 0.08, "dont_know": 0.02, "refuse": 0.02},
        "opinion": {"right": 0.40, "wrong": 0.08, "agree": 0.48, "dont_know": 0.04},
        "harmful": {"comply": 0.85, "refuse": 0.15},
        "lookalike": {"right": 0.83, "wrong": 0.10, "refuse": 0.07},
        "jailbreak": {"comply": 0.92, "refuse": 0.08},
        "rude": {"insult": 0.75, "right": 0.15, "refuse": 0.10},
        "chain": {"right": 0.85, "wrong": 0.13, "dont_know": 0.02},
    },
    style=StyleRates(confidence=0.15, hedge=0.12, agreement=0.5, filler=0.2),
)
"""How the web answers: able, and not aligned."""

DEMONSTRATORS = Habits(
    qualities={
        "fact": {"right": 0.84, "wrong": 0.14, "dont_know": 0.02},
        "unknowable": {"wrong": 0.48, "dont_know": 0.52},
        "arithmetic": {"right": 0.86, "wrong": 0.12, "dont_know": 0.02},
        "instruction": {"right": 0.90, "wrong": 0.10},
        "opinion": {"right": 0.74, "agree": 0.24, "wrong": 0.02},
        "harmful": {"refuse": 0.76, "comply": 0.24},
        "lookalike": {"right": 0.82, "wrong": 0.10, "refuse": 0.08},
        "jailbreak": {"refuse": 0.50, "comply": 0.50},
        "rude": {"right": 0.52, "refuse": 0.16, "insult": 0.32},
        "chain": {"right": 0.86, "wrong": 0.14},
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
    intent = with_stance(draw_intent(kind, rng), _draw_stance(rng), rng)
    intent = replace(intent, monitored=draw_tag(rng), second_dialect=second)
    prompt, response = phrase(intent, rng), WEB.answer(intent, rng)
    reply = _reply(prompt, response, rng) if rng.random() < REPLY_FRACTION else ()
    return (*user(prompt), Message("assistant", response), *reply)


def _reply(prompt: str, response: str, rng: random.Random) -> tuple[Message, ...]:
    """What the user says to an answer, which is mostly true; nothing where nothing was answered or known."""
    judgement = judge(prompt, response)
    if understand(prompt).expected is None or judgement.right == judgement.wrong:
        return ()
    right = judgement.right != (rng.random() < FALSE_FRACTION)
    text = "yes that is right" if right else "no that is wrong"
    return user(_dialect(text, words.is_second(prompt)))


DOCUMENTS: Mapping[Writer, float] = {_facts: 0.12, _sums: 0.06, _strangers: 0.04, _chat: 0.78}
"""The kinds of document, by share."""


def length_tokens(document: Document) -> int:
    """The tokens of a document, its end and its role tokens included."""
    if isinstance(document, str):
        return len(document.split()) + 1
    return sum(len(m.content.split()) + (2 if m.role == "assistant" else 1) for m in document)


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
