"""Whatever the method: cuts don't matter, and a killed run ends where an uninterrupted one ends."""

import json

import numpy as np
import pytest
import torch

from gyrocompass.config import DPO, PPO, SFT, Compute, Online, Reward, Sampling
from gyrocompass.errors import Diverged
from gyrocompass.learn import loop, reference
from gyrocompass.learn.dpo import DirectPreferenceOptimisation
from gyrocompass.learn.kto import KahnemanTverskyOptimisation, encode_labelled
from gyrocompass.learn.online import OnlinePreferenceOptimisation, best_against_worst
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.learn.reward import RewardModelling
from gyrocompass.learn.sft import Finetuning
from gyrocompass.models import chat
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.records import Example, Preference, user
from gyrocompass.run import Run

EXAMPLES = [Example(user("ask " * (1 + i % 5)), "yes " * (1 + i % 7) + str(i)) for i in range(24)]
PREFERENCES = [
    Preference(user(f"q{i}"), "good " * (1 + i % 4), "bad" * (1 + i % 3), (1.0, 0.0, 0.75)[i % 3]) for i in range(24)
]


def likes_e(examples):
    return np.array([e.response.count("e") + 0.1 * len(e.response) for e in examples], dtype=np.float64)


def sft(tiny, compute):
    network = tiny("llama", compute, trainable=True)
    config = SFT(learning_rate=1e-3, batch_size=8, epochs=2, checkpoint_every=2)
    rows = chat.encode(network.tokenizer, EXAMPLES, network.max_tokens).rows
    return Finetuning(network, rows, config, 0), config


def reward(tiny, compute):
    network = tiny("gpt2", compute, scalar=True, trainable=True)
    config = Reward(learning_rate=1e-3, batch_size=8, epochs=2, checkpoint_every=2)
    return RewardModelling(network, encode_pairs(network, PREFERENCES)[0], config, 0), config


def ppo(estimator):
    def make(tiny, compute):
        policy, critic = tiny("llama", compute, trainable=True), None
        if estimator == "gae":
            critic = tiny("llama", compute, scalar=True, trainable=True)
        reference = None if compute.lora_rank else tiny("llama", compute)
        config = PPO(learning_rate=1e-3, batch_size=8, epochs=2, minibatches=2, steps=6, checkpoint_every=2,
                     estimator=estimator, samples_per_prompt=1 if estimator == "gae" else 4, kl_target=0.5)  # fmt: skip
        prompts = [example.prompt for example in EXAMPLES]
        method = PolicyOptimisation(policy, reference, critic, likes_e, prompts, config, Sampling(max_new_tokens=8), 0)
        return method, config

    return make


def dpo(**changes):
    def make(tiny, compute):
        policy = tiny("gpt2", compute, trainable=True)
        config = DPO(learning_rate=1e-3, batch_size=8, epochs=2, checkpoint_every=2, **changes)
        pairs = encode_pairs(policy, PREFERENCES)[0]
        known = reference.logprobs(policy, pairs)
        return DirectPreferenceOptimisation(policy, pairs, known, config, 0), config

    return make


def kto(tiny, compute):
    policy = tiny("gpt2", compute, trainable=True)
    config = DPO(learning_rate=1e-3, batch_size=16, epochs=2, checkpoint_every=2, loss="kto", sft_weight=0.5)
    pairs, _ = encode_labelled(policy, PREFERENCES)
    return KahnemanTverskyOptimisation(policy, pairs, reference.logprobs(policy, pairs), config, 0), config


def online(tiny, compute):
    policy = tiny("llama", compute, trainable=True)
    frozen = None if compute.lora_rank else tiny("llama", compute)
    config = DPO(learning_rate=1e-3, batch_size=16, epochs=2, checkpoint_every=2)
    prompts = [example.prompt for example in EXAMPLES]
    method = OnlinePreferenceOptimisation(
        policy, frozen, best_against_worst(likes_e), prompts, config, Online(steps=6, samples_per_prompt=4),
        Sampling(max_new_tokens=8, temperature=0.9), 0,
    )  # fmt: skip
    return method, config


METHODS = {"sft": sft, "reward": reward, "ppo": ppo("gae"), "rloo": ppo("rloo"), "grpo": ppo("grpo")} | {
    "dpo": dpo(sft_weight=0.5), "ipo": dpo(loss="ipo"), "orpo": dpo(loss="orpo"), "kto": kto, "online": online,
}  # fmt: skip


def compute(tokens=8192, lora=0):
    return Compute(precision="fp32", micro_batch_tokens=tokens, lora_rank=lora)


def weights(method):
    return {name: p.detach().clone() for name, p in loop._named(method)}


def gradients(method, step):
    """The gradient of a step's first batch, whole."""
    torch.manual_seed(0)
    for _, parameter in loop._named(method):
        parameter.grad = None
    for micro in next(iter(method.collect(step).batches)):
        method.loss(micro)[0].backward()
    return torch.cat([p.grad.flatten() for _, p in loop._named(method)])


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_in_one_piece_and_in_eight_gives_the_same_gradient(name, tiny):
    whole, pieces = (METHODS[name](tiny, compute(tokens))[0] for tokens in (100_000, 1))
    assert len(next(iter(whole.collect(1).batches))) == 1 < len(next(iter(pieces.collect(1).batches)))
    a, b = gradients(whole, 1), gradients(pieces, 1)
    assert a.norm() > 1e-4
    assert (a - b).norm() / a.norm() < 1e-5
    torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-4)


def finish(run, method, config):
    look = loop.Look(lambda step: {"proxy": float(step)}, lambda steps: {0, 3, steps})
    loop.train(method, config, run, "stage", looks=[look])
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return weights(method), [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize("name", METHODS)
def test_killed_and_resumed_ends_bit_for_bit_where_the_uninterrupted_run_ends(name, lora, tiny, tmp_path):
    def fresh():
        torch.rand(1)  # whatever was drawn before must not matter
        return METHODS[name](tiny, compute(lora=lora))

    expected, rows = finish(Run.open(tmp_path / "whole", {"seed": 5}, quiet=True), *fresh())
    run = Run.open(tmp_path / "killed", {"seed": 5}, quiet=True)
    method, config = fresh()
    collect, calls = method.collect, []

    def killed_at_step_five(step):
        calls.append(step)
        if step == 5:
            raise KeyboardInterrupt
        return collect(step)

    method.collect = killed_at_step_five
    with pytest.raises(KeyboardInterrupt):
        finish(run, method, config)
    found, rows_again = finish(Run.open(tmp_path / "killed", {"seed": 5}, quiet=True), *fresh())
    assert calls == [1, 2, 3, 4, 5]
    assert rows_again == rows
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


def test_a_scorer_that_returns_nan_stops_the_run(tiny):
    method, _ = ppo("rloo")(tiny, compute())
    method.scorer = lambda examples: np.full(len(examples), np.nan)
    with pytest.raises(Diverged, match="8 of 8 scores are NaN"):
        method.collect(1)


def test_a_kl_past_its_limit_stops_the_run(tiny):
    method, _ = ppo("rloo")(tiny, compute())
    method.config = method.config.model_copy(update={"kl_limit": -1.0})
    with pytest.raises(Diverged, match=r"raise ppo\.kl_coef"):
        method.collect(1)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tiny, tmp_path):
    method, config = sft(tiny, compute())
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    collect = method.collect

    def poisoned(step):
        if step == 4:
            next(iter(method.networks["policy"].trained.values())).data.fill_(float("nan"))
        return collect(step)

    method.collect = poisoned
    with pytest.raises(Diverged, match="stage: loss is nan at step 4; start anew"):
        loop.train(method, config, run, "stage")
    assert (run.stage_folder("stage") / "checkpoint" / "state.safetensors").exists()


def test_the_rate_rises_then_falls_to_a_tenth():
    rates = [loop.schedule(i / 100, 0.1) for i in range(100)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
