"""Trends and thresholds: known curves are found, shares come out by hand, and units don't matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths import emergence
from gyrocompass.maths.stats import Estimate

SIZES = (2.0 ** np.arange(10, 16)).tolist()
ALONG = np.arange(6.0) / 5


def noisy(curve, seeds=4, noise=0.01, seed=0):
    return np.asarray(curve)[:, None] + np.random.default_rng(seed).normal(0, noise, (len(curve), seeds))


def likeliest(values, sizes=SIZES):
    return min(emergence.fits(sizes, values), key=lambda fit: fit.aicc)


def test_each_family_is_found_where_it_made_the_values():
    x = np.arange(6.0)
    made = {
        "line": ALONG,
        "power law": 2 ** (0.5 * x),
        "step": (x > 2.5).astype(float),
        "logistic": 1 / (1 + np.exp(-(x - 2.4) / 0.5)),
        "broken line": np.maximum(0, x - 3),
    }
    for family, curve in made.items():
        assert likeliest(noisy(curve, seed=1)).family == family


def test_the_steepest_window_s_share_by_hand():
    """Of a line over five doublings one holds a fifth. Of size itself, 2^x from 1 to 32, the last doubling holds
    16 / 31. Of a step all; of a line broken at 3 of 5 doublings one of the two that rise."""
    x = np.arange(6.0)
    curves = {"line": ALONG, "size": 2**x, "step": (x > 2.5).astype(float), "broken": np.maximum(0, x - 3)}
    shares = {
        name: {fit.family: fit for fit in emergence.fits(SIZES, noisy(curve, noise=1e-4))}
        for name, curve in curves.items()
    }
    assert shares["line"]["line"].share == pytest.approx(0.2)
    assert shares["size"]["power law"].share == pytest.approx(16 / 31, abs=0.01)
    assert shares["step"]["step"].share == 1.0
    assert shares["step"]["step"].at == pytest.approx(2**12.5, rel=0.02)
    assert shares["broken"]["broken line"].share == pytest.approx(0.5, abs=0.02)


def test_aicc_by_hand():
    """A line through (0, 1, 2, 3) with seeds one above and one below it by 0.1 leaves RSS = 8 x 0.01, N = 8, k = 3."""
    values = np.arange(4.0)[:, None] + np.array([0.1, -0.1])
    line = emergence.fits(SIZES[:4], values)[0]
    assert line.aicc == pytest.approx(8 * np.log(0.01) + 6 + 24 / 4)


def test_weights_add_up_and_curves_span_the_sizes():
    found = emergence.fits(SIZES, noisy(ALONG, noise=0.1))
    assert sum(fit.weight for fit in found) == pytest.approx(1)
    for fit in found:
        assert [fit.curve[0][0], fit.curve[-1][0]] == pytest.approx([SIZES[0], SIZES[-1]])


def test_a_jump_is_above_a_trend_and_its_place_is_found():
    x = np.arange(6.0)
    values = noisy(1 / (1 + np.exp(-(x - 2.5) / 0.1)), noise=0.03)
    found = emergence.excess(SIZES, values)
    assert found.low > 0.6
    assert found.n == 4
    place = emergence.place(SIZES, values)
    assert place.low <= 2**12 < place.value < 2**13 <= place.high
    assert emergence.excess(SIZES, noisy(ALONG, noise=0.03)).high < 0.1


def test_what_one_metric_adds_is_the_difference_of_the_excesses_on_the_same_seeds():
    """The same metric adds nothing, on any resample; the other way round the interval is the same with its ends turned.
    Two metrics that err alike seed by seed differ for certain, though their own intervals overlap."""
    x = np.arange(6.0)
    place = 2.5 + np.random.default_rng(1).normal(0, 0.4, 6)
    sharp, blunt = (1 / (1 + np.exp(-(x[:, None] - place) / width)) for width in (0.1, 0.6))
    assert emergence.added(SIZES, sharp, to=-3 * sharp) == pytest.approx((0, 0, 0, 6), abs=1e-9)
    one, other = emergence.added(SIZES, sharp, to=blunt), emergence.added(SIZES, blunt, to=sharp)
    assert one[:3] == pytest.approx((-other.value, -other.high, -other.low), abs=0.02)
    alone = [emergence.excess(SIZES, values) for values in (sharp, blunt)]
    assert one.value == pytest.approx(alone[0].value - alone[1].value)
    assert one.low > 0


@pytest.mark.parametrize("exponent", [-1.0, -0.4, -0.1, 0.1, 0.4, 1.0])
def test_a_power_law_however_bent_is_no_jump(exponent):
    curve = 2 ** (exponent * np.arange(6.0))
    assert emergence.excess(SIZES, noisy(curve / np.ptp(curve), noise=0.02)).high < 0.2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100), level=st.floats(-100, 100), sign=st.sampled_from([-1, 1]),
       unit=st.floats(0.1, 1000))  # fmt: skip
def test_units_and_direction_don_t_matter(seed, scale, level, sign, unit):
    values = noisy(np.random.default_rng(seed).random(6).cumsum(), noise=0.1, seed=seed)
    found = emergence.jump(SIZES, values)
    other = emergence.jump([unit * size for size in SIZES], level + sign * scale * values)
    assert other.excess == pytest.approx(found.excess, abs=1e-4)
    assert other.at == pytest.approx(unit * found.at, rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_the_order_of_seeds_doesn_t_matter_to_the_fits(seed, order):
    values = noisy(ALONG, noise=0.2, seed=seed)
    assert emergence.jump(SIZES, values[:, order]).excess == pytest.approx(emergence.jump(SIZES, values).excess)


def test_the_window_is_one_doubling_or_the_widest_gap():
    assert emergence.window([1.0, 2.0, 4.0]) == 1.0
    assert emergence.window([1.0, 2.0, 16.0]) == 3.0
    assert emergence.window([4.0, 5.0, 6.0]) == 1.0
    assert emergence.span([2.0, 4.0, 16.0]) == 3.0


def test_the_change_is_that_along_each_seed_s_line():
    values = np.stack([ALONG, 3 * ALONG], axis=1)
    assert emergence.change(SIZES, values) == pytest.approx(Estimate(2.0, 2 - 12.7062, 2 + 12.7062, 2), abs=1e-3)


@pytest.mark.parametrize(
    ("sizes", "values", "says"),
    [
        (SIZES[:3], noisy(ALONG[:3]), "at least 4"),
        ([4.0, 2.0, 8.0, 16.0], noisy(ALONG[:4]), "increasing"),
        (SIZES, noisy(ALONG)[:5], "shape"),
        (SIZES, np.full((6, 3), np.nan), "finite"),
        (SIZES[:4], noisy(ALONG[:4], seeds=1), "too few"),
        (SIZES, np.ones((6, 3)), "don't change"),
    ],
)
def test_what_can_t_be_fitted_is_refused(sizes, values, says):
    with pytest.raises(ValueError, match=says):
        emergence.excess(sizes, values)


def test_one_seed_has_no_interval():
    sizes = (2.0 ** np.arange(10, 18)).tolist()
    with pytest.raises(ValueError, match="one seed"):
        emergence.excess(sizes, np.arange(8.0)[:, None])
