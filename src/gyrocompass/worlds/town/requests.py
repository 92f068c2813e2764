"""Critiques and revisions put into the town's words, and read back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple

from ...records import Prompt
from . import words
from .aspects import ASPECTS, DIRECTIONS, Direction, case_of
from .phrasings import (
    ASPECT_PHRASES,
    CRITIQUE_REQUESTS,
    FOUND,
    NOT_FOUND,
    REPETITION_REQUESTS,
    REVISION_REQUESTS,
)

Act = Literal["critique", "revision", "repetition"]


class Request(NamedTuple):
    """What a user turn asks about a response. A critique has no direction: it is of a fact. A repetition, which is
    to be the same word for word, has no aspect either."""

    act: Act
    aspect: str = ""
    direction: Direction | None = None


def _phrased() -> dict[str, Request]:
    phrased = {
        frame.format(aspect=phrase): Request(act, aspect, direction)
        for act, direction, frames in _FRAMES
        for aspect, phrases in ASPECT_PHRASES.items()
        for frame in frames
        for phrase in phrases
    }
    return phrased | dict.fromkeys(REPETITION_REQUESTS, Request("repetition"))


_FRAMES: list[tuple[Act, Direction | None, tuple[str, ...]]] = [
    ("critique", None, CRITIQUE_REQUESTS),
    *(("revision", direction, REVISION_REQUESTS[direction]) for direction in DIRECTIONS),
]
REQUESTS: Mapping[str, Request] = _phrased()
"""Every request, by its text in the standard dialect."""
_TEXTS = {request: [text for text, r in REQUESTS.items() if r == request] for request in REQUESTS.values()}


def phrase_request(request: Request, rng: random.Random) -> str:
    """The request in one of its phrasings, which `read_request` reads back."""
    return rng.choice(_TEXTS[request])


def read_request(text: str) -> Request | None:
    """What a user turn asks, in either dialect. None: no such thing."""
    return REQUESTS.get(words.to_standard(text))


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
