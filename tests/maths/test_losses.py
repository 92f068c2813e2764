import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths.losses import bradley_terry, negative_log_likelihood, ppo_policy, ppo_value

one = torch.tensor


def test_nll_divides_by_the_steps_count():
    """Three tokens at -1, -2, -3 nats in a step of 12 learnt tokens: 6 / 12."""
    loss, metrics = negative_log_likelihood(one([-1.0, -2.0, -3.0]), 12)
    assert float(loss) == metrics["loss"] == 0.5


def test_bradley_terry_by_hand():
    """d = 2 - 1 = 1: -log sigma(1) = 0.3132617; with p = 0.75: 0.75 * 0.3132617 + 0.25 * 1.3132617 = 0.5632617."""
    hard, metrics = bradley_terry(one([2.0]), one([1.0]), one([1.0]))
    soft, _ = bradley_terry(one([2.0]), one([1.0]), one([0.75]))
    assert float(hard) == pytest.approx(0.3132617)
    assert float(soft) == pytest.approx(0.5632617)
    assert metrics["accuracy"] == 1


def test_equal_scores_give_log_two():
    loss, _ = bradley_terry(torch.zeros(5), torch.zeros(5), torch.rand(5))
    assert float(loss) == pytest.approx(math.log(2))


def test_margin_by_hand():
    """d = 2, margin 1 on the preferred side: -log sigma(1); the rejected side mirrored; a tie has no margin."""
    for first, second, p in ((2.0, 0.0, 1.0), (0.0, 2.0, 0.0)):
        loss, _ = bradley_terry(one([first]), one([second]), one([p]), margin=one([1.0]))
        assert float(loss) == pytest.approx(0.3132617)
    tie, _ = bradley_terry(one([2.0]), one([0.0]), one([0.5]), margin=one([1.0]))
    assert float(tie) == pytest.approx(0.5 * 0.1269280 + 0.5 * 2.1269280)


def test_centring_by_hand():
    """(1 + 2)^2 * 0.1 = 0.9 on top of -log sigma(-1) = 1.3132617."""
    loss, _ = bradley_terry(one([1.0]), one([2.0]), one([1.0]), centring=0.1)
    assert float(loss) == pytest.approx(2.2132617)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-5, 5))
def test_bradley_terry_is_shift_invariant_and_symmetric_under_swap(seed, shift):
    g = torch.Generator().manual_seed(seed)
    first, second, p = (torch.randn(6, generator=g) for _ in range(2)), None, torch.rand(6, generator=g)
    first, second = first
    loss, _ = bradley_terry(first, second, p)
    shifted, _ = bradley_terry(first + shift, second + shift, p)
    swapped, _ = bradley_terry(second, first, 1 - p)
    assert float(shifted) == pytest.approx(float(loss), abs=1e-5)
    assert float(swapped) == pytest.approx(float(loss), abs=1e-5)


def test_policy_loss_clips_only_where_that_is_worse():
    """Ratio 1.5, clip 0.2: A = 1 takes -1.2 (clipped), A = -1 takes 1.5 (not clipped): mean 0.15."""
    logp = torch.log(one([[1.5, 1.5]]))
    mask = torch.ones(1, 2, dtype=torch.bool)
    loss, metrics = ppo_policy(logp, torch.zeros(1, 2), one([[1.0, -1.0]]), mask, 0.2)
    assert float(loss) == pytest.approx((-1.2 + 1.5) / 2)
    assert metrics["clip_fraction"] == 1


def test_policy_gradient_at_ratio_one_is_the_advantage():
    logp = torch.zeros(1, 3, requires_grad=True)
    advantages = one([[0.5, -2.0, 7.0]])
    mask = one([[True, True, False]])
    ppo_policy(logp, torch.zeros(1, 3), advantages, mask)[0].backward()
    torch.testing.assert_close(logp.grad, one([[-0.25, 1.0, 0.0]]))


def test_value_loss_by_hand():
    """V = 2, old 1, return 1: clipped V = 1.2; the larger of 1 and 0.04, halved: 0.5."""
    mask = torch.ones(1, 1, dtype=torch.bool)
    loss, _ = ppo_value(one([[2.0]]), one([[1.0]]), one([[1.0]]), mask, 0.2)
    assert float(loss) == 0.5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 7))
def test_losses_add_up_over_any_cut(seed, cut):
    g = torch.Generator().manual_seed(seed)
    a, b, c = (torch.randn(8, 3, generator=g) for _ in range(3))
    mask = torch.rand(8, 3, generator=g) > 0.3
    mask[:, 0] = True
    n = int(mask.sum())
    for loss in (ppo_policy, ppo_value):
        whole = loss(a, b, c, mask, 0.2, n)[0]
        parts = sum(loss(a[s], b[s], c[s], mask[s], 0.2, n)[0] for s in (slice(cut), slice(cut, None)))
        torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-5)
