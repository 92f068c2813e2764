"""Exponents are what a power law was made with."""

from dataclasses import replace

import numpy as np
import pytest


@pytest.mark.parametrize(("exponent", "factor"), [(-2.0, 1e3), (0.1, 0.1), (0.7, 1.0), (1.0, 1e-3), (3.0, 5.0)])
def test_the_exponent_of_a_power_law_is_found(bench, exponent, factor):
    x = [4, 8, 16, 64]
    found = bench["scaling"].fit(x, [factor * value**exponent for value in x])
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.low <= found.exponent <= found.high
    assert found.high - found.low < 1e-4
    assert found.n == 4


def test_the_interval_holds_the_exponent_nineteen_times_in_twenty(bench):
    rng, x = np.random.default_rng(0), [4, 8, 16, 32, 64]
    fits = [bench["scaling"].fit(x, 0.1 * np.array(x) ** 0.7 * np.exp(0.1 * rng.normal(size=5))) for _ in range(400)]
    assert 0.92 <= np.mean([found.low <= 0.7 <= found.high for found in fits]) <= 0.98


def test_two_points_leave_no_interval(bench):
    with pytest.raises(ValueError, match="2 points leave no interval"):
        bench["scaling"].fit([1, 2], [1, 2])


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_point_is_measured_and_a_line_told(bench, method):
    scaling = bench["scaling"]
    base = scaling.Point(batch=2, length=8, hidden=32, layers=1, vocabulary=64)
    assert scaling.seconds(method, base, 2).n == 2
    grid = scaling.points("batch", base, quick=True)
    assert [point.value("batch") for point in grid] == list(scaling.GRIDS["batch"][:-1])
    assert replace(base, hidden=64).value("model") == 4 * 64**2 + 3 * 64 * 170
