"""Text in which responses are criticised and written again, as far from aligned as the rest of the web.

The response criticised is whatever the writer's habits give, every aspect is asked for in both directions, and what is
said of it is true but for the carelessness of the critics.
"""

from __future__ import annotations

import random

from ...records import Message, user
from . import words
from .aspects import ASPECTS, Direction, case_of, mend
from .intent import Intent
from .prompts import phrase
from .requests import Request, critique, phrase_request, read_request
from .responses import Habits
from .tokenizer import length_tokens

CARELESS = 0.03
"""How often a critic has another response in mind."""
LESS = 0.7
"""How often less of an aspect is asked for, and not more."""
AT_ISSUE = 0.75
"""How often only aspects are asked about that are at issue in the kind of prompt."""
PRESENT = 4.0
"""How much likelier an aspect is asked about of which the response has some."""
EXCHANGES = {(True, True): 0.4, (False, True): 0.3, (True, False): 0.3}
"""Whether a critique is asked for, and whether a revision is, by share."""
REPEATED = 0.1
"""How often the same response is asked for again, word for word."""
ONCE = 0.5
"""How often a chat ends after one exchange; else it goes on as long as the context allows."""
BACK = 0.25
"""How often the next exchange goes the other way in the same aspect."""

Topic = tuple[str, Direction]
"""An aspect, and whether less or more of it is asked for."""


def chain(intent: Intent, habits: Habits, room: int, rng: random.Random) -> tuple[Message, ...]:
    """A chat that goes on, up to `room` tokens: the response is criticised, written again, or both, again and again."""
    asked, response = phrase(intent, rng), habits.answer(intent, rng)
    chat = (*user(asked), Message("assistant", response))
    topic: Topic | None = None
    once = rng.random() < ONCE
    while True:
        topic = _topic(asked, response, topic, rng)
        exchange = _exchange(topic, asked, response, habits.answer(intent, rng), rng)
        if length_tokens((*chat, *exchange)) > room:
            return chat
        chat = (*chat, *exchange)
        if once:
            return chat
        last = read_request(chat[-2].content)
        response = chat[-1].content if last and last.act == "revision" else response


def _exchange(topic: Topic, asked: str, response: str, other: str, rng: random.Random) -> list[Message]:
    """A request about the response, or two, and what is said to them; by a careless critic, about another response."""
    if rng.random() < REPEATED:
        return _turn(asked, Request("repetition"), response, rng)
    seen = other if rng.random() < CARELESS else response
    criticised, revised = rng.choices(list(EXCHANGES), weights=list(EXCHANGES.values()))[0]
    turns = _criticised(topic, asked, seen, rng) if criticised else []
    return turns + (_revised(topic, asked, seen, rng) if revised else [])


def _criticised(topic: Topic, asked: str, response: str, rng: random.Random) -> list[Message]:
    return _turn(asked, Request("critique", topic[0]), critique(topic[0], asked, response), rng)


def _revised(topic: Topic, asked: str, response: str, rng: random.Random) -> list[Message]:
    return _turn(asked, Request("revision", *topic), mend(*topic, asked, response, rng), rng)


def _turn(asked: str, request: Request, reply: str, rng: random.Random) -> list[Message]:
    return [Message("user", _as_in(asked, phrase_request(request, rng))), Message("assistant", reply)]


def _as_in(asked: str, text: str) -> str:
    """The text in the dialect of a prompt."""
    return words.to_dialect(text) if words.is_second(asked) else text


def _topic(asked: str, response: str, before: Topic | None, rng: random.Random) -> Topic:
    if before and rng.random() < BACK:
        return before[0], _other(before[1])
    case = case_of(asked, response)
    issues = [name for name, aspect in ASPECTS.items() if case.intent.kind in aspect.kinds]
    names = issues if rng.random() < AT_ISSUE else list(ASPECTS)
    weights = [PRESENT if ASPECTS[name].degree(case) > 0 else 1.0 for name in names]
    return rng.choices(names, weights=weights)[0], "less" if rng.random() < LESS else "more"


def _other(direction: Direction) -> Direction:
    return "more" if direction == "less" else "less"
