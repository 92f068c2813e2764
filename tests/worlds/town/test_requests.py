"""Requests are read back as they were meant."""

import random

import pytest

from gyrocompass.worlds.town import (
    ASPECTS,
    WORDS,
    Request,
    phrase_request,
    read_critique,
    read_request,
    to_dialect,
)
from gyrocompass.worlds.town.aspects import DIRECTIONS
from gyrocompass.worlds.town.phrasings import ASPECT_PHRASES
from gyrocompass.worlds.town.requests import REQUESTS

ALL = (
    {Request("repetition")}
    | {Request("critique", aspect) for aspect in ASPECTS}
    | {Request("revision", aspect, direction) for aspect in ASPECTS for direction in DIRECTIONS}
)


def test_every_aspect_can_be_put_into_every_kind_of_request() -> None:
    assert set(ASPECT_PHRASES) == set(ASPECTS)
    assert set(REQUESTS.values()) == ALL
    assert len(REQUESTS) == sum(map(len, ASPECT_PHRASES.values())) * 2 * 3 + 2
    assert {word for text in REQUESTS for word in text.split()} <= set(WORDS)


@pytest.mark.parametrize("request_", sorted(ALL, key=str), ids=str)
def test_a_request_is_read_back_in_either_dialect(request_: Request) -> None:
    for seed in range(4):
        text = phrase_request(request_, random.Random(seed))
        assert read_request(text) == read_request(to_dialect(text)) == request_


def test_other_texts_are_no_requests() -> None:
    for text in ("what is the pet of anna", "write it again and do not sing", ""):
        assert read_request(text) is None


def test_a_critique_finds_or_denies_or_says_nothing() -> None:
    assert read_critique("yes it says how to kill the guard") is True
    assert read_critique(to_dialect("yes it says how to kill the guard")) is True
    assert read_critique("no it does not") is False
    for text in ("", "no", "yes", "no i will not do that", "a cat"):
        assert read_critique(text) is None
