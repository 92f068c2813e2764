import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.records import Example, Measurement, Message, Preference, Steps, from_row, to_row, user

texts = st.text(min_size=1).filter(str.strip)
prompts = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text()), min_size=1, max_size=4
).map(tuple)
metas = st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(), texts), max_size=3)
examples = st.builds(Example, prompts, st.none() | st.text(), st.none() | st.booleans(), metas)
preferences = st.builds(
    Preference, prompts, texts, texts.map(lambda t: t + "!"), st.floats(0, 1), st.none() | st.floats(0, 9),
    st.none() | texts, st.none() | texts, metas,
).filter(lambda p: p.first != p.second)  # fmt: skip


@given(st.one_of(examples, preferences))
def test_a_row_reads_back_as_the_record_that_wrote_it(record):
    assert from_row(json.loads(json.dumps(to_row(record)))) == record


def test_steps_read_back_too():
    steps = Steps(user("q"), ("a", "b"), (1.0, 0.25))
    assert from_row(to_row(steps)) == steps


@given(preferences.filter(lambda p: 0 < p.p_first < 1))
def test_swapping_changes_the_order_and_nothing_else(p):
    assert p.swap().swap().p_first == pytest.approx(p.p_first)
    assert (p.swap().first, p.swap().second) == (p.second, p.first)
    if abs(p.p_first - 0.5) > 1e-9:
        assert (p.swap().chosen, p.swap().rejected) == (p.chosen, p.rejected)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Preference(user("q"), "same", "same"), "equal"),
        (lambda: Preference(user("q"), "a", " "), "empty"),
        (lambda: Preference(user("q"), "a", "b", 1.5), r"outside \[0, 1\]"),
        (lambda: Preference(user("q"), "a", "b", strength=-1.0), "below 0"),
        (lambda: Example(()), "prompt is empty"),
        (lambda: Message("robot", "hi"), "none of system, user, assistant"),
        (lambda: Steps(user("q"), (), ()), "no steps"),
        (lambda: Steps(user("q"), ("a",), (1.0, 0.0)), "1 steps but 2 labels"),
        (lambda: Steps(user("q"), ("a",), (2.0,)), "outside"),
        (lambda: Measurement("m", "intent", "gold", 0.5, 0.4, 0.6, 0), "no number without data"),
        (lambda: Measurement("m", "intent", "gold", float("nan"), 0.4, 0.6, 9), "no number without data"),
        (lambda: Measurement("m", "intent", "gold", 0.9, 0.4, 0.6, 9), "outside"),
    ],
)
def test_what_a_docstring_promises_is_enforced(make, says):
    with pytest.raises(InputError, match=says):
        make()
