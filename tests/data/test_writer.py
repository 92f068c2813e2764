"""Records to files and to TRL's shapes, and back: the identity."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.data import read, read_examples, read_preferences, to_dataset, write
from gyrocompass.errors import InputError
from gyrocompass.records import ROLES, Example, Message, Preference, Steps, user

words = st.text(max_size=8)
responses = words.filter(str.strip)
prompts = st.lists(st.builds(Message, st.sampled_from(ROLES), words), min_size=1, max_size=3).map(tuple)
fractions = st.floats(0, 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
metas = st.dictionaries(words, json_values, max_size=2)
examples = st.builds(Example, prompts, st.none() | words, st.none() | st.booleans(), metas)
answered = st.builds(Example, prompts, responses, st.none() | st.booleans(), metas)
preferences = st.builds(
    lambda prompt, pair, *rest: Preference(prompt, *pair, *rest),
    prompts,
    st.tuples(responses, responses).filter(lambda pair: pair[0] != pair[1]),
    fractions,
    st.none() | st.floats(0, 1e9),
    st.none() | words,
    st.none() | words,
    metas,
)
chains = st.lists(st.tuples(words, fractions), min_size=1, max_size=3)
steps = st.builds(lambda prompt, chain, meta: Steps(prompt, *zip(*chain, strict=True), meta), prompts, chains, metas)


def lists_of(*kinds):
    return st.one_of(st.lists(kind, min_size=1, max_size=4) for kind in kinds)


@pytest.mark.parametrize("name", ["records.jsonl", "records.parquet"])
@settings(max_examples=80, deadline=None)
@given(records=lists_of(examples, preferences, steps))
def test_records_to_file_and_back_are_the_same(tmp_path_factory, name, records):
    path = tmp_path_factory.getbasetemp() / name
    write(records, path)
    again, report = read(path)
    assert again == records
    assert report.dropped == 0
    content = path.read_bytes()
    write(again, path)
    assert path.read_bytes() == content


@settings(max_examples=40, deadline=None)
@given(records=lists_of(answered, steps, preferences))
def test_records_to_a_dataset_and_back_are_the_same_or_swapped(records):
    again, _ = read(to_dataset(records))
    assert again == [r.swap() if isinstance(r, Preference) and r.p_first < 0.5 else r for r in records]


def test_a_dataset_has_trls_columns():
    pair = Preference(user("Hi"), "No", "Hello", p_first=0.25, strength=2.0, meta={"kind": "greeting"})
    dataset = to_dataset([pair])
    assert dataset[0] == {
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": [{"role": "assistant", "content": "Hello"}],
        "rejected": [{"role": "assistant", "content": "No"}],
        "p_first": 0.75,
        "margin": 2.0,
        "meta": '{"kind": "greeting"}',
    }
    assert to_dataset([Example(user("Hi"))]).column_names == ["prompt"]
    assert to_dataset([Example(user("Hi"), "a")]).column_names == ["prompt", "completion"]
    assert to_dataset([Example(user("Hi"), "a", True)]).column_names == ["prompt", "completion", "label"]
    assert to_dataset([Steps(user("Hi"), ("a",), (1.0,))]).column_names == ["prompt", "completions", "labels"]


def test_a_dataset_saved_by_its_own_means_reads_back(tmp_path):
    pair = Preference(user("Hi"), "Hello", "No", rater="anna")
    dataset = to_dataset([pair])
    dataset.to_parquet(tmp_path / "a.parquet")
    dataset.to_json(tmp_path / "b.jsonl")
    assert read_preferences(tmp_path)[0] == [pair, pair]


def test_write_makes_folders_and_leaves_only_the_file(tmp_path):
    path = tmp_path / "stages" / "labels.jsonl"
    write([Example(user("hé"), "a")], path)
    assert [file.name for file in path.parent.iterdir()] == ["labels.jsonl"]
    assert path.read_bytes().decode() == '{"prompt": [{"role": "user", "content": "hé"}], "response": "a"}\n'
    assert read_examples(path)[0] == [Example(user("hé"), "a")]


@pytest.mark.parametrize(
    ("records", "name", "words"),
    [
        ([], "a.jsonl", "records of one kind are needed, not none"),
        ([Example(user("Hi")), Steps(user("Hi"), ("a",), (1.0,))], "a.jsonl", "not Example and Steps"),
        ([Example(user("Hi"))], "a.csv", "written as .jsonl or .parquet"),
    ],
)
def test_what_can_not_be_written_is_an_error(tmp_path, records, name, words):
    with pytest.raises(InputError, match=words):
        write(records, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_needs_all_responses_or_none():
    with pytest.raises(InputError, match="only some of the examples have a response"):
        to_dataset([Example(user("Hi"), "a"), Example(user("Hi"))])
