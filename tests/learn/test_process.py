import numpy as np
import pytest
import torch

from gyrocompass.config import PPO, Compute, Reward, Sampling
from gyrocompass.errors import InputError
from gyrocompass.feedback.steps import outcome_alone
from gyrocompass.learn import loop
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.learn.process import ImplicitRewardModelling, ProcessRewardModelling, StepReward
from gyrocompass.maths.steps import aggregate
from gyrocompass.models.batching import pad
from gyrocompass.models.steps import Graded, ImplicitProcessRewardModel, ProcessRewardModel, encode_steps
from gyrocompass.records import Example, Steps, user
from gyrocompass.run import Run

CHAINS = [
    Steps(user(f"q{i}"), ("good" if i % 3 else "bad", "good", "bad"), (float(i % 3 > 0), float(i % 3 > 0), 0.0))
    for i in range(24)
]


def lines(text):
    return tuple(line for line in text.split("\n") if line.strip())


def settings(**changes):
    return Reward(**({"learning_rate": 1e-2, "batch_size": 8, "epochs": 8} | changes))


def test_a_process_reward_model_learns_which_steps_are_right(tiny, tmp_path):
    network = tiny(scalar=True, trainable=True)
    rows, _, _ = encode_steps(network, CHAINS, "\n")
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    loop.train(ProcessRewardModelling(network, rows, settings(), 0), settings(), run, "prm")
    right, wrong = ProcessRewardModel(network, lines).step_scores(
        [Example(user("q31"), "good\ngood\nbad"), Example(user("q30"), "bad\ngood\nbad")]
    )
    assert right.scores[0] > 0.8
    assert right.scores[2] < 0.2
    assert wrong.scores[0] < 0.2


def test_the_loss_doesn_t_depend_on_the_cut_into_micro_batches(tiny):
    def gradient(budget):
        network = tiny(compute=Compute(precision="fp32", micro_batch_tokens=budget), scalar=True, trainable=True)
        torch.nn.init.normal_(network.core.score.weight, generator=torch.Generator().manual_seed(0))
        rows, _, _ = encode_steps(network, CHAINS, "\n")
        method = ProcessRewardModelling(network, rows, settings(batch_size=24), 0)
        (batch,) = method.collect(1).batches
        for micro in batch:
            method.loss(micro)[0].backward()
        return len(batch), network.core.score.weight.grad.clone()

    (many, small), (one, large) = gradient(40), gradient(10_000)
    assert many > one
    torch.testing.assert_close(small, large, atol=1e-6, rtol=1e-5)


def implicit(policy, reference, chains):
    rows, _, _ = encode_steps(policy, chains, "\n", until_error=False)
    return ImplicitRewardModelling(policy, reference, rows, settings(), 0.5, 0)


def test_an_implicit_model_starts_undecided_about_every_step(tiny):
    method = implicit(tiny(trainable=True), tiny(), CHAINS)
    (batch,) = method.collect(1).batches
    assert sum(method.loss(micro)[0].item() for micro in batch) == pytest.approx(np.log(2), abs=1e-5)


@pytest.mark.parametrize("seen", ["steps", "outcomes"])
def test_an_implicit_model_learns_which_steps_or_which_outcomes_are_right(tiny, tmp_path, seen):
    policy, reference = tiny(trainable=True), tiny()
    chains = [Steps(c.prompt, c.steps[:2], c.labels[:2]) for c in CHAINS]
    method = implicit(policy, reference, chains if seen == "steps" else [outcome_alone(c, "\n") for c in chains])
    loop.train(method, settings(), Run.open(tmp_path / "run", {"seed": 0}, quiet=True), "implicit")
    model = ImplicitProcessRewardModel(policy, reference, lines, 0.5)
    right, wrong = model([Example(user("q31"), "good\ngood"), Example(user("q30"), "bad\ngood")])
    assert right > wrong


def test_a_step_s_logit_is_the_log_ratio_up_to_its_end(tiny):
    """What is learnt is what the model is read by: sigma(logit) of the loss is the score of `read`."""
    policy, reference = tiny(trainable=True), tiny()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in policy.trained.values():
            weights += 0.1 * torch.randn(weights.shape, generator=generator)
    method = implicit(policy, reference, CHAINS[:8])
    (batch,) = method.collect(1).batches
    model = ImplicitProcessRewardModel(policy, reference, lines, 0.5)
    for micro in batch:
        scores = model.read([row.row for row in micro.rows], [row.ends for row in micro.rows])
        logits = method._logits(micro).detach()
        assert logits.std() > 0.1
        assert torch.sigmoid(logits).tolist() == pytest.approx([x for one in scores for x in one], abs=1e-5)


def test_without_chains_there_is_nothing_to_learn(tiny):
    with pytest.raises(InputError, match="no labelled chains"):
        ProcessRewardModelling(tiny(scalar=True, trainable=True), [], settings(), 0)


class Halves:
    """Two steps, the halves of the text; the second is wrong."""

    def step_scores(self, examples):
        return [Graded((t[: len(t) // 2], t[len(t) // 2 :]), (1.0, 0.0)) for t in (e.response for e in examples)]


def test_steps_earn_progress_or_approval():
    example = [Example(user("q"), "abcd")]
    assert StepReward(Halves(), "min").step_scores(example)[0].scores == (1.0, -1.0)
    assert StepReward(Halves(), "min", myopic=True).step_scores(example)[0].scores == (1.0, 0.0)


def words(text):
    return tuple(text.split())


class Letters:
    """Each run of characters is a step; a letter in it is worth one."""

    def step_scores(self, examples):
        cut = [words(e.response) for e in examples]
        return [Graded(c, tuple(float(any(x.isascii() and x.isalpha() for x in s)) for s in c)) for c in cut]


@pytest.mark.parametrize("myopic", [False, True])
def test_ppo_pays_steps_where_they_end(tiny, myopic):
    policy, critic = tiny(trainable=True), tiny(scalar=True, trainable=True)
    config = PPO(batch_size=16, minibatches=1, kl_coef=0.0, missing_end_penalty=0.0)
    prompts = [user(f"say {i}") for i in range(16)]
    learner = PolicyOptimisation(
        policy, tiny(), critic, StepReward(Letters(), "mean", myopic), prompts, config, Sampling(max_new_tokens=12), 0
    )
    chosen = learner._prompts_of(1)
    rows, ended, _ = learner._rollout(chosen, 1)
    mask = pad(rows).mask
    scores, ends = learner._scores(chosen, rows, ended, mask)
    texts = [
        Example(user("x"), learner.policy.tokenizer.decode(r.ids[r.n_prompt :], skip_special_tokens=True)) for r in rows
    ]
    graded = Letters().step_scores(texts)
    paid = [sum(one.scores) if myopic else aggregate(one.scores, "mean") for one in graded]
    assert scores.sum(1).tolist() == pytest.approx(paid, abs=1e-6)
    assert bool((ends <= mask).all())
    rewards = torch.where(ends, 1.0, 0.0)
    _, returns = learner._advantages(rewards, torch.zeros_like(rewards), mask, ends if myopic else None)
    assert float(returns.max()) <= (1.0 if myopic else float(rewards.sum(1).max())) + 1e-6


def test_myopia_needs_advantages_per_token(tiny):
    config = PPO(batch_size=4, minibatches=1, estimator="rloo", samples_per_prompt=2)
    with pytest.raises(InputError, match="compares whole responses, not steps"):
        PolicyOptimisation(
            tiny(trainable=True), tiny(), None, StepReward(Letters(), "min", True), [user("q")], config, Sampling(), 0
        )
