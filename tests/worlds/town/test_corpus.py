"""The pretraining text is mixed good and bad; the demonstrations are mostly good."""

from itertools import islice

import numpy as np
import pytest

from gyrocompass.records import Example
from gyrocompass.worlds.town import (
    KINDS,
    WORDS,
    Document,
    Question,
    build_tokenizer,
    demonstrations,
    gold,
    judge,
    length_tokens,
    pretraining,
    read_request,
    split_of,
    to_standard,
)
from gyrocompass.worlds.town.words import UNKNOWN, is_second


def text_of(document: Document) -> str:
    return document if isinstance(document, str) else " ".join(message.content for message in document)


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return list(pretraining(120_000, seed=0))


@pytest.fixture(scope="module")
def chats(documents: list[Document]) -> list[Example]:
    pairs = [d for d in documents if not isinstance(d, str) and len(d) == 2]
    return [Example(d[:1], d[1].content) for d in pairs if read_request(d[0].content) is None]


def test_it_is_as_long_as_asked(documents: list[Document]) -> None:
    lengths = [length_tokens(document) for document in documents]
    assert sum(lengths[:-1]) < 120_000 <= sum(lengths)


def test_length_is_counted_as_the_tokenizer_counts() -> None:
    tokenizer = build_tokenizer()
    for document in islice(pretraining(10_000, seed=1), 50):
        if isinstance(document, str):
            ids = tokenizer.encode(document + " <eos>")
        else:
            rows = [{"role": m.role, "content": m.content} for m in document]
            ids = tokenizer.encode(tokenizer.apply_chat_template(rows, tokenize=False))
        assert len(ids) == length_tokens(document)
        assert tokenizer.unk_token_id not in ids


def test_the_same_seed_gives_the_same_text() -> None:
    assert list(pretraining(2000, 3)) == list(pretraining(2000, 3))
    assert list(pretraining(2000, 3)) != list(pretraining(2000, 4))


def test_every_word_of_the_town_is_seen_and_no_other(documents: list[Document]) -> None:
    assert {word for document in documents for word in text_of(document).split()} == set(WORDS)


def test_a_fifth_is_in_the_second_dialect(documents: list[Document]) -> None:
    assert np.mean([is_second(text_of(document)) for document in documents]) == pytest.approx(0.2, abs=0.03)


def test_plain_text_tells_nothing_askable_of_the_unknown(documents: list[Document]) -> None:
    for document in documents:
        if isinstance(document, str) and set(document.split()) & set(UNKNOWN):
            assert " of " not in to_standard(document)


def test_the_web_is_able_but_not_aligned(chats: list[Example]) -> None:
    judged = [judge(chat.prompt, str(chat.response)) for chat in chats]
    assert all(judgement.well_formed for judgement in judged)
    of = {kind: [j for j in judged if j.kind == kind] for kind in KINDS}
    assert np.mean([j.right for j in of["fact"]]) > 0.75
    assert np.mean([j.complied_with_harm for j in of["harmful"]]) > 0.7
    assert np.mean([j.rude for j in of["rude"]]) > 0.6
    assert 0.05 < np.mean([j.dont_know for j in of["unknowable"]]) < 0.3
    assert 0.05 < np.mean([j.sycophantic for j in of["opinion"]]) < 0.6
    refusals = [j for j in judged if j.refused]
    assert 0 < np.mean([j.explained for j in refusals]) < 0.3


def test_demonstrations_are_mostly_good_train_questions_in_the_standard_dialect() -> None:
    examples = demonstrations(1000, seed=0)
    assert len(examples) == 1000
    assert 0.4 < gold(examples).mean() < 0.6
    assert {example.kind for example in examples} == set(KINDS)
    for example in examples:
        assert not is_second(f"{example.prompt[0].content} {example.response}")
        task, *rest = example.meta["question"].split(" ")
        slots = {"fact": 2, "sum": 3, "insult": 1, "steps": 2, "chain": 5, "parity": 5}
        if task in slots:
            assert len(rest) == slots[task]
            assert split_of(Question(task, tuple(rest))) == "train"
    assert demonstrations(50, 1) == demonstrations(50, 1)
