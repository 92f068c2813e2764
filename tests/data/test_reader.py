"""Reports, limits, and the promise that whatever the input, the only error is a one-line InputError."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.data import Drop, Place, read, read_examples, read_preferences
from gyrocompass.data.shapes import SHAPES
from gyrocompass.errors import InputError
from gyrocompass.records import Example, user

PAIR = {"prompt": "Hi", "chosen": "a", "rejected": "b"}


def test_the_report_counts_each_reason_and_says_where_it_began():
    rows = [PAIR, PAIR | {"rejected": "a"}, PAIR | {"chosen": ""}, PAIR | {"chosen": "b"}]
    pairs, report = read_preferences(rows)
    assert len(pairs) == report.kept == 1
    assert (report.rows, report.dropped) == (4, 3)
    assert report.drops == (
        Drop("chosen equal to rejected", 2, Place("rows", 2)),
        Drop("an empty response", 1, Place("rows", 3)),
    )
    assert str(report) == (
        "rows: 4 rows read as prompt/chosen/rejected, 3 dropped: "
        "2 with chosen equal to rejected (first at rows:2); 1 with an empty response (first at rows:3)"
    )


TURNS = [{"role": "user", "content": "The sky?"}]
OTHER = [{"role": "user", "content": "The sea?"}]
SAID = [{"role": "assistant", "content": "Blue."}]
UNSAID = [{"role": "assistant", "content": "Green."}]


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (
            {"chosen": TURNS + SAID, "rejected": TURNS + UNSAID},
            {"chosen": TURNS + SAID, "rejected": OTHER + UNSAID},
            "different prompts for chosen and rejected",
        ),
        (
            {"chosen": "\n\nHuman: A\n\nAssistant: a", "rejected": "\n\nHuman: A\n\nAssistant: b"},
            {"chosen": "\n\nHuman: A\n\nAssistant: a", "rejected": "\n\nHuman: B\n\nAssistant: b"},
            "different prompts for chosen and rejected",
        ),
        (
            {"prompt": TURNS, "chosen": TURNS + SAID, "rejected": TURNS + UNSAID},
            {"prompt": TURNS, "chosen": TURNS + SAID, "rejected": OTHER + UNSAID},
            "a response that does not continue its prompt",
        ),
    ],
)
def test_a_pair_whose_prompt_differs_between_its_responses_is_dropped_and_counted(good, bad, reason):
    pairs, report = read_preferences([good, bad, good, bad])
    assert len(pairs) == 2
    assert report.drops == (Drop(reason, 2, Place("rows", 2)),)


def test_limit_bounds_the_rows_that_are_read():
    pairs, report = read_preferences([PAIR] * 5 + [{"broken": 1}], limit=3)
    assert len(pairs) == report.rows == 3
    assert str(report) == "rows: 3 rows read as prompt/chosen/rejected, 0 dropped"


def test_a_preference_is_read_as_an_example_of_its_chosen_response():
    [example], _ = read_examples([PAIR | {"kind": "greeting"}], answered=True)
    assert example == Example(user("Hi"), "a", meta={"kind": "greeting"})


def test_answered_examples_need_a_response():
    with pytest.raises(
        InputError, match=r"^rows:1: no column 'completion' among prompt, completoin; rename 'completoin'"
    ):
        read_examples([{"prompt": "Hi", "completoin": "a"}], answered=True)
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "a"}]
    examples, report = read_examples([{"messages": turns}, {"messages": turns[:1]}], answered=True)
    assert [example.response for example in examples] == ["a"]
    assert report.drops == (Drop("no response", 1, Place("rows", 2)),)


def test_a_policys_empty_response_is_kept_unless_examples_must_be_answered():
    rows = [{"prompt": "Hi", "response": ""}, {"prompt": "Hi", "response": "a"}]
    assert [example.response for example in read_examples(rows)[0]] == ["", "a"]
    examples, report = read_examples(rows, answered=True)
    assert [example.response for example in examples] == ["a"]
    assert report.drops == (Drop("an empty response", 1, Place("rows", 1)),)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"prompt": "Hi", "chosen": "a"}, "no column 'rejected' among prompt, chosen; .*, as in the rows before"),
        ({"prompt": "Hi", "completion": "a"}, "rows:2: no column 'chosen' among prompt, completion; rename"),
    ],
)  # fmt: skip
def test_a_later_row_that_lacks_a_column_is_an_error(second, words):
    with pytest.raises(InputError, match=words):
        read([PAIR, second])


def test_a_later_row_of_a_richer_shape_is_an_error():
    with pytest.raises(InputError, match="rows:2: prompt/completion after rows of prompt; keep each shape"):
        read([{"prompt": "Hi"}, {"prompt": "Hi", "completion": "a"}])


@pytest.mark.parametrize("rows", [[], [3], ["text"]])
def test_rows_that_are_none(rows):
    with pytest.raises(InputError, match="rows"):
        read(rows)


speech = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "bot"]), "content": st.text(max_size=3)})
scalars = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=4)
values = scalars | st.lists(speech, max_size=3) | st.lists(scalars, max_size=2) | st.dictionaries(st.text(), scalars)
extras = dict.fromkeys(["p_first", "margin", "score_chosen", "score_rejected", "rater", "meta", "response"], values)
odd_rows = st.sampled_from(list(SHAPES)).flatmap(
    lambda shape: st.fixed_dictionaries(dict.fromkeys(shape, values), optional=extras)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(odd_rows, min_size=1, max_size=2))
def test_whatever_the_rows_the_only_error_is_one_line_of_input_error(rows):
    error = ""
    try:
        records, report = read(rows)
        assert len(records) == report.kept > 0
    except InputError as raised:
        error = str(raised)
    assert "\n" not in error


def test_the_import_is_light():
    code = "import sys, gyrocompass.data; print({'datasets', 'pyarrow', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
