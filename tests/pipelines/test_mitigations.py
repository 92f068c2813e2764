"""Where a watch would stop, what a bootstrap draws, and the mitigations of `gyro ppo`."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.curves import Curve
from gyrocompass.pipelines.mitigations import Watch, bootstrapped, rests_on, watch
from gyrocompass.pipelines.verdict import Probed
from gyrocompass.records import Preference, user


def course(kl, gauge, n=60, noise=0.0):
    rng = np.random.default_rng(0)
    means = {"kl_nats": kl, "validation_proxy": gauge, "proxy": np.arange(len(kl))}
    values = {name: np.repeat(np.array(rows, dtype=float)[:, None], n, axis=1) for name, rows in means.items()}
    values["validation_proxy"] = values["validation_proxy"] + rng.normal(0, noise, (len(kl), n))
    return Curve("ppo", 0.03, "ppo", Probed([10 * i for i in range(len(kl))], values, list(map(str, range(n)))), (), ())


KL = np.array([0.0, 0.25, 1.0, 2.25, 4.0, 6.25, 9.0])


def bent(alpha, beta):
    d = np.sqrt(KL)
    return alpha * d - beta * d * np.log(np.maximum(d, 1e-12))


def test_the_checkpoint_nearest_the_form_s_peak_is_named():
    """R = d (a - b log d) peaks at d* = exp(a / b - 1): with a = 1.4, b = 1 at 1.49, beside the checkpoint at 1.5."""
    found = watch(course(KL, bent(1.4, 1.0)), "validation_proxy")
    assert found == ("validation_proxy", 3, 30, 2.25, 3.0, 60)


def test_one_checkpoint_that_is_high_by_chance_doesn_t_make_the_peak_and_a_form_that_fits_nothing_neither():
    """Raised to just above all others at d = 2.5, the peak moves to d* = 1.94 at an R squared of 0.56; at d = 0.5 the
    form fits nothing any more, and the highest checkpoint it is."""
    late, early = bent(1.4, 1.0), bent(1.4, 1.0)
    late[5], early[1] = 1.5, 1.55
    assert watch(course(KL, late), "validation_proxy").at == 4
    assert watch(course(KL, early), "validation_proxy").at == 1


def test_a_gauge_that_only_rises_stops_nothing_and_one_that_only_falls_stops_at_once():
    assert watch(course(KL, np.sqrt(KL)), "validation_proxy").at == 6
    assert watch(course(KL, -np.sqrt(KL)), "validation_proxy").at == 0


def test_with_too_few_checkpoints_for_a_form_it_is_the_highest():
    assert watch(course([0.0, 1.0, 4.0], [0.2, 0.5, 0.1]), "validation_proxy").at == 1


def test_what_a_watch_rests_on_and_what_it_names():
    by_model, by_gold = (Watch(gauge, 1, 4, 0.5, 0.4, 100) for gauge in ("validation_proxy", "gold"))
    assert rests_on(by_model) == ("reward", "ppo", "validation-reward")
    assert rests_on(by_gold) == ("reward", "ppo")
    assert (by_model.name("stopped"), by_gold.name("stopped")) == ("stopped", "stopped-gold")


def test_a_bootstrap_draws_as_many_prompts_and_keeps_their_pairs_together():
    pairs = [Preference(user(f"q{i}"), f"a{k}", "b") for i in range(50) for k in range(2)]
    drawn = bootstrapped(pairs, 3)
    count = Counter(p.prompt for p in drawn)
    assert len(drawn) == 100
    assert all(n % 2 == 0 for n in count.values())
    assert 20 < len(count) < 45
    assert drawn == bootstrapped(pairs, 3) != bootstrapped(pairs, 4)


@pytest.fixture
def reward_models(checkpoint, tmp_path):
    """Two reward models of one start."""
    found = []
    for seed in range(2):
        folder = tmp_path / f"reward-{seed}"
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint("llama"), num_labels=1)
        torch.manual_seed(seed)
        with torch.no_grad():
            model.score.weight.normal_()
        model.save_pretrained(folder)
        for file in checkpoint("llama").glob("tokenizer*"):
            shutil.copy(file, folder)
        found.append(folder)
    return found


def test_ppo_takes_averaged_weights_length_control_and_a_constraint(gyro, checkpoint, reward_models, tmp_path):
    data, out = tmp_path / "prompts.jsonl", tmp_path / "run"
    data.write_text("".join(json.dumps({"prompt": f"say {i}"}) + "\n" for i in range(8)))
    code, closing, error = gyro(
        "ppo", "--model", checkpoint("llama"), "--data", data, "--scorer", reward_models[0], "--scorer",
        reward_models[1], "--combine", "averaged_weights", "--length-control", "--constrain", 0.1, "--steps", 2,
        "--batch-size", 8, "--minibatches", 1, "--max-new-tokens", 6, "--out", out, "--json", "--device", "cpu",
    )  # fmt: skip
    assert code == 0, error
    assert json.loads(closing.splitlines()[-1])["status"] == "done"
    config = read_json(out / "run.json")["config"]
    assert (config["combine"], config["length_control"], config["ppo"]["constrain"]) == ("averaged_weights", True, 0.1)
    rows = [row for row in read_jsonl(out / "metrics.jsonl") if "multiplier" in row]
    assert rows[0]["multiplier"] == 0.5 != rows[1]["multiplier"]


def test_averaging_one_model_is_refused_in_one_line(gyro, checkpoint, reward_models, tmp_path):
    data = tmp_path / "prompts.jsonl"
    data.write_text(json.dumps({"prompt": "say"}) + "\n")
    code, _, error = gyro("ppo", "--model", checkpoint("llama"), "--data", data, "--scorer", reward_models[0],
                          "--combine", "averaged_weights", "--out", tmp_path / "run", "--device", "cpu")  # fmt: skip
    assert code == 2
    assert "nothing to be averaged with" in error
    assert "Traceback" not in error
