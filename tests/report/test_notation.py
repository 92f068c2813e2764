from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.report import notation
from gyrocompass.report.notation import Estimate


def test_an_estimate_reads_as_papers_write_it() -> None:
    assert Estimate(0.56, 0.52, 0.6, 100).text(2) == "0.56 [0.52, 0.60]"
    assert Estimate(-0.1, -0.17, 0.0, 100).text(2) == "−0.10 [−0.17, 0.00]"


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (1234.5, 1, "1,234.5"),
        (-0.004, 2, "0.00"),
        (-0.006, 2, "−0.01"),
        (1.2e9, 2, "1.20×10⁹"),
        (math.nan, 2, "not finite"),
    ],
)
def test_numbers(value: float, places: int, text: str) -> None:
    assert notation.number(value, places) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0123, "0.0123"), (1234, "1,234"), (-1.5, "−1.50"), (1.234e-5, "1.23×10⁻⁵"), (-2e7, "−2.00×10⁷")],
)
def test_significant_digits(value: float, text: str) -> None:
    assert notation.significant(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 6))
def test_a_number_is_never_a_negative_zero(value: float, places: int) -> None:
    text = notation.number(value, places)
    assert "-" not in text
    assert not text.startswith("−") or any(digit in text for digit in "123456789")


def test_decimals_follow_the_spread() -> None:
    assert notation.places([0.0, 1.0]) == 2
    assert notation.places([0.0, 300.0]) == 0
    assert notation.places([0.01, 0.012]) == 5
    assert notation.places([]) == notation.places([3.0]) == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.2 s"), (59.99, "1 min 00 s"), (252, "4 min 12 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert notation.duration(seconds) == text


def test_a_moment_that_is_none_stays_as_it_stands() -> None:
    assert notation.moment("2026-11-23T06:13:05+00:00") == "23 November 2026, 06:13 UTC"
    assert notation.moment("yesterday") == "yesterday"


def test_names_known_and_unknown() -> None:
    assert (notation.model("sft"), notation.model("mine")) == ("SFT", "mine")
    assert notation.metric("rater_utility") == "raters’ utility"
    assert (notation.metric("kl_nats"), notation.metric("clip_fraction")) == ("KL (nats)", "clip fraction")


def test_sizes_say_their_range() -> None:
    assert notation.sample_sizes([512, 512]) == "n = 512"
    assert notation.sample_sizes([2048, 256]) == "n = 256 to 2,048"


def test_no_line_break_parts_a_number_from_what_belongs_to_it() -> None:
    html = notation.unbroken("0.1 [−0.17, 0.00], n = 512 <b> [not a number]")
    assert html == (
        '0.1 <span class="unbroken">[−0.17, 0.00]</span>, <span class="unbroken">n = 512</span>'
        " &lt;b&gt; [not a number]"
    )


def test_a_p_value_is_as_exact_as_it_need_be_and_stays_in_one_piece() -> None:
    assert [notation.probability(p) for p in (0.62, 0.0123, 0.0004, 0.0)] == ["0.620", "0.012", "< 0.001", "< 0.001"]
    assert notation.unbroken("so p < 0.001.") == 'so <span class="unbroken">p &lt; 0.001</span>.'
    assert notation.aspect("values") == "value alignment"


def test_lists_in_words() -> None:
    assert [notation.and_list("abc"[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("ppo", "PPO"),
        ("ppo-2", "PPO 2"),
        ("changed-reward", "reward model, changed raters"),
        ("gpt-2", "gpt-2"),
        ("sl-cai", "SL-CAI"),
    ],
)
def test_names_of_models_and_of_the_stages_that_made_them(key: str, name: str) -> None:
    assert notation.model(key) == name
