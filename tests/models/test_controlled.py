"""Length control: slopes that are known, prompts that differ in what they ask for, and samples that tell nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.models.controlled import length_controlled, log_lengths
from gyrocompass.records import Example, user


def sample(prompt, length):
    return Example(user(f"q{prompt}"), "x" * length)


def pays(slope, worth=lambda prompt: 0.0):
    """A scorer: slope * log(1 + characters) + what the prompt's responses are worth."""
    return lambda examples: np.array(
        [slope * math.log1p(len(e.response)) + worth(int(e.prompt[0].content[1:])) for e in examples]
    )


def test_what_length_pays_is_taken_off_and_the_rest_stays():
    """At 0.5 an e-fold: two responses to one prompt come out alike, however long, and prompts 3 apart stay so."""
    samples = [sample(p, n) for p in range(4) for n in (3, 7, 20)]
    found = length_controlled(pays(0.5, worth=lambda p: 3.0 * p), samples)
    assert found.slope == pytest.approx(0.5)
    assert found.a_doubling == pytest.approx(0.5 * math.log(2))
    scores = found(samples).reshape(4, 3)
    assert np.ptp(scores, axis=1) == pytest.approx(0, abs=1e-9)
    assert np.diff(scores[:, 0]) == pytest.approx(3.0)


def test_prompts_that_ask_for_more_words_and_are_liked_less_don_t_hide_what_length_pays():
    """Within a prompt length pays 1; between prompts the longer are worth 5 less each."""
    samples = [sample(p, n) for p, n in ((0, 2), (0, 3), (1, 20), (1, 30), (2, 200), (2, 300))]
    assert length_controlled(pays(1.0, worth=lambda p: -5.0 * p), samples).slope == pytest.approx(1.0)


def test_with_one_response_a_prompt_all_are_compared():
    assert length_controlled(pays(0.7), [sample(p, p + 1) for p in range(9)]).slope == pytest.approx(0.7)


def test_twice_the_usual_length_loses_what_a_doubling_paid():
    found = length_controlled(pays(1.0), [sample(0, 7), sample(1, 15)])
    usual, longer = sample(0, 15), sample(0, 31)
    assert found([longer])[0] == pytest.approx(found([usual])[0])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.floats(-5, 5)), min_size=4, max_size=30))
def test_the_samples_keep_their_mean_and_what_is_left_has_no_slope(rows):
    samples = [sample(p, n) for p, n, _ in rows]
    scores = np.array([score for *_, score in rows])
    try:
        found = length_controlled(lambda examples: scores, samples)
    except InputError:
        assert len({n for _, n, _ in rows}) == 1
        return
    assert found(samples).mean() == pytest.approx(scores.mean(), abs=1e-6)
    assert length_controlled(lambda examples: found(samples), samples).slope == pytest.approx(0, abs=1e-6)


def test_an_empty_response_has_a_length():
    assert log_lengths([sample(0, 0), sample(0, 1)]) == pytest.approx([0, math.log(2)])


@pytest.mark.parametrize(("samples", "says"), [([], "no samples"), ([sample(p, 4) for p in range(5)], "equally long")])
def test_samples_that_tell_nothing_are_refused(samples, says):
    with pytest.raises(InputError, match=says):
        length_controlled(pays(1.0), samples)
