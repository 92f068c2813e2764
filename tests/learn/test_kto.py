import json

import numpy as np
import pytest
import torch

from gyrocompass.config import DPO, Compute
from gyrocompass.errors import InputError
from gyrocompass.learn import loop, reference
from gyrocompass.learn.dpo import rewards
from gyrocompass.learn.kto import KahnemanTverskyOptimisation, balanced, encode_labelled, labelled
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.records import Example, Preference, user
from gyrocompass.run import Run

FP32 = Compute(precision="fp32")


def preferences(n, p=1.0):
    return [Preference(user(f"q{i}"), "good" + "!" * (i % 3), "evil" + "!" * (i % 2), p) for i in range(n)]


def examples(n, label=lambda i: i % 3 == 0):
    return [Example(user(f"q{i}"), "good" if label(i) else "evil", label(i)) for i in range(n)]


def method_of(policy, records, **changes):
    config = DPO(**{"loss": "kto", "learning_rate": 3e-3, "batch_size": 32, "epochs": 2} | changes)
    pairs, _ = encode_labelled(policy, records)
    return KahnemanTverskyOptimisation(policy, pairs, reference.logprobs(policy, pairs), config, 0)


@pytest.mark.parametrize("records", [preferences(64), examples(128)], ids=["preferences", "unbalanced examples"])
def test_it_learns_which_is_better_and_shows_it_on_prompts_it_never_saw(tiny, tmp_path, records):
    method = method_of(tiny("llama", FP32, trainable=True), records)
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    loop.train(method, method.config, run, "kto")
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["baseline_nats"] == pytest.approx(0, abs=1e-3)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.9
    start = tiny("llama", FP32)
    unseen = encode_pairs(start, preferences(12))[0]
    found = rewards(method.policy, unseen, reference.logprobs(start, unseen), method.config)
    assert (found[:, 0] > found[:, 1]).float().mean() > 0.9


def test_before_the_first_step_the_loss_is_half_the_mean_weight(tiny):
    """sigma(0) = 1/2: with weights 2 and 1 for a third desirable, (1/3 x 2 + 2/3 x 1) / 2 = 2/3."""
    method = method_of(tiny("llama", FP32, trainable=True), examples(24), batch_size=24)
    assert method.weights == (2.0, 1.0)
    (batch,) = method.collect(1).batches
    assert sum(method.loss(micro)[0].item() for micro in batch) == pytest.approx(2 / 3, abs=1e-5)


def test_the_rarer_kind_weighs_more():
    assert balanced(10, 10) == (1.0, 1.0)
    assert balanced(10, 30) == (3.0, 1.0)
    assert balanced(30, 10) == (1.0, 3.0)
    with pytest.raises(InputError, match="0 desirable and 4 undesirable"):
        balanced(0, 4)


def test_a_preference_gives_one_response_of_each_kind_and_a_tie_none():
    found, notes = labelled([*preferences(3), *preferences(2, p=0.5), Preference(user("s"), "bad", "fine", 0.2)])
    assert [e.label for e in found] == [True] * 4 + [False] * 4
    assert found[3].response == "fine"
    assert notes == ["2 of 6 preferences are ties, and were left out"]


def test_examples_without_a_label_are_left_out_and_counted():
    found, notes = labelled([*examples(3), Example(user("q"), "a"), Example(user("q"), None, True)])
    assert len(found) == 3
    assert notes == ["2 of 5 examples lack a response or a label, and were left out"]


def test_the_second_response_answers_another_prompt(tiny):
    network = tiny("llama", Compute(precision="fp32", max_tokens=48))
    records = [Preference(user(f"q{i}"), "good" * (1 + 3 * (i % 2)), "evil" + str(i)) for i in range(4)]
    pairs, _ = encode_labelled(network, records)
    assert [pair.p_first for pair in pairs] == [1.0] * 4 + [0.0] * 4
    for i, pair in enumerate(pairs):
        other = pairs[(i + 1) % 8].first
        assert pair.second.ids[: pair.first.n_prompt] == pair.first.ids[: pair.first.n_prompt]
        assert other.ids[: other.n_prompt] != pair.first.ids[: pair.first.n_prompt]
        answer = other.ids[other.n_prompt :]
        assert pair.second.ids[pair.second.n_prompt :] == answer[: 48 - pair.first.n_prompt]


def test_the_baseline_is_the_mean_log_ratio_of_strays_and_never_below_0(tiny):
    method = method_of(tiny("llama", FP32, trainable=True), preferences(8), batch_size=16)
    chosen = method.passes.indices(1)
    shift = torch.from_numpy(np.linspace(-1, 2, len(chosen))).float()
    method.reference[chosen, 1] -= shift
    assert method._baseline(chosen).item() == pytest.approx(0.5, abs=1e-3)
    method.reference[chosen, 1] += 2
    assert method._baseline(chosen).item() == 0


def test_one_kind_alone_is_refused(tiny):
    with pytest.raises(InputError, match="some of both"):
        method_of(tiny("llama", FP32, trainable=True), examples(4, lambda i: True))
