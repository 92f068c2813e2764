"""The constrained score: the multiplier by hand, and a policy that is held where it is told to be."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.config import PPO, Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.files import read_jsonl
from gyrocompass.learn import loop
from gyrocompass.learn.constraint import MOST_LOGIT, adapted, multiplier
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.records import user
from gyrocompass.run import Run

PROMPTS = [user(f"say {i}") for i in range(12)]


def test_the_multiplier_is_a_half_at_the_start_and_odds_after():
    """Three units above the threshold at rate 1/2: the logit falls by 1.5, the odds by e^1.5."""
    assert multiplier(0.0) == 0.5
    logit = adapted(0.0, 4.0, 1.0, 0.5)
    assert logit == -1.5
    assert multiplier(logit) / (1 - multiplier(logit)) == pytest.approx(np.exp(-1.5))


@given(st.floats(-MOST_LOGIT, MOST_LOGIT), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_it_falls_above_the_threshold_rises_below_and_keeps_its_bounds(logit, score, threshold, rate):
    found = adapted(logit, score, threshold, rate)
    assert -MOST_LOGIT <= found <= MOST_LOGIT
    assert (found - logit) * (score - threshold) <= 0
    assert 0 < multiplier(found) < 1


def letters(examples):
    return np.array([sum(c.isascii() and c.isalpha() for c in e.response) / 10 for e in examples])


def method(tiny, **changes):
    compute = Compute(precision="fp32")
    policy, critic = (tiny("llama", compute, trainable=True, scalar=scalar) for scalar in (False, True))
    settings = {"learning_rate": 5e-3, "batch_size": 48, "minibatches": 2, "epochs": 2, "steps": 12, "kl_coef": 0.05,
                "missing_end_penalty": 0.0, "checkpoint_every": 12}  # fmt: skip
    config = PPO(**(settings | changes))
    sampling = Sampling(max_new_tokens=10)
    return PolicyOptimisation(policy, tiny("llama", compute), critic, letters, PROMPTS, config, sampling, 0), config


def course(tiny, folder, **changes):
    """The rows of a training run."""
    learner, config = method(tiny, **changes)
    loop.train(learner, config, Run.open(folder, {"seed": 0}, quiet=True), "ppo")
    return read_jsonl(folder / "metrics.jsonl")


def test_a_constrained_policy_stays_near_its_threshold_and_nearer_the_reference(tiny, tmp_path):
    free = course(tiny, tmp_path / "free", kl_coef=0.01)
    threshold = (free[0]["score"] + free[-1]["score"]) / 2
    held = course(tiny, tmp_path / "held", kl_coef=0.01, constrain=threshold, constrain_rate=60.0)
    late = [np.mean([row[key] for row in held[-4:]]) for key in ("score", "kl_nats")]
    assert abs(late[0] - threshold) < 0.7 * (free[-1]["score"] - threshold)
    assert late[1] < free[-1]["kl_nats"]
    assert held[0]["multiplier"] == 0.5
    assert min(row["multiplier"] for row in held) < 0.5
    assert "multiplier" not in free[0]


def test_the_multiplier_weighs_the_score(tiny):
    """At a logit of 0 the score counts half. Where the KL is 0 and the critic knows nothing, so do the returns."""
    free, _ = method(tiny)
    held, _ = method(tiny, constrain=0.2)
    whole, half = (next(iter(learner.collect(1).batches))[0].old.returns for learner in (free, held))
    assert float(whole.abs().max()) > 0.1
    torch.testing.assert_close(half, whole / 2, atol=1e-5, rtol=1e-4)
    assert free.state["multiplier_logit"] == 0.0
    assert held.state["multiplier_logit"] != 0.0


def test_without_a_kl_penalty_there_is_nothing_to_weigh_it_against(tiny):
    with pytest.raises(InputError, match="against the KL penalty"):
        method(tiny, constrain=0.2, kl_coef=0.0)
