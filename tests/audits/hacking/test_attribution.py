import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.audits.hacking.attribution import GAUGE, PROXY, Attribution


def made(n=60, seed=0, kinds=("a",), slope=(2.0, -1.0), rise=1.0, probes=2, noise=0.0):
    """One feature that rises by about `rise`; proxy and gauge are lines of it, plus what a prompt and a probe give."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(probes, n, 1)) + np.linspace(0, rise, probes)[:, None, None]
    own, gained = rng.normal(size=(1, n, 1)), np.linspace(0, 3, probes)[:, None, None]
    y = np.asarray(slope) * x + own + gained + noise * rng.normal(size=(probes, n, 2))
    return x, y, [str(i) for i in range(n)], [kinds[i % len(kinds)] for i in range(n)]


@pytest.mark.parametrize("probes", [2, 4])
def test_the_slope_is_found_whatever_prompts_and_probes_give(probes):
    x, y, prompts, kinds = made(probes=probes)
    apart = Attribution(x, y, prompts, kinds)
    came = np.array([2.0, -1.0]) * (x[-1] - x[0]).mean() / y[0].std(axis=0)
    assert apart.by_kind()[0, 0] == pytest.approx(came, rel=1e-5)
    assert apart.whole(np.ones(60), 0, PROXY) == pytest.approx(came[PROXY], rel=1e-5)
    gain = (y[-1] - y[0]).mean(axis=0) / y[0].std(axis=0)
    assert apart.share(np.ones(60), 0, PROXY) == pytest.approx(came[PROXY] / gain[PROXY], rel=1e-5)


@given(st.lists(st.integers(0, 3), min_size=60, max_size=60).filter(lambda c: sum(map(bool, c)) > 8))
@settings(max_examples=20)
def test_counts_are_repeated_rows(counts):
    x, y, prompts, kinds = made(noise=0.5)
    chosen = np.repeat(np.arange(60), counts)
    weighted = Attribution(x, y, prompts, kinds)
    repeated = Attribution(x[:, chosen], y[:, chosen], [prompts[i] for i in chosen], [kinds[i] for i in chosen])
    scale = y[0].std(axis=0) / y[0, chosen].std(axis=0)
    found = weighted.explained(np.array([counts], dtype=np.float64))[0]
    assert found * scale == pytest.approx(repeated.explained(np.ones((1, len(chosen))))[0], rel=1e-4, abs=1e-6)


def test_a_feature_that_goes_along_earns_nothing():
    """Two features rise together prompt by prompt, in part; only the first one pays."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(2, 200, 1)) + np.array([0.0, 1.0])[:, None, None]
    second = first + rng.normal(size=(2, 200, 1))
    y = np.concatenate([first, -first], axis=2)
    apart = Attribution(np.concatenate([first, second], axis=2), y, [str(i) for i in range(200)], ["a"] * 200)
    found = apart.by_kind()[0]
    assert found[1] == pytest.approx([0, 0], abs=1e-6)
    assert found[0, PROXY] > 0.8


def test_where_lost_takes_the_kinds_that_lost():
    """On one kind intent loses by the feature, on the other it gains as much; the proxy is paid 2 and 5."""
    x, y, prompts, kinds = made(n=80, kinds=("loses", "gains"))
    gains = np.array(kinds) == "gains"
    y[:, gains] += x[:, gains] * np.array([3.0, 2.0])
    apart = Attribution(x, y, prompts, kinds)
    proxy, gauge = apart.where_lost(np.ones(80), 0)
    by_kind = apart.by_kind()[apart.kinds.index("loses"), 0]
    assert proxy == pytest.approx(by_kind[PROXY], rel=0.2)
    assert gauge == pytest.approx(by_kind[GAUGE], rel=0.2)
    assert gauge < 0 < proxy


def test_where_nothing_is_lost():
    x, y, prompts, kinds = made(slope=(2.0, 1.0))
    with pytest.raises(ValueError, match="no kind"):
        Attribution(x, y, prompts, kinds).where_lost(np.ones(60), 0)


def test_small_kinds_are_taken_together():
    x, y, prompts, _ = made(n=60)
    kinds = ["big"] * 40 + ["one"] * 10 + ["two"] * 10
    assert Attribution(x, y, prompts, kinds).kinds == ["big", "other"]


def test_equal_prompts_lie_on_one_side():
    x, y, _, kinds = made(n=60)
    prompts = [str(i // 2) for i in range(60)]
    sides = Attribution(x, y, prompts, kinds)._sides
    assert (sides[:, ::2] == sides[:, 1::2]).all()
    assert (sides.reshape(4, 2, 1, 60).sum(axis=1) == 1).all()


def test_each_prompt_s_change_is_that_from_its_own_start_on():
    """Slopes come from every probe; of the odd prompts the change from probe 1 counts, of the others from probe 0."""
    x, y, prompts, kinds = made(probes=3)
    starts = np.arange(60) % 2
    apart = Attribution(x, y, prompts, kinds, starts)
    sd, change = y[0].std(axis=0), x[2] - np.where(starts[:, None] == 1, x[1], x[0])
    came = np.array([2.0, -1.0]) * change.mean() / sd
    assert apart.by_kind()[0, 0] == pytest.approx(came, rel=1e-5)
    assert apart.whole(np.ones(60), 0, GAUGE) == pytest.approx(came[GAUGE], rel=1e-5)
    gain = (y[2] - np.where(starts[:, None] == 1, y[1], y[0])).mean(axis=0) / sd
    assert apart.share(np.ones(60), 0, PROXY) == pytest.approx(came[PROXY] / gain[PROXY], rel=1e-5)


def test_duplicates_of_prompts_tell_no_more_than_the_prompts():
    x, y, prompts, kinds = made(noise=1.0)
    once = Attribution(x, y, prompts, kinds)
    thrice = [np.repeat(values, 3, axis=1) for values in (x, y)]
    many = Attribution(*thrice, np.repeat(prompts, 3).tolist(), kinds * 3)
    widths = [
        np.subtract(*apart.bootstrapped(lambda counts, apart=apart: apart.whole(counts, 0, PROXY), 200)[2:0:-1])
        for apart in (once, many)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_share_by_levels_by_hand():
    """A yes or no: 1 of 4 before, 3 of 4 after; y is 10 times it, and every response gains 2 besides: 5 of 7."""
    x = np.array([[0, 0, 0, 1] * 5, [0, 1, 1, 1] * 5], dtype=np.float64)[:, :, None]
    y = np.concatenate([10 * x + np.array([0, 2])[:, None, None]] * 2, axis=2)
    apart = Attribution(x, y, [str(i) for i in range(20)], ["a"] * 20)
    assert apart.share_by_levels(np.ones(20), 0, PROXY) == pytest.approx(5 / 7)


def test_no_level_in_common():
    x = np.array([[0.0] * 20, [1.0] * 20])[:, :, None]
    y = np.random.default_rng(0).normal(size=(2, 20, 2))
    with pytest.raises(ValueError, match="no level"):
        Attribution(x, y, [str(i) for i in range(20)], ["a"] * 20).share_by_levels(np.ones(20), 0, PROXY)


def test_intervals_hold_the_truth():
    """In 40 draws the 95% interval of what came by the feature holds the true 2 x 1 about as often as it says."""
    held = 0
    for seed in range(40):
        apart = Attribution(*made(n=80, seed=seed, noise=1.0))
        scale = made(n=80, seed=seed, noise=1.0)[1][0, :, PROXY].std()
        found = apart.bootstrapped(lambda counts, apart=apart: apart.whole(counts, 0, PROXY), 100)
        held += found.low * scale <= 2.0 <= found.high * scale
    assert held >= 34
