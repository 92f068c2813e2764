import json

import numpy as np
import pytest
import torch

from gyrocompass.config import DPO, Compute, Online, Sampling
from gyrocompass.errors import Diverged, InputError
from gyrocompass.feedback.judge import scored_judge
from gyrocompass.learn import loop
from gyrocompass.learn.online import OnlinePreferenceOptimisation, best_against_worst, judged
from gyrocompass.records import user
from gyrocompass.run import Run

FP32 = Compute(precision="fp32")
PROMPTS = [user(f"q{i}") for i in range(16)]


def likes_e(examples):
    return np.array([e.response.count("e") for e in examples], dtype=np.float64)


def method_of(policy, compare, reference=None, prompts=PROMPTS, sampling=None, **changes):
    config = DPO(**{"learning_rate": 3e-3, "batch_size": 64, "beta": 0.1} | changes.pop("dpo", {}))
    online = Online(**{"steps": 20} | changes)
    return OnlinePreferenceOptimisation(
        policy, reference, compare, prompts, config, online, sampling or Sampling(max_new_tokens=8), 0
    )


def trained(method, folder):
    run = Run.open(folder, {"seed": 0}, quiet=True)
    loop.train(method, method.config, run, "dpo")
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("by", ["scorer", "judge"])
def test_the_policy_comes_to_do_what_is_liked_and_moves_from_the_reference(tiny, tmp_path, by):
    scores = []

    def letters(examples):
        found = np.array([sum(map(str.isalpha, e.response)) for e in examples], dtype=np.float64)
        scores.append(found.mean())
        return found

    compare = best_against_worst(letters) if by == "scorer" else judged(scored_judge(letters))
    method = method_of(
        tiny("llama", FP32, trainable=True), compare, tiny("llama", FP32), dpo={"learning_rate": 1e-2},
        samples_per_prompt=4 if by == "scorer" else 2, steps=20 if by == "scorer" else 40,
    )  # fmt: skip
    rows = trained(method, tmp_path / "run")
    assert rows[0]["kl_nats"] == pytest.approx(0, abs=1e-3)
    assert rows[0]["loss"] == pytest.approx(np.log(2), abs=1e-3)
    assert rows[-1]["kl_nats"] > 0.3
    assert np.mean(scores[-3:]) > np.mean(scores[:3]) + 1
    assert rows[0]["pairs"] > 8
    assert ("score" in rows[0]) == (by == "scorer")


def test_the_best_is_set_against_the_worst_and_equals_are_dropped():
    """Scores 1 2 0 of the first prompt, all alike in the second, one text twice in the third."""
    scores = iter([[1.0, 2.0, 0.0, 3.0, 3.0, 3.0, 1.0, 1.5, 1.0]])
    compare = best_against_worst(lambda examples: np.array(next(scores)), missing_end_penalty=1.0)
    ended = torch.ones(9, dtype=torch.bool)
    ended[8] = False  # 1.0 - 1.0 = 0 is the worst
    choices, found = compare(PROMPTS[:3], [["a", "b", "c"], ["d", "e", "f"], ["g", "h", "h"]], ended)
    assert choices == [(1, 2, 1.0)]
    assert found == {"score": pytest.approx((15.5 - 1) / 9)}


def test_a_judge_is_asked_about_different_responses_and_may_abstain():
    asked = []

    def judge(pairs):
        asked.extend(pairs)
        return np.array([0.25, np.nan])

    choices, found = judged(judge)(PROMPTS[:3], [["a", "b"], ["c", "c"], ["d", "e"]], torch.ones(6, dtype=torch.bool))
    assert [pair.first for pair in asked] == ["a", "d"]
    assert choices == [(0, 1, 0.25)]
    assert found == {"abstained": 1.0}
    with pytest.raises(InputError, match="set samples_per_prompt to 2"):
        judged(judge)(PROMPTS[:1], [["a", "b", "c"]], torch.ones(3, dtype=torch.bool))


def test_a_step_without_a_usable_pair_makes_no_update(tiny, tmp_path):
    policy = tiny("llama", FP32, trainable=True)
    before = [p.detach().clone() for p in policy.trained.values()]
    indifferent = best_against_worst(lambda examples: np.ones(len(examples)))
    rows = trained(method_of(policy, indifferent, tiny("llama", FP32), steps=2), tmp_path / "run")
    assert [row["pairs"] for row in rows] == [0, 0]
    assert "loss" not in rows[0]
    assert all(torch.equal(a, b) for a, b in zip(before, policy.trained.values(), strict=True))


def test_both_sides_of_the_log_ratio_are_read_at_the_sampling_temperature(tiny):
    method = method_of(
        tiny("llama", FP32, trainable=True), best_against_worst(likes_e), tiny("llama", FP32),
        samples_per_prompt=8, sampling=Sampling(max_new_tokens=8, temperature=2.0),
    )  # fmt: skip
    batch = next(iter(method.collect(1).batches))
    assert sum(method.loss(micro)[0].item() for micro in batch) == pytest.approx(np.log(2), abs=1e-5)


@pytest.mark.parametrize("loss", ["simpo", "orpo"])
def test_losses_without_a_reference_learn_online_too(tiny, loss):
    method = method_of(
        tiny("llama", FP32, trainable=True), best_against_worst(likes_e), tiny("llama", FP32),
        samples_per_prompt=4, dpo={"loss": loss},
    )  # fmt: skip
    (micro,) = next(iter(method.collect(1).batches))
    assert not micro.reference.any()
    method.loss(micro)[0].backward()


def test_a_trained_adapter_under_reference_start_is_refused(tiny):
    policy = tiny("llama", Compute(precision="fp32", lora_rank=2), trainable=True)
    with torch.no_grad():
        for name, parameter in policy.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    with pytest.raises(InputError, match="would not start at ln 2"):
        method_of(policy, best_against_worst(likes_e)).collect(1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompts": []}, "no prompts"),
        ({"samples_per_prompt": 3}, "no multiple of samples_per_prompt"),
        ({"dpo": {"loss": "kto"}}, "kto learns from labelled responses"),
        ({"dpo": {"loss": "ipo", "label_noise": 0.1}}, "takes no label_noise"),
        ({"sampling": Sampling(max_new_tokens=1000)}, "leaves no room"),
    ],
)
def test_settings_that_don_t_fit_are_refused(tiny, changes, says):
    with pytest.raises(InputError, match=says):
        method_of(tiny("llama", FP32, trainable=True), best_against_worst(likes_e), tiny("llama", FP32), **changes)


def test_scores_that_are_no_numbers_stop_the_run(tiny):
    poisoned = best_against_worst(lambda examples: np.full(len(examples), np.nan))
    with pytest.raises(Diverged, match="scores are NaN"):
        method_of(tiny("llama", FP32, trainable=True), poisoned, tiny("llama", FP32)).collect(1)
