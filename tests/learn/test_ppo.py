import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import permutation_test

from gyrocompass.config import PPO, Access, Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.files import read_jsonl
from gyrocompass.learn import loop
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.models.batching import pad
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.models.rollouts import ServerRollouts
from gyrocompass.records import user
from gyrocompass.run import Run

SPEC = importlib.util.spec_from_file_location(
    "rollout_server", Path(__file__).parents[1] / "models" / "rollout_server.py"
)
rollout_server = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rollout_server)

LORA = Compute(precision="fp32", lora_rank=2)
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
    rows, ended, _ = learner._rollout(chosen, 1)
    assert not bool(ended.all())
    scores, ends = learner._scores(chosen, rows, ended, pad(rows).mask)
    torch.testing.assert_close(scores.sum(1), torch.where(ended, 2.0, 0.5))
    assert torch.equal(scores != 0, ends)


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


@pytest.fixture
def server(tiny):
    with rollout_server.serving(rollout_server.Server(tiny("llama", LORA, trainable=True))) as server:
        yield server


def served(tiny, server, run):
    """A learner whose responses are drawn by the server."""
    learner, config = method(
        tiny, "rloo", LORA, batch_size=8, minibatches=1, epochs=1, steps=4, checkpoint_every=1, learning_rate=0.02
    )
    folder = run.stage_folder("ppo") / "checkpoint" / "rollout"
    learner.rollouts = ServerRollouts(
        server.url, learner.policy, SAMPLING, folder, run.warn, Access(backoff_seconds=0.01, retries=1)
    )
    return learner, config


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.policy.trained.values()])


def test_a_server_follows_the_policy_and_a_run_that_lost_it_goes_on_where_it_was(tiny, server, tmp_path):
    whole, broken = (Run.open(tmp_path / name, {"seed": 0}, quiet=True) for name in ("whole", "broken"))
    learner, config = served(tiny, server, whole)
    before = weights(learner)
    loop.train(learner, config, whole, "ppo")
    rows = read_jsonl(whole.folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert max(row["rollout_mismatch_nats"] for row in rows) < 1e-4
    assert max(row["clip_fraction"] for row in rows) == 0
    assert (weights(learner) - before).abs().max() > 0.01
    assert whole.state["warnings"] == []

    met = server.tries["/v1/load_lora_adapter"]
    server.fault = lambda path, attempt: 503 if "load" in path and attempt > met + 2 else None
    with pytest.raises(InputError, match="status 503"):
        loop.train(*served(tiny, server, broken), broken, "ppo")
    server.fault = lambda path, attempt: None
    again, config = served(tiny, server, broken)
    loop.train(again, config, broken, "ppo")
    assert [row["step"] for row in read_jsonl(broken.folder / "metrics.jsonl")] == [1, 2, 3, 4]
    torch.testing.assert_close(weights(again), weights(learner), atol=0, rtol=0)


def test_a_server_that_stays_behind_shows_in_the_log(tiny, server, tmp_path):
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    server.deaf = True
    loop.train(*served(tiny, server, run), run, "ppo")
    mismatch = [row["rollout_mismatch_nats"] for row in read_jsonl(run.folder / "metrics.jsonl")]
    assert mismatch[0] < 1e-4
    assert mismatch[3] > mismatch[1] > 1e-3


@pytest.fixture
def ppo_command(gyro, checkpoint, tmp_path):
    """ppo_command(*flags) -> what `gyro ppo` says of eight prompts, scored by the response's length."""
    data = tmp_path / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"say {i}"}) + "\n" for i in range(8)))
    (tmp_path / "lengths.py").write_text(
        "import numpy as np\ndef score(examples): return np.array([float(len(e.response)) for e in examples])\n"
    )

    def call(*flags):
        return gyro(
            "ppo", "--model", checkpoint("llama"), "--data", data, "--scorer", "lengths:score", "--steps", 2,
            "--batch-size", 4, "--minibatches", 1, "--max-new-tokens", 6, "--estimator", "rloo",
            "--samples-per-prompt", 2, "--out", tmp_path / "run", *flags,
        )  # fmt: skip

    return call


def test_the_command_takes_a_server_s_address(ppo_command, server, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code, _, error = ppo_command("--rollout", server.url, "--lora-rank", 2, "--precision", "fp32")
    assert code == 0, error
    rows = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert all(row["rollout_mismatch_nats"] < 1e-4 for row in rows)
    assert not (tmp_path / "run" / "stages" / "01-ppo" / "checkpoint").exists()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["config"]["rollout"] == server.url


@pytest.mark.parametrize(
    ("url", "says"), [("http://h/v1", "set lora_rank above 0"), ("http://me:secret@h/v1", "holds a user name")]
)
def test_the_command_refuses_what_can_t_be_followed(ppo_command, tmp_path, monkeypatch, url, says):
    monkeypatch.syspath_prepend(tmp_path)
    code, _, error = ppo_command("--rollout", url)
    assert code == 2
    assert says in error
    assert "secret" not in error
    assert not any("secret" in file.read_text() for file in tmp_path.glob("run/*.json"))


def test_without_a_penalty_no_reference_is_needed_and_no_kl_is_told(tiny):
    settings = {"estimator": "grpo", "samples_per_prompt": 2, "batch_size": 4, "steps": 1}

    def method(**changes):
        policy, prompts, config = tiny("llama", trainable=True), [user("a"), user("b")], PPO(**settings, **changes)
        return PolicyOptimisation(policy, None, None, count_letters, prompts, config, Sampling(max_new_tokens=4), 0)

    assert "kl_nats" not in method(kl_coef=0.0).collect(1).metrics
    with pytest.raises(InputError, match="needs a reference"):
        method(kl_coef=0.1)
