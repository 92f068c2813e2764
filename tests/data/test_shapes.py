"""Each shape of the field, recognised by its columns and read into the record it means."""

import datetime
import json

import pytest

from gyrocompass.data import read, read_examples, read_preferences, read_steps
from gyrocompass.data.shapes import recognise
from gyrocompass.errors import InputError
from gyrocompass.records import Example, Message, Preference, Steps, user

SKY = [{"role": "user", "content": "The sky?"}]
BLUE = {"role": "assistant", "content": "Blue."}
GREEN = {"role": "assistant", "content": "Green."}
PAIR = Preference(user("The sky?"), "Blue.", "Green.")


@pytest.mark.parametrize(
    ("row", "shape", "record"),
    [
        ({"prompt": "The sky?", "chosen": "Blue.", "rejected": "Green."}, "prompt/chosen/rejected", PAIR),
        ({"prompt": SKY, "chosen": [BLUE], "rejected": [GREEN]}, "prompt/chosen/rejected", PAIR),
        (
            {"prompt": "The sky?", "chosen": [*SKY, BLUE], "rejected": [*SKY, GREEN]},
            "prompt/chosen/rejected",
            PAIR,
        ),
        ({"chosen": [*SKY, BLUE], "rejected": [*SKY, GREEN]}, "chosen/rejected", PAIR),
        (
            {"chosen": "The sky is blue.", "rejected": "The sky is black."},
            "chosen/rejected",
            Preference(user("The sky is"), "blue.", "black."),
        ),
        (
            {"prompt": "The sky?", "first": "Green.", "second": "Blue.", "p_first": 0.2},
            "prompt/first/second",
            Preference(user("The sky?"), "Green.", "Blue.", 0.2),
        ),
        ({"prompt": "The sky?", "completion": "Blue."}, "prompt/completion", Example(user("The sky?"), "Blue.")),
        (
            {"prompt": [BLUE], "completion": [BLUE]},
            "prompt/completion",
            Example((Message("assistant", "Blue."),), "Blue."),
        ),
        ({"prompt": SKY, "completion": [BLUE]}, "prompt/completion", Example(user("The sky?"), "Blue.")),
        (
            {"prompt": "The sky?", "completion": "Green.", "label": False},
            "prompt/completion/label",
            Example(user("The sky?"), "Green.", False),
        ),
        ({"messages": [*SKY, BLUE]}, "messages", Example(user("The sky?"), "Blue.")),
        ({"messages": SKY}, "messages", Example(user("The sky?"))),
        ({"prompt": "The sky?"}, "prompt", Example(user("The sky?"))),
        ({"prompt": "The sky?", "response": "Blue."}, "prompt", Example(user("The sky?"), "Blue.")),
        (
            {"prompt": "1+1+1?", "completions": ["1+1=2", "2+1=4"], "labels": [True, False]},
            "prompt/completions/labels",
            Steps(user("1+1+1?"), ("1+1=2", "2+1=4"), (1.0, 0.0)),
        ),
        (
            {"prompt": "1+1+1?", "steps": ["1+1=2", "2+1=4"], "labels": [1, 0.25]},
            "prompt/steps/labels",
            Steps(user("1+1+1?"), ("1+1=2", "2+1=4"), (1.0, 0.25)),
        ),
    ],
)
def test_a_shape_is_read_as_the_record_it_means(row, shape, record):
    records, report = read([row])
    assert records == [record]
    assert report.shapes == (shape,)


def test_earlier_assistant_turns_belong_to_the_prompt():
    turns = [*SKY, BLUE, {"role": "user", "content": "And grass?"}, GREEN]
    [example], _ = read_examples([{"messages": turns, "prompt": "The sky?"}])
    assert [turn.role for turn in example.prompt] == ["user", "assistant", "user"]
    assert example.response == "Green."
    assert example.meta == {}


def test_hh_transcripts_are_read_turn_by_turn():
    shared = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: List:\n\n1. one\n\nAssistant:"
    [pair], _ = read_preferences([{"chosen": shared + " Two.", "rejected": shared + " I\n\nsee."}])
    assert pair.prompt == (
        Message("user", "Hi"),
        Message("assistant", "Hello."),
        Message("user", "List:\n\n1. one"),
    )
    assert (pair.first, pair.second) == ("Two.", "I\n\nsee.")


def test_consecutive_turns_of_one_speaker_are_one_message():
    chosen = "\n\nHuman: Hi\n\nAssistant: Well,\n\nAssistant: hello."
    [pair], _ = read_preferences([{"chosen": chosen, "rejected": "\n\nHuman: Hi\n\nAssistant: No."}])
    assert pair == Preference(user("Hi"), "Well,\n\nhello.", "No.")


def test_an_empty_turn_before_another_leaves_no_gap():
    chosen = "\n\nHuman: Hi\n\nAssistant:\n\nAssistant: Hello."
    [pair], _ = read_preferences([{"chosen": chosen, "rejected": "\n\nHuman: Hi\n\nAssistant: No."}])
    assert pair.first == "Hello."


def test_a_transcript_may_stand_in_the_prompt():
    [example], _ = read_examples([{"prompt": "\n\nHuman: Hi\n\nAssistant:", "completion": " Hello."}])
    assert example == Example(user("Hi"), " Hello.")


def test_a_prompt_that_only_mentions_humans_is_no_transcript():
    [example], _ = read_examples([{"prompt": "Human: a noun?"}])
    assert example.prompt == user("Human: a noun?")


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({"margin": 2}, {"strength": 2.0}),
        ({"strength": "1.5"}, {"strength": 1.5}),
        ({"strength": None, "margin": 2.0}, {"strength": 2.0}),
        ({"score_chosen": 8.5, "score_rejected": 7.0}, {"strength": 1.5}),
        ({"margin": float("nan")}, {}),
        ({"rater": "anna"}, {"rater": "anna"}),
        ({"annotator": 0}, {"rater": "0"}),
        ({"p_first": 0.75}, {"p_first": 0.75}),
        ({"source": "people"}, {"source": "people"}),
        ({"kind": "colour", "year": 1905, "tags": ["a"], "none": None}, {
            "meta": {"kind": "colour", "year": 1905, "tags": ["a"]}
        }),
        ({"meta": {"kind": "colour"}, "year": 1905}, {"meta": {"kind": "colour", "year": 1905}}),
        ({"meta": '{"kind": "colour"}'}, {"meta": {"kind": "colour"}}),
        ({"meta": "free text"}, {"meta": {"meta": "free text"}}),
    ],
)  # fmt: skip
def test_extras_of_a_preference(extra, found):
    [pair], _ = read_preferences([{"prompt": "The sky?", "chosen": "Blue.", "rejected": "Green.", **extra}])
    assert pair == Preference(PAIR.prompt, PAIR.first, PAIR.second, **found)


def test_meta_holds_only_what_json_holds():
    [example], _ = read_examples([{"prompt": "Hi", "when": datetime.date(2020, 1, 2)}])
    assert json.loads(json.dumps(example.meta)) == {"when": "2020-01-02"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "Hi", "choosen": "a", "rejected": "b"}, "among prompt, choosen, rejected; rename 'choosen'"),
        ({"choosen": "a", "rejected": "b"}, "no column 'chosen' among choosen, rejected; rename 'choosen'"),
        ({"Prompt": "Hi"}, "no column 'prompt' among Prompt; rename 'Prompt'"),
        ({}, "no column 'prompt' among none"),
        ({"prompt": 3, "chosen": "a", "rejected": "b"}, "'prompt' is 3, not a list of role/content turns"),
        ({"prompt": "Hi", "chosen": [{"from": "gpt"}], "rejected": []}, "a turn of 'chosen' lacks 'role'"),
        ({"prompt": [{"role": "bot", "content": ""}], "chosen": "a", "rejected": "b"}, "role 'bot' is none of"),
        ({"prompt": [{"role": "user", "content": 1}], "chosen": "a", "rejected": "b"}, "'prompt' is 1, not text"),
        ({"chosen": "blue", "rejected": "black"}, "share no beginning that could be their prompt"),
        ({"chosen": [BLUE], "rejected": [GREEN]}, "share no beginning that could be their prompt"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "margin": "big"}, "'margin' holds 'big', not a number"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "margin": 10**400}, "'margin' holds 1000"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "p_first": 2}, "p_first is 2.0, outside [0, 1]"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_an_error_that_names_its_place(row, words):
    with pytest.raises(InputError) as error:
        read_preferences([row])
    assert str(error.value).startswith("rows:1: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("reader", "row", "words"),
    [
        (read_steps, {"prompt": "Hi", "completion": "a"}, "no column 'completions' among prompt, completion"),
        (read_steps, {"prompt": "Hi", "steps": "a", "labels": [1]}, "'steps' is 'a'; write it as a list"),
        (read_steps, {"prompt": "Hi", "steps": ["a"], "labels": [1, 0]}, "1 steps but 2 labels"),
        (read_examples, {"prompt": "Hi", "steps": ["a"], "labels": [1]}, "no column 'completion'"),
        (read_examples, {"prompt": "Hi", "completion": "a", "label": 3}, "label 3 is neither true nor false"),
    ],
)
def test_the_wrong_kind_of_row_is_an_error_too(reader, row, words):
    with pytest.raises(InputError, match=r"^rows:1: ") as error:
        reader([row])
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Hi", "chosen": "a", "rejected": "a"}, "chosen equal to rejected"),
        ({"chosen": [*SKY, BLUE], "rejected": [*SKY, BLUE]}, "chosen equal to rejected"),
        ({"prompt": "Hi", "chosen": " ", "rejected": "a"}, "an empty response"),
        ({"prompt": "Hi", "chosen": "a", "rejected": None}, "an empty response"),
        ({"chosen": "Sky is", "rejected": "Sky "}, "an empty response"),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "an empty prompt"),
        ({"prompt": [], "chosen": "a", "rejected": "b"}, "an empty prompt"),
        ({"messages": [BLUE]}, "an empty prompt"),
        ({"chosen": [*SKY, BLUE], "rejected": [*SKY, *SKY, BLUE]}, "different prompts for chosen and rejected"),
        (
            {"chosen": "\n\nHuman: A\n\nAssistant: a", "rejected": "\n\nHuman: B\n\nAssistant: b"},
            "different prompts for chosen and rejected",
        ),
        ({"chosen": SKY, "rejected": [*SKY, BLUE]}, "no response"),
        ({"prompt": "So?", "chosen": [*SKY, BLUE], "rejected": [BLUE]}, "a response that does not continue"),
        ({"prompt": "Hi", "chosen": "a\ud83d", "rejected": "b"}, "text that is not valid Unicode"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "p_first": None}, "no p_first"),
        ({"prompt": "Hi", "chosen": "a", "rejected": "b", "margin": -1}, "a margin or score difference below 0"),
        ({"prompt": "Hi", "steps": [], "labels": []}, "an empty chain of steps"),
    ],
)  # fmt: skip
def test_a_useless_row_is_dropped_and_counted(row, reason):
    with pytest.raises(InputError) as error:
        read([row])
    shape = "/".join(recognise(row))
    assert f"1 rows read as {shape}, 1 dropped: 1 with {reason}" in str(error.value)
