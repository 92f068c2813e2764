"""Which slices fall behind."""

import numpy as np
import pytest

from gyrocompass.audits.audit import Unmeasurable
from gyrocompass.audits.shift.slices import GAP, Cut, by_slice, gap
from gyrocompass.maths import stats


def cut(scores, slices, clusters=None):
    n = len(scores)
    return Cut(np.asarray(scores, dtype=np.float64), slices, clusters or [str(i) for i in range(n)])


def noise(seed, n=600, k=20):
    rng = np.random.default_rng(seed)
    return cut(rng.normal(size=n), [f"s{i % k}" for i in range(n)])


def test_each_slice_stands_beside_all_else():
    rows = by_slice(cut([1.0] * 30 + [0.0] * 10 + [1.0] * 20, ["a"] * 40 + ["b"] * 20))
    assert [row.name for row in rows] == ["a", "b"]
    assert rows[0].mean == pytest.approx(stats.proportion(30, 40))
    assert rows[0].behind.value == pytest.approx(0.25)
    assert rows[1].behind.value == pytest.approx(-0.25)
    assert rows[0].p_holm == pytest.approx(rows[1].p_holm)


def test_the_gap_is_in_standard_deviations():
    scores = np.tile([1.0, -1.0, 0.5, -0.5], 50) + np.repeat([0.0, 3.0], 100)
    found = gap(cut(scores, ["low"] * 100 + ["high"] * 100))
    assert found.effect.value == pytest.approx(3 / scores.std(), abs=0.15)
    assert found.detail["worst"] == "low"
    assert "Behind all else after Holm: low" in found.said


def test_choosing_the_worst_slice_does_not_flatter_its_gap():
    chosen_and_measured = [gap(noise(seed)).effect.value for seed in range(30)]
    assert abs(np.mean(chosen_and_measured)) < 0.15
    naive = [-min(noise(s).scores[i::20].mean() for i in range(20)) for s in range(5)]
    assert np.mean(naive) > 0.25


def test_noise_in_many_slices_is_flagged_no_more_often_than_promised():
    assert sum(GAP(noise(seed), "m").verdict == "flagged" for seed in range(100, 140)) <= 2


def test_what_hangs_together_is_not_counted_twice():
    scores = np.repeat(np.random.default_rng(3).normal(size=20), 20)
    slices, questions = np.repeat(["a", "b"], 200).tolist(), np.repeat(np.arange(20), 20).astype(str).tolist()
    alone, together = gap(cut(scores, slices)), gap(cut(scores, slices, questions))
    assert together.effect.high - together.effect.low > 2 * (alone.effect.high - alone.effect.low)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (cut([1.0] * 40, ["a", "b"] * 20), "is the same for all 40"),
        (cut([1.0, 0.0] * 20, ["a"] * 40), "1 of 1 slices"),
        (cut([1.0, 0.0] * 20, [str(i) for i in range(40)]), "0 of 40 slices"),
    ],
)
def test_what_says_nothing_is_said_to(case, why):
    with pytest.raises(Unmeasurable, match=why):
        gap(case)
    finding = GAP(case, "m")
    assert finding.verdict == "underpowered"
    assert finding.value is None


def test_too_few_rows_say_what_could_have_been_seen():
    found = GAP(cut([1.0, 0.0] * 30 + [1.0] * 2, ["a"] * 60 + ["b"] * 2), "m")
    assert "1 of 2 slices have 3 questions in either half" in found.said
    assert "effects of up to 3 standard deviations" in found.said  # 0.2 + (1.96 + 0.84) sqrt(2 / 2 + 2 / 60)


def test_questions_in_two_slices_are_compared_with_themselves():
    hard = np.random.default_rng(5).normal(size=200)
    scores, slices = np.concatenate([hard, hard - 0.3]), ["a"] * 200 + ["b"] * 200
    alone, same = (gap(cut(scores, slices, names)).effect for names in (None, [*map(str, range(200))] * 2))
    assert same.value == pytest.approx(0.3 / scores.std())
    assert same.high - same.low < 0.01 < alone.high - alone.low


def test_a_slice_too_small_is_named():
    found = gap(cut([1.0, 0.0] * 30 + [1.0] * 2, ["a", "b"] * 30 + ["few"] * 2))
    assert found.detail["too_small"] == ["few"]
    assert {row["slice"] for row in found.detail["slices"]} == {"a", "b"}
