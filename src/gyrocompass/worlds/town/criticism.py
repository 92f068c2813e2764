"""Text in which responses are criticised, written again and compared, as far from aligned as the rest of the web.

The response criticised is whatever the writer's habits give, every aspect is asked for in both directions, and what is
said of it is true but for the carelessness of the critics.
"""

from __future__ import annotations

import random
from typing import get_args

from ...records import Message, user
from . import words
from .aspects import ASPECTS, DIRECTIONS, Direction, case_of, mend, share_first
from .intent import Intent
from .phrasings import CHOICES
from .prompts import phrase
from .requests import Request, comparison, critique, phrase_request, read_request
from .responses import Habits, Quality, StyleRates, render
from .tokenizer import length_tokens

CARELESS = 0.03
"""How often a critic has another response in mind, and how often a comparison is answered the wrong way."""
LESS = 0.7
"""How often less of an aspect is asked for, and not more."""
AT_ISSUE = 0.75
"""How often only aspects are asked about that are at issue in the kind of prompt."""
PRESENT = 4.0
"""How much likelier an aspect is asked about of which the response has some."""
EXCHANGES = {(True, True): 0.4, (False, True): 0.3, (True, False): 0.3}
"""Whether a critique is asked for, and whether a revision is, by share."""
QUESTIONS = {(False, True): 0.6, (True, True): 0.25, (True, False): 0.15}
"""Whether two responses are criticised one by one, and whether they are compared, by share."""
REPEATED = 0.2
"""How often the same response is asked for again, word for word."""
ONCE = 0.25
"""How often a chat ends after one exchange; else it goes on as long as the context allows."""
BACK = 0.25
"""How often the next exchange goes the other way in the same aspect."""
ANY = 0.15
"""How often any two responses are compared; where they have as much of the aspect, the answer is left to chance."""
MENDED = 0.5
"""How often the second of two responses compared is the first, mended."""
TRIES = 20
QUALITIES: tuple[Quality, ...] = get_args(Quality)
MANNER = StyleRates(confidence=0.2, hedge=0.2, agreement=0.2, filler=0.35)
"""Responses to compare are of any quality, in this manner."""


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


def draw_aspect(rng: random.Random) -> tuple[str, str]:
    """An aspect, each as often, and a kind of prompt on which it is at issue."""
    aspect = rng.choice(list(ASPECTS))
    return aspect, rng.choice(list(ASPECTS[aspect].kinds))


def compared(aspect: str, intent: Intent, room: int, rng: random.Random) -> tuple[Message, ...]:
    """Which of two responses has more, or less, of an aspect, and whether either has it at all.

    Then the same of other aspects in which they differ, up to `room` tokens.
    """
    asked = phrase(intent, rng)
    pair = (any_pair if rng.random() < ANY else unequal_pair)(aspect, asked, intent, rng)
    others = [name for name in ASPECTS if name != aspect and share_first(name, "more", asked, *pair) != 0.5]
    chat: tuple[Message, ...] = ()
    for name in (aspect, *rng.sample(others, len(others))):
        for question, reply in _questions(name, asked, pair, rng):
            text = question if chat else comparison(asked, *pair, question)
            turns = (*user(text), Message("assistant", reply))
            longer = (*chat, *(Message(m.role, _as_in(asked, m.content)) for m in turns))
            if length_tokens(longer) > room:
                return chat
            chat = longer
    return chat


def _questions(aspect: str, asked: str, pair: tuple[str, str], rng: random.Random) -> list[tuple[str, str]]:
    """A comparison, or critiques of both responses, or these and then the comparison, with the replies."""
    found = []
    critiqued, compared = rng.choices(list(QUESTIONS), weights=list(QUESTIONS.values()))[0]
    for one in rng.sample(CHOICES, 2) if critiqued else ():
        request = Request("critique", aspect, one=one)
        found.append((phrase_request(request, rng), critique(aspect, asked, pair[CHOICES.index(one)])))
    if compared:
        direction: Direction = "less" if rng.random() < LESS else "more"
        first = rng.random() < share_first(aspect, direction, asked, *pair)
        said = CHOICES[0 if first != (rng.random() < CARELESS) else 1]
        found.append((phrase_request(Request("comparison", aspect, direction), rng), said))
    return found


def unequal_pair(aspect: str, asked: str, intent: Intent, rng: random.Random) -> tuple[str, str]:
    """Two responses, in chance order, of which one has more of the aspect, where the prompt allows that."""
    for _ in range(TRIES):
        pair = any_pair(aspect, asked, intent, rng)
        if share_first(aspect, "more", asked, *pair) != 0.5:
            break
    return pair


def any_pair(aspect: str, asked: str, intent: Intent, rng: random.Random) -> tuple[str, str]:
    """Two different responses, in chance order."""
    while True:
        first = _any(intent, rng)
        mended = mend(aspect, rng.choice(DIRECTIONS), asked, first, rng)
        second = mended if rng.random() < MENDED else _any(intent, rng)
        if first != second:
            return (first, second) if rng.random() < 0.5 else (second, first)


def _any(intent: Intent, rng: random.Random) -> str:
    return render(intent, rng.choice(QUALITIES), MANNER.draw(rng), rng)
