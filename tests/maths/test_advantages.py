import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.maths.advantages import at_end, gae, grpo, rloo, shaped_rewards


def random_rows(seed, b=3, t=6):
    g = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 3, (b,), generator=g)
    ends = torch.randint(3, t + 1, (b,), generator=g)
    positions = torch.arange(t)
    mask = (positions >= starts[:, None]) & (positions < ends[:, None])
    return torch.randn(b, t, generator=g), torch.randn(b, t, generator=g), mask


def test_kl_is_paid_per_token_and_the_score_once_at_the_end():
    """beta = 0.5, log-ratios (0.2, -0.4) give -0.1 and +0.2; the score 3 joins the last: 3.2."""
    logp, ref = torch.tensor([[-1.0, -1.4, -9.0]]), torch.tensor([[-1.2, -1.0, -1.0]])
    mask = torch.tensor([[True, True, False]])
    found = shaped_rewards(at_end(torch.tensor([3.0]), mask)[0], logp, ref, mask, 0.5)
    torch.testing.assert_close(found, torch.tensor([[-0.1, 3.2, 0.0]]))


def test_gae_by_hand():
    """gamma 1, lambda 1/2, r = (0, 2), V = (1, 3): delta_2 = 2 - 3 = -1; delta_1 = 3 - 1 = 2; A_1 = 2 - 1/2."""
    advantages, returns = gae(
        torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 3.0]]), torch.tensor([[True, True]]), 1.0, 0.5
    )
    torch.testing.assert_close(advantages, torch.tensor([[1.5, -1.0]]))
    torch.testing.assert_close(returns, torch.tensor([[2.5, 2.0]]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.floats(0.1, 1.0))
def test_lambda_one_gives_discounted_return_minus_value(seed, gamma):
    rewards, values, mask = random_rows(seed)
    advantages, returns = gae(rewards, values, mask, gamma, 1.0)
    for b in range(len(rewards)):
        total = 0.0
        for t in reversed(range(rewards.shape[1])):
            total = float(rewards[b, t]) + gamma * total if mask[b, t] else 0.0
            expected = total - float(values[b, t]) if mask[b, t] else 0.0
            assert float(advantages[b, t]) == pytest.approx(expected, abs=1e-4)
            assert float(returns[b, t]) == pytest.approx(total, abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_lies_outside_the_mask_changes_nothing(seed):
    rewards, values, mask = random_rows(seed)
    noise = torch.where(mask, 0.0, 100.0)
    for clean, noisy in zip(gae(rewards, values, mask), gae(rewards + noise, values - noise, mask), strict=True):
        torch.testing.assert_close(clean, noisy)


def test_rloo_by_hand():
    """Returns (1, 2, 6): each minus the mean of the other two: 1 - 4, 2 - 3.5, 6 - 1.5."""
    torch.testing.assert_close(rloo(torch.tensor([[1.0, 2.0, 6.0]])), torch.tensor([[-3.0, -1.5, 4.5]]))


def test_grpo_by_hand():
    """Returns (0, 2): mean 1, sample std sqrt 2: -1/sqrt 2 and 1/sqrt 2."""
    torch.testing.assert_close(
        grpo(torch.tensor([[0.0, 2.0]])), torch.tensor([[-0.7071068, 0.7071068]]), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("estimator", [rloo, grpo])
def test_groups_sum_to_zero_and_don_t_see_a_shift(estimator):
    group = torch.tensor([[0.3, -1.0, 2.0, 0.7]])
    assert float(estimator(group).sum()) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(estimator(group), estimator(group + 5), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("estimator", [rloo, grpo])
def test_a_group_of_one_is_refused(estimator):
    with pytest.raises(ValueError, match="at least 2"):
        estimator(torch.zeros(3, 1))


def test_grpo_of_equals_is_zero():
    assert grpo(torch.full((2, 4), 3.0)).abs().max() == 0


def test_scores_lie_at_the_last_response_token():
    mask = torch.tensor([[True, True, False], [False, True, True]])
    scores, end = at_end(torch.tensor([2.0, -1.0]), mask)
    torch.testing.assert_close(scores, torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, -1.0]]))
    assert torch.equal(end, scores != 0)


def test_myopic_credit_stops_at_a_step_s_end():
    """gamma = lambda = 1, two steps of two tokens, r = (0, 1, 0, 5): the first step's tokens see 1 alone."""
    rewards, values = torch.tensor([[0.0, 1.0, 0.0, 5.0]]), torch.tensor([[0.5, 0.5, 2.0, 2.0]])
    mask, ends = torch.ones(1, 4, dtype=torch.bool), torch.tensor([[False, True, False, True]])
    advantages, returns = gae(rewards, values, mask, 1.0, 1.0, ends)
    torch.testing.assert_close(advantages, torch.tensor([[0.5, 0.5, 3.0, 3.0]]))
    torch.testing.assert_close(returns, torch.tensor([[1.0, 1.0, 5.0, 5.0]]))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_with_one_step_myopic_credit_is_credit(seed):
    rewards, values, mask = random_rows(seed)
    _, end = at_end(torch.zeros(len(mask)), mask)
    for whole, myopic in zip(gae(rewards, values, mask), gae(rewards, values, mask, ends=end), strict=True):
        torch.testing.assert_close(whole, myopic)
