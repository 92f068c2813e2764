import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

from gyrocompass.config import DPO, Compute
from gyrocompass.errors import InputError
from gyrocompass.learn import loop, reference
from gyrocompass.learn.dpo import LOSSES, REFERENCE_FREE, DirectPreferenceOptimisation, log_ratios, micros, rewards
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.records import Preference, user
from gyrocompass.run import Run

FP32 = Compute(precision="fp32")


def preferences(n, p=1.0):
    """Lengths vary, so that a loss that forgets them is found out."""
    return [Preference(user(f"q{i}"), "good" + "!" * (i % 3), "evil" + "!" * (i % 2), p) for i in range(n)]


def method_of(policy, records, **changes):
    config = DPO(**{"learning_rate": 1e-3, "batch_size": 16, "epochs": 2, "checkpoint_every": 100} | changes)
    pairs = encode_pairs(policy, records)[0]
    free = config.loss in REFERENCE_FREE or config.reference == "none"
    known = None if free else reference.logprobs(policy, pairs)
    return DirectPreferenceOptimisation(policy, pairs, known, config, 0)


def trained(tiny, folder, records, **changes):
    """The method after training, and its logged rows."""
    method = method_of(tiny("llama", FP32, trainable=True), records, **changes)
    run = Run.open(folder, {"seed": 0}, quiet=True)
    loop.train(method, method.config, run, "dpo")
    return method, [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def unseen_rewards(method, tiny, records):
    """(N, 2), on pairs the method never saw, with the untrained model as reference."""
    start = tiny("llama", FP32)
    pairs = encode_pairs(start, records)[0]
    return rewards(method.policy, pairs, reference.logprobs(start, pairs), method.config)


def first_loss(method):
    with torch.no_grad():
        return sum(float(method.loss(micro)[0]) for micro in next(iter(method.collect(1).batches)))


@pytest.mark.parametrize(("loss", "expected"), [("sigmoid", math.log(2)), ("robust", math.log(2)), ("hinge", 1.0),
                                                ("ipo", 25.0)])  # fmt: skip
def test_before_the_first_step_every_log_ratio_is_0(tiny, loss, expected):
    """sigmoid: ln 2; hinge: 1; ipo at beta = 0.1: (1 / 0.2)^2."""
    noise = 0.1 if loss == "robust" else 0.0
    method = method_of(tiny("llama", FP32, trainable=True), preferences(24), loss=loss, label_noise=noise)
    assert first_loss(method) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_which_is_better_and_shows_it_on_prompts_it_never_saw(tiny, tmp_path, loss):
    noise = 0.1 if loss == "robust" else 0.0
    method, rows = trained(tiny, tmp_path / "run", preferences(96), loss=loss, label_noise=noise, learning_rate=3e-3)
    assert rows[-1]["accuracy"] > 0.9
    assert rows[-1]["margin"] > rows[0]["margin"]
    assert rows[-1]["rewards_chosen"] - rows[-1]["rewards_rejected"] == pytest.approx(rows[-1]["margin"], abs=1e-4)
    found = unseen_rewards(method, tiny, [p.swap() if i % 2 else p for i, p in enumerate(preferences(20))])
    signs = torch.tensor([-1.0 if i % 2 else 1.0 for i in range(20)])
    assert ((found[:, 0] - found[:, 1]) * signs > 0).float().mean() > 0.9


def test_what_is_learnt_is_the_preference_and_not_the_text(tiny, tmp_path):
    """A permutation test: labels shuffled over the pairs teach no margin, true labels do, in every seed alike."""
    margins = {"true": [], "shuffled": []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        for kind in margins:
            records = [
                p if kind == "true" or rng.random() < 0.5 else Preference(p.prompt, p.second, p.first)
                for p in preferences(48)
            ]
            method, _ = trained(tiny, tmp_path / f"{kind}{seed}", records, epochs=1)
            found = unseen_rewards(method, tiny, preferences(12))
            margins[kind].append(float((found[:, 0] - found[:, 1]).mean()))
    assert min(margins["true"]) > max(margins["shuffled"])
    assert stats.permutation_test(
        tuple(map(np.array, margins.values())), lambda a, b: a.mean() - b.mean(), alternative="greater"
    ).pvalue == pytest.approx(1 / math.comb(8, 4))


def test_soft_labels_are_learnt_as_odds(tiny, tmp_path):
    """At p = 0.75 the margin that minimises the loss is log(0.75 / 0.25) = 1.0986."""
    method, _ = trained(tiny, tmp_path / "run", preferences(96, p=0.75), learning_rate=3e-3, epochs=8, beta=0.5)
    found = unseen_rewards(method, tiny, preferences(6))
    assert float((found[:, 0] - found[:, 1]).mean()) == pytest.approx(math.log(3), abs=0.3)


def test_a_tie_asks_for_no_change_where_the_policy_sees_none(tiny):
    """At log-ratio 0 the gradient of a tie's loss is 0; its accuracy is one half."""
    method = method_of(tiny("llama", FP32, trainable=True), [*preferences(8), *preferences(8, p=0.5)])
    norms = []
    for indices in (range(8), range(8, 16)):
        (batch,) = micros(method.policy, method.pairs, method.reference, indices)
        method.policy.model.zero_grad()
        loss, metrics = method.loss(batch)
        loss.backward()
        assert loss.item() == pytest.approx(math.log(2), abs=1e-5)
        norms.append(torch.cat([p.grad.flatten() for p in method.policy.trained.values()]).norm().item())
    assert metrics["accuracy"].item() == 0.5
    assert norms[1] < 1e-4 * norms[0]


def test_the_sft_term_keeps_the_chosen_likely(tiny, tmp_path):
    hard = {"learning_rate": 1e-2, "beta": 1.0, "epochs": 3}
    _, plain = trained(tiny, tmp_path / "plain", preferences(64), **hard)
    _, kept = trained(tiny, tmp_path / "kept", preferences(64), sft_weight=1.0, **hard)
    assert kept[-1]["logp_chosen"] > kept[0]["logp_chosen"]
    assert kept[-1]["logp_chosen"] > plain[-1]["logp_chosen"]
    assert "sft_loss" in kept[0]
    assert "sft_loss" not in plain[0]


def test_the_sft_term_counts_tokens_of_the_whole_step(tiny):
    """loss = ln 2 + 0.5 x negative log-likelihood of the chosen responses / their tokens, whatever the cut."""
    records = [p.swap() if i % 2 else p for i, p in enumerate(preferences(8))]
    policy = tiny("llama", Compute(precision="fp32", micro_batch_tokens=1), trainable=True)
    method = method_of(policy, records, sft_weight=0.5)
    logp = reference.logprobs(policy, method.pairs)
    chosen = torch.stack([logp[i, i % 2] for i in range(8)])
    tokens = sum((pair.second if i % 2 else pair.first).n_response for i, pair in enumerate(method.pairs))
    assert first_loss(method) == pytest.approx(math.log(2) - 0.5 * float(chosen.sum()) / tokens, abs=1e-4)


def test_averages_divide_by_each_response_s_own_tokens():
    logp, ref = torch.tensor([[-6.0, -8.0]]), torch.tensor([[-3.0, -4.0]])
    tokens = torch.tensor([[3.0, 2.0]])

    def ratios(**changes):
        return log_ratios(logp, ref, tokens, DPO(**changes)).tolist()

    assert ratios() == [[-3.0, -4.0]]
    assert ratios(length_normalised=True) == ratios(loss="ipo") == [[-1.0, -2.0]]
    assert ratios(loss="simpo") == ratios(loss="orpo") == [[-2.0, -4.0]]


def test_orpo_adds_the_likelihood_of_the_chosen(tiny):
    method = method_of(tiny("llama", FP32, trainable=True), preferences(8), loss="orpo", beta=1e-6)
    (batch,) = micros(method.policy, method.pairs, method.reference, range(8))
    loss, metrics = method.loss(batch)
    assert loss.item() == pytest.approx(metrics["sft_loss"].item(), rel=1e-4)


def test_adapters_off_are_the_start(tiny):
    policy = tiny("llama", Compute(precision="fp32", lora_rank=2), trainable=True)
    pairs = encode_pairs(policy, preferences(4))[0]
    with policy.adapters_off():
        off = reference.logprobs(policy, pairs)
    torch.testing.assert_close(off, reference.logprobs(policy, pairs))


def trained_adapter(tiny):
    policy = tiny("llama", Compute(precision="fp32", lora_rank=2), trainable=True)
    with torch.no_grad():
        for name, parameter in policy.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return policy


def test_a_reference_that_is_not_the_start_is_refused(tiny):
    policy = trained_adapter(tiny)
    pairs = encode_pairs(policy, preferences(8))[0]
    with policy.adapters_off():
        known = reference.logprobs(policy, pairs)
    method = DirectPreferenceOptimisation(policy, pairs, known, DPO(batch_size=4), 0)
    with pytest.raises(InputError, match=r"would not start at ln 2 = 0\.6931.*merged model"):
        method.collect(1)
    other = DPO(batch_size=4, reference="another")
    DirectPreferenceOptimisation(policy, pairs, known, other, 0).collect(1)


@pytest.mark.parametrize(
    ("records", "changes", "says"),
    [
        ([], {}, "no preferences"),
        (preferences(3, p=0.5), {}, "all 3 preferences are ties"),
        (preferences(3), {"loss": "ipo", "label_noise": 0.1}, "ipo takes no label_noise"),
    ],
)
def test_what_teaches_nothing_is_refused(tiny, records, changes, says):
    with pytest.raises(InputError, match=says):
        method_of(tiny("llama", FP32, trainable=True), records, **changes)
