import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths import overoptimisation as oo
from gyrocompass.maths import stats

KL = np.array([0.0, 0.1, 0.5, 1.0, 3.0, 8.0])
FORMS = pytest.mark.parametrize("form", [oo.BEST_OF_N, oo.RL], ids=lambda form: form.name)


def exact(form, alpha, beta, prompts=6, kl=KL):
    """A curve that is of the form for every prompt, which differ by a level of their own."""
    levels = np.linspace(-1, 1, prompts)
    change = form(np.sqrt(kl), alpha, beta)
    return np.repeat(kl[:, None], prompts, 1), change[:, None] + levels


def noisy(rng, form, alpha, beta, prompts, sd=0.8):
    kl, values = exact(form, alpha, beta, prompts)
    return kl + rng.normal(0, np.sqrt(2 * KL)[:, None], kl.shape), values + rng.normal(0, sd, values.shape)


def test_a_fall_by_hand():
    """Prompts 1 and 3 choose row 2 (means 0, 2, 1); on 2 and 4 it exceeds the last by 3 and 1: 2 +- 12.7062."""
    values = np.array([[0.0, 1, 0, 3], [2, 5, 2, 5], [1, 2, 1, 4]])
    found = oo.fall(values)
    assert (found.peak, found.height, found.last, found.drop.value, found.drop.n) == (1, 5.0, 3.0, 2.0, 2)
    assert found.drop.high == pytest.approx(2 + 12.7062, abs=1e-3)
    assert found.measured.tolist() == [False, True, False, True]
    assert found.starts.tolist() == [1, 1, 1, 1]
    values[0] = [0, 9, 0, 9]
    assert oo.fall(values).starts.tolist() == [0, 1, 0, 1]


def test_without_a_choice_every_prompt_measures():
    """Row 0 minus row 2: -1, -1, 1 and 1."""
    found = oo.fall(np.array([[0.0, 1, 2, 3], [9, 9, 9, 9], [1, 2, 1, 2]]), among=1)
    assert (found.peak, found.drop.value, found.drop.n) == (0, 0.0, 4)
    assert found.measured.all()


def test_a_fall_by_question_by_hand():
    """Questions a, b, c, d in this order: a and c choose row 1. On b (4, 2) and d (0) the falls have the mean 2, and
    their sums about it are 2 and -2: a standard error of sqrt(2 / 1 (4 + 4)) / 3 = 4 / 3 on 1 degree of freedom."""
    values = np.array([[0.0, 0, 0, 0, 0, 0], [3, 4, 2, 3, 1, 9], [1, 0, 0, 1, 1, 1]])
    found = oo.fall(values, ["a", "b", "b", "c", "d", "a"])
    assert found.measured.tolist() == [False, True, True, False, True, False]
    assert (found.peak, found.drop.value, found.drop.n) == (1, 2.0, 2)
    assert found.drop.high == pytest.approx(2 + 12.7062 * 4 / 3, abs=1e-3)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30))
def test_a_question_lies_on_one_side(names):
    sides = oo._every_other(np.array(names)).tolist()
    assert len(set(zip(names, sides, strict=True))) == len(set(names))
    assert sum(dict(zip(names, sides, strict=True)).values()) == (len(set(names)) + 1) // 2


def repeated(values, times):
    """Each prompt several times, one after the other, and what it asks."""
    return np.repeat(values, times, axis=1), np.repeat(np.arange(values.shape[1]), times)


def test_duplicates_of_prompts_tell_no_more_than_the_prompts():
    """The same intervals as without them, and wider ones than if each were taken for a prompt of its own."""
    rng = np.random.default_rng(0)
    kl, values = noisy(rng, oo.RL, 0.5, 0.3, 60)
    (many_kl, groups), (many, _) = repeated(kl, 4), repeated(values, 4)
    once, clustered, alone = oo.fall(values), oo.fall(many, groups), oo.fall(many)
    assert clustered[:3] == pytest.approx(once[:3])
    assert clustered.drop == pytest.approx(once.drop)
    assert clustered.drop.high - clustered.drop.low > 1.6 * (alone.drop.high - alone.drop.low)
    one, grouped, naive = oo.fit(oo.RL, kl, values), oo.fit(oo.RL, many_kl, many, groups), oo.fit(oo.RL, many_kl, many)
    for name in ("alpha", "beta", "peak", "height"):
        assert getattr(grouped, name) == pytest.approx(getattr(one, name))
        assert np.subtract(*getattr(grouped, name)[2:0:-1]) > 1.5 * np.subtract(*getattr(naive, name)[2:0:-1])


def test_clustered_intervals_hold_the_truth_as_often_as_they_say():
    """Prompts of one question share most of their noise; questions have 1 to 8 prompts. Taken for independent, the
    intervals would hold the truth in fewer than 0.8 of the draws."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(80), rng.permutation(np.arange(80) % 8 + 1))
    means = np.array([0.0, 1.0, 0.4])[:, None]
    held, naive = np.zeros(2), 0
    for seed in range(200):
        shared = rng.normal(0, 1, (3, 80))[:, groups]
        values = means + shared + rng.normal(0, 0.4, shared.shape)
        drop = oo.fall(values, groups).drop
        measured = oo.fall(values, groups).measured
        alone = stats.mean((values[1] - values[2])[measured])
        held[0] += drop.low <= 0.6 <= drop.high
        naive += alone.low <= 0.6 <= alone.high
        kl = np.array([0.0, 0.5, 1.0, 4.0])[:, None] * np.ones(len(groups))
        change = oo.BEST_OF_N(np.sqrt(kl[:, :1]), 1.0, 0.4) + rng.normal(0, 0.5, (4, 80))[:, groups]
        peak = oo.fit(oo.BEST_OF_N, kl, change, groups, resamples=200, seed=seed).peak
        held[1] += peak.low <= 1.25 <= peak.high
    assert (held / 200 >= 0.91).all()
    assert naive / 200 < 0.8


@pytest.mark.parametrize(("alpha", "beta", "beyond"), [(1.0, 0.2, False), (2.0, 0.2, True), (1.0, -0.1, False)])
def test_a_peak_past_the_furthest_point_is_extrapolated(alpha, beta, beyond):
    """Best-of-n peaks at alpha / 2 beta = 2.5, 5, or nowhere; the furthest point lies at sqrt(8)."""
    found = oo.fit(oo.BEST_OF_N, *exact(oo.BEST_OF_N, alpha, beta), resamples=50)
    assert found.reach == pytest.approx(np.sqrt(8))
    assert found.extrapolated == beyond


def test_prompts_of_one_question_tell_nothing_of_chance():
    with pytest.raises(ValueError, match="all prompts are of one group"):
        oo.fit(oo.RL, *exact(oo.RL, 1.0, 1.0), groups=["q"] * 6)
    with pytest.raises(ValueError, match="no number without data"):
        oo.fall(np.ones((2, 3)), ["q"] * 3)


def test_no_fall_without_prompts_to_measure_it_on():
    with pytest.raises(ValueError, match="no number without data"):
        oo.fall(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="not finite"):
        oo.fall(np.array([[0.0, np.nan], [0.0, 1.0]]))


@pytest.mark.parametrize(
    ("form", "alpha", "beta", "peak", "height"),
    [
        (oo.BEST_OF_N, 2.0, 0.5, 2.0, 2.0),
        (oo.BEST_OF_N, -1.0, 0.5, 0.0, 0.0),
        (oo.RL, 1.0, 1.0, 1.0, 1.0),
        (oo.RL, 0.0, 1.0, np.exp(-1), np.exp(-1)),
        (oo.BEST_OF_N, 2.0, -0.1, np.inf, np.inf),
        (oo.RL, 2.0, 0.0, np.inf, np.inf),
    ],
)
def test_peaks_by_hand(form, alpha, beta, peak, height):
    found = form.peak(np.array([alpha]), np.array([beta]))
    assert [float(x[0]) for x in found] == pytest.approx([peak, height])


@FORMS
def test_no_point_lies_above_the_peak(form):
    d, alpha, beta = np.linspace(0, 5, 501), 0.7, 0.4
    peak, height = (float(x[0]) for x in form.peak(np.array([alpha]), np.array([beta])))
    values = form(d, alpha, beta)
    assert values[0] == 0
    assert values.max() == pytest.approx(height, abs=1e-4)
    assert d[values.argmax()] == pytest.approx(peak, abs=0.01)


def test_least_squares_by_hand():
    """d = 1, 2, 3 and y = 1, 2, 0: normal equations [[14, -36], [-36, 98]] (a, b) = (5, -9), so 166/76 and 54/76."""
    kl = np.repeat(np.array([[0.0], [1], [4], [9]]), 3, 1)
    values = np.repeat(np.array([[5.0], [6], [7], [5]]), 3, 1)
    found = oo.fit(oo.BEST_OF_N, kl, values)
    assert (found.alpha.value, found.beta.value) == pytest.approx((166 / 76, 54 / 76))
    assert (found.peak.value, found.height.value) == pytest.approx((166 / 108, 166 / 76 * 83 / 108))
    assert found.r_squared == pytest.approx(1 - 0.4736842 / 2)
    assert (found.points, found.alpha.n) == (3, 3)


@FORMS
@settings(max_examples=50, deadline=None)
@given(alpha=st.floats(-2, 2), beta=st.floats(-2, 2).filter(lambda b: abs(b) > 0.05))
def test_without_noise_the_form_is_found_again(form, alpha, beta):
    found = oo.fit(form, *exact(form, alpha, beta), resamples=50)
    for estimate, true in ((found.alpha, alpha), (found.beta, beta)):
        assert list(estimate[:3]) == pytest.approx([true] * 3, abs=1e-7)
    assert found.r_squared == pytest.approx(1)
    assert np.isinf(found.peak.value) == (beta < 0)


@FORMS
@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), shift=st.floats(-5, 5), seed=st.integers(0, 1000))
def test_another_unit_of_reward_changes_heights_and_not_distances(form, scale, shift, seed):
    kl, values = noisy(np.random.default_rng(seed), form, 0.5, 0.4, 40)
    one, two = (oo.fit(form, kl, v, resamples=100) for v in (values, scale * values + shift))
    for name in ("alpha", "beta", "height"):
        assert np.array(getattr(two, name)[:3]) == pytest.approx(scale * np.array(getattr(one, name)[:3]), rel=1e-6)
    assert list(two.peak) == pytest.approx(list(one.peak), rel=1e-6)
    assert two.r_squared == pytest.approx(one.r_squared, abs=1e-7)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_another_unit_of_distance_moves_the_peak_with_it(scale, seed):
    kl, values = noisy(np.random.default_rng(seed), oo.BEST_OF_N, 0.5, 0.2, 40)
    one, two = (oo.fit(oo.BEST_OF_N, k, values, resamples=100) for k in (kl, scale**2 * kl))
    assert two.peak.value == pytest.approx(scale * one.peak.value, rel=1e-6)
    assert two.alpha.value == pytest.approx(one.alpha.value / scale, rel=1e-6)


def test_a_point_with_a_large_error_counts_for_little():
    rng = np.random.default_rng(0)
    kl, values = exact(oo.BEST_OF_N, 1.0, 0.2, prompts=200)
    values = values + rng.normal(0, 0.05, values.shape)
    values[-1] += 1 + rng.normal(0, 5, values.shape[1])
    found = oo.fit(oo.BEST_OF_N, kl, values)
    assert found.alpha.value == pytest.approx(1, abs=0.05)
    assert found.beta.value == pytest.approx(0.2, abs=0.05)


@FORMS
def test_intervals_hold_the_truth_as_often_as_they_say(form):
    truth = [float(x[0]) for x in form.peak(np.array([0.5]), np.array([0.3]))]
    held = np.zeros(2)
    for seed in range(80):
        found = oo.fit(form, *noisy(np.random.default_rng(seed), form, 0.5, 0.3, 200), resamples=300)
        held += [e.low <= t <= e.high for e, t in zip((found.peak, found.height), truth, strict=True)]
    assert (held / 80 >= 0.88).all()


def test_a_thousand_resamples_take_no_time():
    kl, values = noisy(np.random.default_rng(0), oo.RL, 0.5, 0.3, 400)
    begin = time.perf_counter()
    oo.fit(oo.RL, kl, values)
    assert time.perf_counter() - begin < 0.5


def test_the_same_seed_gives_the_same_intervals():
    kl, values = noisy(np.random.default_rng(0), oo.RL, 0.5, 0.3, 30)
    assert oo.fit(oo.RL, kl, values, seed=1) == oo.fit(oo.RL, kl, values, seed=1)
    assert oo.fit(oo.RL, kl, values, seed=1) != oo.fit(oo.RL, kl, values, seed=2)


@pytest.mark.parametrize(
    ("kl", "said"),
    [
        ([0.0, 1.0, 2.0], "2 points beside the reference are too few"),
        ([0.0, 0.0, -0.1, 0.0, 0.0], "0 points beside the reference"),
        ([3.0, 1.0, 2.0, 4.0], "the first point has left the reference: its KL is 3 nats"),
        ([0.0, 2.0, 2.0, 2.0], "at one distance"),
    ],
)
def test_points_that_tell_nothing_of_a_form_are_refused(kl, said):
    kl = np.repeat(np.array(kl)[:, None], 5, 1)
    with pytest.raises(ValueError, match=said):
        oo.fit(oo.RL, kl, kl)


@pytest.mark.parametrize("shapes", [((4, 5), (4, 6)), ((4, 1), (4, 1)), ((4,), (4,))])
def test_arrays_that_are_no_curve_are_refused(shapes):
    with pytest.raises(ValueError, match="no curve"):
        oo.fit(oo.RL, *(np.zeros(shape) for shape in shapes))
