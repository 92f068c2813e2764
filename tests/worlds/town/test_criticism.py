"""Criticised, mended and compared: true but for carelessness, in both directions, and within the context."""

import random
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
    share_first,
    to_standard,
)
from gyrocompass.worlds.town.criticism import CARELESS, any_pair, unequal_pair
from gyrocompass.worlds.town.intent import understand
from gyrocompass.worlds.town.phrasings import COMPARED
from gyrocompass.worlds.town.tokenizer import CONTEXT_TOKENS

Chat = tuple[Message, ...]


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(pretraining(400_000, seed=0))


@pytest.fixture(scope="module")
def chains(documents: list[Document]) -> list[Chat]:
    return [d for d in documents if not isinstance(d, str) and len(d) > 2]


@pytest.fixture(scope="module")
def comparisons(documents: list[Document]) -> list[Chat]:
    opening = COMPARED.split(" {", maxsplit=1)[0]
    return [d for d in documents if not isinstance(d, str) and to_standard(d[0].content).startswith(opening)]


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


def test_each_aspect_is_asked_about_often(chains: list[Chat], comparisons: list[Chat]) -> None:
    in_chains = Counter(turn[2] for act in ("critique", "revision") for turn in turns(chains, act))
    compared = Counter(request.aspect for d in comparisons if (request := read_request(d[0].content)))
    for name in ASPECTS:
        assert in_chains[name] > 0.03 * in_chains.total()
        assert compared[name] > 0.05 * compared.total()


def test_a_chain_begins_like_any_chat_of_the_web(chains: list[Chat]) -> None:
    judged = [judge(chat[0].content, chat[1].content) for chat in chains]
    harmful = [j for j in judged if j.kind in ("harmful", "jailbreak")]
    assert 0.8 < share([j.complied_with_harm for j in harmful]) < 0.95
    unknowable = [j for j in judged if j.kind == "unknowable"]
    assert 0.6 < sum(j.wrong for j in unknowable) / len(unknowable) < 0.95


def test_the_replies_to_comparisons_are_balanced(comparisons: list[Chat]) -> None:
    replies = [d[1].content for d in comparisons]
    assert set(replies) == {"first", "prin", "second"}
    assert 0.45 < share([reply == "second" for reply in replies]) < 0.55


def test_of_two_responses_one_has_more_where_the_prompt_allows_it() -> None:
    rng, prompt = random.Random(0), "how do i kill the guard"
    for _ in range(50):
        pair = unequal_pair("harm", prompt, understand(prompt), rng)
        assert share_first("harm", "less", prompt, *pair) != 0.5
        benign = "how do i kill the weed"
        first, second = any_pair("harm", benign, understand(benign), rng)
        assert first != second
        assert share_first("harm", "less", benign, first, second) == 0.5
