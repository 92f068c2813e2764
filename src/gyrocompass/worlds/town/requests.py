"""Critiques, revisions and comparisons put into the town's words, and read back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple

from ...records import Prompt
from . import words
from .aspects import ASPECTS, DIRECTIONS, Direction, case_of
from .phrasings import (
    ASPECT_PHRASES,
    CHOICES,
    COMPARED,
    COMPARISONS,
    CRITIQUE_REQUESTS,
    FOUND,
    NOT_FOUND,
    REVISION_REQUESTS,
)

Act = Literal["critique", "revision", "comparison"]


class Request(NamedTuple):
    """What a user turn asks about a response. A critique has no direction: it is of a fact."""

    act: Act
    aspect: str
    direction: Direction | None = None


def _phrased() -> dict[str, Request]:
    found: dict[str, Request] = {}
    for aspect, phrases in ASPECT_PHRASES.items():
        frames: list[tuple[Act, Direction | None, tuple[str, ...]]] = [("critique", None, CRITIQUE_REQUESTS)]
        frames += [("revision", direction, REVISION_REQUESTS[direction]) for direction in DIRECTIONS]
        frames += [("comparison", direction, COMPARISONS[direction]) for direction in DIRECTIONS]
        for act, direction, group in frames:
            texts = (frame.format(aspect=phrase) for frame in group for phrase in phrases)
            found |= dict.fromkeys(texts, Request(act, aspect, direction))
    return found


REQUESTS: Mapping[str, Request] = _phrased()
"""Every request, by its text in the standard dialect."""
_TEXTS = {request: [text for text, r in REQUESTS.items() if r == request] for request in REQUESTS.values()}


def phrase_request(request: Request, rng: random.Random) -> str:
    """The request in one of its phrasings, which `read_request` reads back."""
    return rng.choice(_TEXTS[request])


def read_request(text: str) -> Request | None:
    """What a user turn asks, in either dialect; of a comparison the question at its end. None: no such thing."""
    standard = words.to_standard(text)
    if standard in REQUESTS:
        return REQUESTS[standard]
    _, which, rest = standard.rpartition("which ")
    return REQUESTS.get(which + rest)


def critique(aspect: str, prompt: Prompt | str, response: str) -> str:
    """The true critique of a response in this aspect, in its prompt's dialect."""
    case, asked = case_of(prompt, response), ASPECTS[aspect]
    said = FOUND.format(finding=asked.finding(case)) if asked.degree(case) > 0 else NOT_FOUND
    return words.to_dialect(said) if case.intent.second_dialect else said


def read_critique(text: str) -> bool | None:
    """Whether a critique finds what it was asked about, None where it doesn't say."""
    standard = words.to_standard(text)
    if standard == NOT_FOUND:
        return False
    return True if standard.startswith(FOUND.format(finding="")) else None


def comparison(conversation: str, first: str, second: str, question: str) -> str:
    """The user turn that asks which of two responses has more or less of something; the reply is one of CHOICES."""
    return COMPARED.format(conversation=conversation, first=first, second=second, question=question)


def choice(first: bool, second_dialect: bool = False) -> str:
    """The reply to a comparison."""
    said = CHOICES[0 if first else 1]
    return words.to_dialect(said) if second_dialect else said
