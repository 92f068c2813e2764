import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths.preferences import dpo, hinge, ipo, kto, orpo, robust, simpo

one = torch.tensor
seeds = st.integers(0, 1000)

PAIR_LOSSES = {
    "dpo": lambda first, second, p, count=None: dpo(first, second, p, 0.7, count=count),
    "conservative": lambda first, second, p, count=None: dpo(first, second, p, 0.7, 0.2, count),
    "robust": lambda first, second, p, count=None: robust(first, second, p, 0.7, 0.2, count),
    "ipo": lambda first, second, p, count=None: ipo(first, second, p, 0.7, count),
    "hinge": lambda first, second, p, count=None: hinge(first, second, p, 0.7, count),
    "simpo": lambda first, second, p, count=None: simpo(first, second, p, 0.7, 0.3, count),
    "orpo": lambda first, second, p, count=None: orpo(first, second, p, 0.7, count),
}
every_pair_loss = pytest.mark.parametrize("loss", PAIR_LOSSES.values(), ids=PAIR_LOSSES)


def drawn(seed, n=6):
    """Log-probabilities (below 0) and labels of which some are certain, some soft, one a tie."""
    g = torch.Generator().manual_seed(seed)
    first, second = -3 * torch.rand(2, n, generator=g) - 0.01
    p = torch.rand(n, generator=g)
    p[0], p[1], p[2] = 1, 0, 0.5
    return first, second, p


def test_policy_equal_to_its_reference_gives_log_two():
    loss, metrics = dpo(torch.zeros(5), torch.zeros(5), torch.rand(5), 0.1)
    assert float(loss) == pytest.approx(math.log(2))
    assert metrics["accuracy"] == 0.5
    assert metrics["margin"] == 0


def test_dpo_by_hand():
    """h = 3 - 1 = 2, beta 1/2: -log sigma(1) = 0.3132617; the other way round -log sigma(-1) = 1.3132617."""
    agree, metrics = dpo(one([3.0]), one([1.0]), one([1.0]), 0.5)
    against, _ = dpo(one([3.0]), one([1.0]), one([0.0]), 0.5)
    assert float(agree) == pytest.approx(0.3132617)
    assert float(against) == pytest.approx(1.3132617)
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(
        {"loss": 0.3132617, "accuracy": 1, "margin": 1, "rewards_chosen": 1.5, "rewards_rejected": 0.5}
    )


def test_conservative_dpo_by_hand():
    """Noise 0.1 on a certain label: 0.9 * 0.3132617 + 0.1 * 1.3132617; on p = 0.75 it believes 0.7."""
    certain, _ = dpo(one([2.0]), one([0.0]), one([1.0]), 0.5, 0.1)
    soft, _ = dpo(one([2.0]), one([0.0]), one([0.75]), 0.5, 0.1)
    assert float(certain) == pytest.approx(0.4132617)
    assert float(soft) == pytest.approx(0.7 * 0.3132617 + 0.3 * 1.3132617)


def test_robust_by_hand():
    """Noise 0.1, beta h = 1: (0.9 * 0.3132617 - 0.1 * 1.3132617) / 0.8 = 0.1882617."""
    loss, _ = robust(one([2.0]), one([0.0]), one([1.0]), 0.5, 0.1)
    assert float(loss) == pytest.approx(0.1882617)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, noise=st.floats(0, 0.4))
def test_robust_is_unbiased_under_flipped_labels(seed, noise):
    """Its mean over labels flipped at that rate is the clean loss; at rate 0 it is dpo itself."""
    first, second, p = drawn(seed)
    clean, _ = dpo(first, second, p, 0.7)
    kept, flipped = (float(robust(first, second, q, 0.7, noise)[0]) for q in (p, 1 - p))
    assert (1 - noise) * kept + noise * flipped == pytest.approx(float(clean), rel=1e-4)
    assert float(robust(first, second, p, 0.7, 0.0)[0]) == pytest.approx(float(clean))


def test_ipo_by_hand():
    """beta 1/4: target 2. h = 0.5: (0.5 - 2)^2 = 2.25 for a certain label, 4.25 for a tie."""
    certain, _ = ipo(one([0.75]), one([0.25]), one([1.0]), 0.25)
    tie, _ = ipo(one([0.75]), one([0.25]), one([0.5]), 0.25)
    assert float(certain) == 2.25
    assert float(tie) == (2.25 + 6.25) / 2


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_ipo_is_least_where_the_target_is(p):
    """At h = (2 p - 1) / (2 beta) its gradient is 0."""
    first = one([(2 * p - 1) / (2 * 0.1) + 0.5], requires_grad=True)
    ipo(first, one([0.5]), one([p]), 0.1)[0].backward()
    assert float(first.grad) == pytest.approx(0, abs=1e-6)


def test_hinge_by_hand():
    """beta h = 0.5: 1 - 0.5 on the right side, 1 + 0.5 on the wrong one, nothing beyond the margin."""
    loss, _ = hinge(one([1.0, 1.0, 4.0]), torch.zeros(3), one([1.0, 0.0, 1.0]), 0.5)
    assert float(loss) == pytest.approx((0.5 + 1.5 + 0) / 3)


def test_simpo_by_hand():
    """beta 2, h = 1, target margin 1: -log sigma(2 - 1); with the label turned, -log sigma(-2 - 1)."""
    right, metrics = simpo(one([-1.0]), one([-2.0]), one([1.0]), 2, 1.0)
    wrong, _ = simpo(one([-1.0]), one([-2.0]), one([0.0]), 2, 1.0)
    assert float(right) == pytest.approx(0.3132617)
    assert float(wrong) == pytest.approx(3.0485874)
    assert metrics["margin"] == 2


def test_orpo_by_hand():
    """P = 3/4 against 1/4: odds 3 and 1/3, odds ratio 9: -log(9 / 10), weighted by beta."""
    loss, _ = orpo(one([0.75]).log(), one([0.25]).log(), one([1.0]), 0.5)
    assert float(loss) == pytest.approx(-0.5 * math.log(0.9))


def test_orpo_is_finite_where_a_response_is_certain():
    first = torch.zeros(1, requires_grad=True)
    loss, _ = orpo(first, one([-1.0]), one([1.0]), 1.0)
    loss.backward()
    assert loss.isfinite()
    assert first.grad.isfinite().all()


def test_kto_at_its_baseline_is_one_half():
    loss, metrics = kto(torch.zeros(2), one([True, False]), one(0.0), 0.1)
    assert float(loss) == metrics["accuracy"] == 0.5


def test_kto_by_hand():
    """Both at log-ratio 3, baseline 1, beta 1/2: 1 - sigma(1) = 0.2689414 and 2 (1 - sigma(-1)) = 1.4621172."""
    loss, metrics = kto(one([3.0, 3.0]), one([True, False]), one(1.0), 0.5, 1.0, 2.0)
    assert float(loss) == pytest.approx((0.2689414 + 1.4621172) / 2)
    assert metrics["accuracy"] == 0.5
    assert metrics["margin"] == 0


def test_no_gradient_reaches_ktos_baseline():
    baseline, ratio = one(0.5, requires_grad=True), torch.zeros(2, requires_grad=True)
    kto(ratio, one([True, False]), baseline, 0.1)[0].backward()
    assert baseline.grad is None


@every_pair_loss
@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_the_order_within_a_pair_is_immaterial(loss, seed):
    first, second, p = drawn(seed)
    value, metrics = loss(first, second, p)
    swapped, swapped_metrics = loss(second, first, 1 - p)
    torch.testing.assert_close(swapped, value, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(swapped_metrics, metrics, atol=1e-5, rtol=1e-5)


@every_pair_loss
@settings(max_examples=20, deadline=None)
@given(seed=seeds, cut=st.integers(1, 5))
def test_shares_of_micro_batches_add_up(loss, seed, cut):
    first, second, p = drawn(seed)
    value, metrics = loss(first, second, p)
    parts = [loss(first[s], second[s], p[s], 6) for s in (slice(cut), slice(cut, None))]
    torch.testing.assert_close(sum(part for part, _ in parts), value, atol=1e-5, rtol=1e-5)
    for name in metrics:
        torch.testing.assert_close(sum(m[name] for _, m in parts), metrics[name], atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, cut=st.integers(1, 5))
def test_shares_of_kto_add_up(seed, cut):
    ratio, _, p = drawn(seed)
    value, metrics = kto(ratio, p > 0.5, one(0.2), 0.7, 1.5, 0.5)
    parts = [kto(ratio[s], p[s] > 0.5, one(0.2), 0.7, 1.5, 0.5, 6) for s in (slice(cut), slice(cut, None))]
    torch.testing.assert_close(sum(part for part, _ in parts), value)
    for name in metrics:
        torch.testing.assert_close(sum(m[name] for _, m in parts), metrics[name])


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_gradient_of_dpo(seed):
    """d loss / d first = -beta sigma(-beta h) / n for a certain label, and its opposite for the second."""
    first, second, _ = drawn(seed)
    first.requires_grad_(), second.requires_grad_()
    dpo(first, second, torch.ones(6), 0.7)[0].backward()
    expected = -0.7 * F.sigmoid(-0.7 * (first - second)).detach() / 6
    torch.testing.assert_close(first.grad, expected)
    torch.testing.assert_close(second.grad, -expected)


def test_a_tie_pulls_equal_responses_nowhere():
    first = torch.zeros(3, requires_grad=True)
    dpo(first, torch.zeros(3), torch.full((3,), 0.5), 0.1)[0].backward()
    assert first.grad.abs().max() == 0


def test_metrics_of_a_tie():
    """Half right, no margin, and both sides get the mean of 2 and 0, times beta."""
    _, metrics = dpo(one([2.0]), one([0.0]), one([0.5]), 0.5)
    found = {name: float(value) for name, value in metrics.items() if name != "loss"}
    assert found == {"accuracy": 0.5, "margin": 0, "rewards_chosen": 0.5, "rewards_rejected": 0.5}


@every_pair_loss
def test_no_pairs_is_an_error(loss):
    with pytest.raises(ValueError, match="nothing to learn from"):
        loss(torch.zeros(0), torch.zeros(0), torch.zeros(0))


@pytest.mark.parametrize("loss", [dpo, ipo, hinge])
@pytest.mark.parametrize("beta", [0, -0.1])
def test_beta_is_above_zero(loss, beta):
    with pytest.raises(ValueError, match="beta is"):
        loss(torch.zeros(1), torch.zeros(1), torch.ones(1), beta)
    with pytest.raises(ValueError, match="beta is"):
        kto(torch.zeros(1), one([True]), one(0.0), beta)


@pytest.mark.parametrize("noise", [-0.1, 0.5])
def test_label_noise_is_below_one_half(noise):
    for loss in (dpo, robust):
        with pytest.raises(ValueError, match="label_noise is"):
            loss(torch.zeros(1), torch.zeros(1), torch.ones(1), 0.1, noise)


def test_shapes_that_differ_are_an_error():
    """Even where nothing else checks them: (B,) against (1,) would broadcast."""
    with pytest.raises(ValueError, match="shapes are"):
        inspect.unwrap(dpo)(torch.zeros(2), torch.zeros(2), torch.ones(1), 0.1)
    with pytest.raises(ValueError, match="shapes are"):
        inspect.unwrap(kto)(torch.zeros(2), one([True]), one(0.0), 0.1)
