import numpy as np
import pytest
import torch
from scipy.stats import permutation_test

from gyrocompass.config import PPO, Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.learn import loop
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import user
from gyrocompass.run import Run

PROMPTS = [user(f"say {i}") for i in range(12)]
SAMPLING = Sampling(max_new_tokens=10)


def letters(text):
    return sum(c.isascii() and c.isalpha() for c in text) / 10


def count_letters(examples):
    """About a fifth of random bytes are letters: a score that a few steps can raise."""
    return np.array([letters(e.response) for e in examples])


def method(tiny, estimator="gae", compute=None, scorer=count_letters, **changes):
    compute = compute or Compute(precision="fp32")
    policy = tiny("llama", compute, trainable=True)
    critic = tiny("llama", compute, scalar=True, trainable=True) if estimator == "gae" else None
    reference = None if compute.lora_rank else tiny("llama", compute)
    settings = {
        "learning_rate": 3e-3, "batch_size": 64, "minibatches": 2, "epochs": 2, "steps": 16, "kl_coef": 0.01,
        "missing_end_penalty": 0.0, "estimator": estimator, "samples_per_prompt": 1 if estimator == "gae" else 4,
    }  # fmt: skip
    config = PPO(**(settings | changes))
    return PolicyOptimisation(policy, reference, critic, scorer, PROMPTS, config, SAMPLING, 0), config


def scores_of(network, seed):
    drawn = LocalPolicy(network, SAMPLING).sample(PROMPTS, 4, seed=seed)
    return np.array([np.mean([letters(r) for r in responses]) for responses in drawn])


@pytest.mark.parametrize("estimator", ["gae", "rloo", "grpo"])
def test_training_raises_the_score(tiny, tmp_path, estimator):
    """Permutation test over prompts, before against after: chance gives p < 0.001 once in a thousand."""
    learner, config = method(tiny, estimator)
    before = np.concatenate([scores_of(learner.policy, seed) for seed in range(3)])
    loop.train(learner, config, Run.open(tmp_path / "run", {"seed": 0}, quiet=True), "ppo")
    after = np.concatenate([scores_of(learner.policy, seed) for seed in range(3)])
    found = permutation_test(
        (after, before), lambda a, b: a.mean() - b.mean(), n_resamples=2000, alternative="greater", rng=0
    )
    assert found.pvalue < 0.001


def test_a_heavier_kl_penalty_keeps_the_policy_nearer(tiny, tmp_path):
    ends = {}
    for kl_coef in (0.0, 1.0):
        learner, config = method(tiny, kl_coef=kl_coef)
        loop.train(learner, config, Run.open(tmp_path / str(kl_coef), {"seed": 0}, quiet=True), "ppo")
        ends[kl_coef] = learner.collect(99).metrics["kl_nats"]
    assert ends[1.0] < 0.5 * ends[0.0]


@pytest.mark.parametrize("compute", [Compute(precision="fp32"), Compute(precision="fp32", lora_rank=2)])
def test_at_the_start_policy_and_reference_agree_and_the_ratio_is_one(tiny, compute):
    learner, _ = method(tiny, compute=compute)
    collected = learner.collect(1)
    assert collected.metrics["kl_nats"] == pytest.approx(0, abs=1e-5)
    micro = next(iter(collected.batches))[0]
    _, metrics = learner.loss(micro)
    assert float(metrics["clip_fraction"]) == 0
    assert float(metrics["update_kl_nats"]) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(micro.old.logp, micro.old.ref, atol=1e-5, rtol=1e-5)


def test_the_score_is_paid_once_and_a_missing_end_costs(tiny):
    learner, _ = method(tiny, scorer=lambda examples: np.full(len(examples), 2.0), kl_coef=0.0, missing_end_penalty=1.5)
    chosen = learner._prompts_of(1)
    rows, ended = learner._rollout(chosen, 1)
    assert not bool(ended.all())
    scores = learner._scores(chosen, rows, ended)
    torch.testing.assert_close(scores, torch.where(ended, 2.0, 0.5))


def test_the_scorer_reads_the_text_up_to_its_end_token(tiny):
    seen = []

    def listening(examples):
        seen.extend(e.response for e in examples)
        return np.zeros(len(examples))

    method(tiny, scorer=listening)[0].collect(1)
    assert len(seen) == 64
    assert not any("<|endoftext|>" in text for text in seen)


def test_every_prompt_is_met_once_before_any_is_met_again(tiny):
    learner, _ = method(tiny, batch_size=8, minibatches=2)
    met = [i for step in (1, 2, 3) for i in learner._prompts_of(step)]
    assert sorted(met[:12]) == list(range(12)) == sorted(met[12:24])


def test_the_adaptive_coefficient_moves_towards_its_target(tiny):
    learner, _ = method(tiny, kl_target=5.0)
    learner.collect(1)
    assert learner.state["kl_coef"] < 0.01


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"estimator": "rloo", "samples_per_prompt": 1}, "samples_per_prompt >= 2"),
        ({"samples_per_prompt": 3}, "no multiple"),
        ({"minibatches": 65}, "leave some empty"),
    ],
)
def test_settings_that_don_t_fit_together_are_refused(tiny, changes, says):
    with pytest.raises(InputError, match=says):
        method(tiny, **changes)


def test_gae_without_a_critic_is_refused(tiny):
    with pytest.raises(InputError, match="needs a critic"):
        PolicyOptimisation(tiny("llama"), None, None, count_letters, PROMPTS, PPO(), SAMPLING, 0)
