"""What prompts are sliced by."""

from collections import Counter

import pytest

from gyrocompass.audits.shift.columns import slices
from gyrocompass.errors import InputError
from gyrocompass.records import Example, user
from gyrocompass.worlds import town


def asked(*texts, **columns):
    return [
        Example(user(text), meta={name: values[i] for name, values in columns.items()}) for i, text in enumerate(texts)
    ]


def test_a_column_of_meta_is_its_values():
    examples = [Example(user("a"), meta={"kind": "x"}), Example(user("b")), Example(user("c"), meta={"kind": 3})]
    assert slices(examples, "kind") == ["x", "none", "3"]


def test_numbers_with_many_values_are_quartiles():
    found = slices(asked(*"abcdefghijkl", size=list(range(12))), "size")
    assert Counter(found) == {"0 to 2": 3, "3 to 5": 3, "6 to 8": 3, "9 to 11": 3}
    assert slices(asked("a", "b", "c", stars=[1, 2, 1]), "stars") == ["1", "2", "1"]
    missing = slices(asked(*"abcdefghijklm", size=[*range(12), None]), "size")
    assert missing == [*found, "none"]


def test_length_is_in_words_and_equal_lengths_are_one_slice():
    assert slices(asked("a", "b c", "d e f", "g h i j"), "length") == ["1 words", "2 words", "3 words", "4 words"]
    assert slices(asked("a b", "c d", "e f"), "length") == ["2 words"] * 3


def test_script_is_that_of_most_letters():
    texts = "Hello, Мир world", "привет", "今日", "مرحبا", "12 + 3?"
    assert slices(asked(*texts), "script") == ["latin", "cyrillic", "cjk", "arabic", "none"]


def test_language_is_told_the_same_way_each_time():
    texts = "Please tell me what the weather will be like tomorrow", "Bitte sag mir, wie morgen das Wetter wird", "12"
    assert slices(asked(*texts), "language") == ["en", "de", "none"]


def test_a_language_of_hardly_any_prompt_is_none_of_its_own():
    found = slices(asked(*["what will the weather be like tomorrow"] * 120, "wie wird morgen das Wetter"), "language")
    assert Counter(found) == {"en": 120, "other": 1}


def test_clusters_of_words_find_the_second_dialect():
    examples = town.prompts(200, 1, dialect=0.5)
    found = slices(examples, "cluster")
    by_cluster = Counter((name, e.meta["dialect"]) for name, e in zip(found, examples, strict=True))
    purest = sum(max(by_cluster[name, d] for d in ("standard", "second")) for name in set(found))
    assert purest > 0.75 * len(examples)


def test_a_cluster_is_named_by_words():
    found = slices(asked(*["one , \n two"] * 10, *["three ! four"] * 10), "cluster")
    assert all(char.isalnum() or char in ":, " for name in found for char in name)
    assert "three" in found[-1]


def test_clusters_of_embeddings_are_theirs():
    found = slices(asked(*["a b", "c d"] * 10, embedding=[[1.0, 0.1], [0.1, 1.0]] * 10), "cluster")
    assert found[::2] == [found[0]] * 10
    assert found[1::2] == [found[1]] * 10
    assert found[0] != found[1]


@pytest.mark.parametrize("second", [[1.0], None, "x", [1.0, float("nan")]])
def test_embeddings_of_unequal_length_are_refused(second):
    with pytest.raises(InputError, match="equally many numbers"):
        slices(asked("a", "b", embedding=[[1.0, 2.0], second]), "cluster")


def test_a_column_that_no_prompt_has_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="cluster, kind, language, length, script"):
        slices(asked("a", kind=["x"]), "colour")
