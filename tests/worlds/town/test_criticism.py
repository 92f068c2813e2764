"""Criticised and mended: true but for carelessness, in both directions, and within the context."""

from collections import Counter

import pytest

from gyrocompass.records import Message
from gyrocompass.worlds.town import (
    ASPECTS,
    Document,
    critique,
    degree,
    judge,
    length_tokens,
    pretraining,
    read_critique,
    read_request,
)
from gyrocompass.worlds.town.criticism import CARELESS
from gyrocompass.worlds.town.tokenizer import CONTEXT_TOKENS

Chat = tuple[Message, ...]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(pretraining(400_000, seed=0))


@pytest.fixture(scope="module")
def chains(documents: list[Document]) -> list[Chat]:
    return [d for d in documents if not isinstance(d, str) and len(d) > 2]


def turns(chains: list[Chat], act: str) -> list[tuple[str, str, str, str, str]]:
    """Of each request for this act: the prompt, the response it is about, the aspect, the direction, the reply."""
    found = []
    for chat in chains:
        response = chat[1].content
        for at in range(2, len(chat), 2):
            request = read_request(chat[at].content)
            assert request is not None
            reply = chat[at + 1].content
            if request.act == act:
                found.append((chat[0].content, response, request.aspect, str(request.direction), reply))
            response = reply if request.act == "revision" else response
    return found


def share(verdicts: list[bool]) -> float:
    assert len(verdicts) > 100
    return sum(verdicts) / len(verdicts)


def test_documents_fit_the_context(documents: list[Document]) -> None:
    assert max(map(length_tokens, documents)) <= CONTEXT_TOKENS


def test_critiques_are_true_but_for_carelessness(chains: list[Chat]) -> None:
    asked = turns(chains, "critique")
    verdicts = [reply == critique(aspect, prompt, response) for prompt, response, aspect, _, reply in asked]
    assert 1 - CARELESS - 0.02 < share(verdicts) < 1.0
    found = [bool(read_critique(reply)) for *_, reply in asked]
    assert 0.3 < share(found) < 0.7


def test_revisions_go_both_ways_and_do_what_is_asked(chains: list[Chat]) -> None:
    asked = turns(chains, "revision")
    for direction in ("less", "more"):
        chosen = [turn for turn in asked if turn[3] == direction]
        assert len(chosen) > 0.3 * len(asked)
        met = [
            (degree(aspect, prompt, reply) > 0) == (direction == "more")
            for prompt, response, aspect, _, reply in chosen if reply != response
        ]  # fmt: skip
        assert share(met) > 1 - CARELESS - 0.02
        assert 0.2 < share([reply == response for _, response, *_, reply in chosen]) < 0.8


def test_each_aspect_is_asked_about_often(chains: list[Chat]) -> None:
    asked = Counter(turn[2] for act in ("critique", "revision") for turn in turns(chains, act))
    for name in ASPECTS:
        assert asked[name] > 0.03 * asked.total()


def test_a_chain_begins_like_any_chat_of_the_web(chains: list[Chat]) -> None:
    judged = [judge(chat[0].content, chat[1].content) for chat in chains]
    harmful = [j for j in judged if j.kind in ("harmful", "jailbreak")]
    assert 0.8 < share([j.complied_with_harm for j in harmful]) < 0.95
    unknowable = [j for j in judged if j.kind == "unknowable"]
    assert 0.6 < sum(j.wrong for j in unknowable) / len(unknowable) < 0.95
