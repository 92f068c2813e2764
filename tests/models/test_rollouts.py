import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from gyrocompass.config import Access, Compute, Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.models import chat
from gyrocompass.models.decode import end_ids
from gyrocompass.models.policy import Drawn, rollout, sampled_logprobs
from gyrocompass.models.rollouts import UNTRUNCATED, LocalRollouts, ServerRollouts
from gyrocompass.records import user

SPEC = importlib.util.spec_from_file_location("rollout_server", Path(__file__).with_name("rollout_server.py"))
rollout_server = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rollout_server)

LORA = Compute(precision="fp32", lora_rank=2)
SAMPLING = Sampling(max_new_tokens=12, temperature=0.8)
QUICK = Access(backoff_seconds=0.01)
COMPLETIONS = "/v1/completions"


def sharp(network):
    """The network with a head that has opinions, and with many ways to end: a random one has neither."""
    with torch.no_grad():
        network.core.lm_head.weight.mul_(20)
    network.core.generation_config.eos_token_id = list(range(16))
    return network


@pytest.fixture
def serve(tiny):
    """serve(**behaviour) -> a running server with a network of its own."""
    with contextlib.ExitStack() as stack:

        def start(**behaviour):
            server = rollout_server.Server(sharp(tiny("llama", LORA, trainable=True)), **behaviour)
            return stack.enter_context(rollout_server.serving(server))

        yield start


def moved(network, seed, std=0.3):
    """The network, its adapters drawn anew: a policy that has learnt something."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=std)
    return network


@pytest.fixture
def policy(tiny):
    return moved(sharp(tiny("llama", LORA, trainable=True)), 1)


@pytest.fixture
def prompts(policy):
    return chat.encode_prompts(policy.tokenizer, [user(f"say {i}") for i in range(4)])


def engine_of(server, policy, folder, warn=pytest.fail, access=QUICK):
    return ServerRollouts(server.url + "/", policy, SAMPLING, folder, warn, access)


def compared(engine, drawn):
    return engine.compare(drawn, sampled_logprobs(engine.network, drawn.rows, SAMPLING.temperature).detach())


def ids(drawn):
    return [row.ids for row in drawn.rows]


def test_the_server_samples_from_the_policy_as_its_adapters_move(serve, policy, prompts, tmp_path):
    server = serve()
    engine = engine_of(server, policy, tmp_path)
    seen = []
    for step in (1, 2, 3):
        moved(policy, step)
        drawn = engine(prompts, 2, 7, step)
        metrics = compared(engine, drawn)
        assert metrics["rollout_mismatch_nats"] < 1e-4
        assert abs(metrics["rollout_kl_nats"]) < 1e-6
        assert len(server.adapters) == len(list(tmp_path.iterdir())) == 1
        seen.append(ids(drawn))
    assert seen[0] != seen[1] != seen[2]


def test_rows_are_a_prompt_s_together_and_know_their_ends(serve, policy, prompts, tmp_path):
    drawn = engine_of(serve(), policy, tmp_path)(prompts, 8, 0, 1)
    assert [row.ids[: row.n_prompt] for row in drawn.rows] == [p for p in prompts for _ in range(8)]
    ended = [row.ids[-1] in end_ids(policy) for row in drawn.rows]
    assert drawn.ended.tolist() == ended
    assert any(ended)
    assert not all(ended)
    assert all(end or row.n_response == 12 for end, row in zip(ended, drawn.rows, strict=True))


def test_responses_differ_within_a_step_and_repeat_with_their_seed(serve, policy, prompts, tmp_path):
    engine = engine_of(serve(), policy, tmp_path)
    same = [prompts[0]] * 3
    drawn = ids(engine(same, 3, 7, 1))
    assert len(set(map(tuple, drawn))) == 9
    assert ids(engine(same, 3, 7, 2)) == drawn != ids(engine(same, 3, 8, 3))


def test_the_request_is_vllm_s_and_truncates_nothing(serve, policy, prompts, tmp_path):
    server = serve()
    engine_of(server, policy, tmp_path)(prompts[:1], 2, 7, 5)
    [body] = server.bodies
    assert body.pop("model").startswith("gyro-5-")
    assert 0 <= body.pop("seed") < 2**31
    assert body == UNTRUNCATED | {
        "prompt": prompts[0], "n": 2, "max_tokens": 12, "temperature": 0.8, "logprobs": 0,
        "stop_token_ids": end_ids(policy), "skip_special_tokens": False, "return_token_ids": True,
    }  # fmt: skip


def test_a_server_that_doesn_t_follow_is_measured_and_told_of_once(serve, policy, prompts, tmp_path):
    moved(policy, 1, std=1.0)
    said = []
    engine = engine_of(serve(deaf=True), policy, tmp_path, said.append)
    for step in (1, 2):
        metrics = compared(engine, engine(prompts, 2, step, step))
        assert metrics["rollout_mismatch_nats"] > 0.5
        assert metrics["rollout_kl_nats"] > 0.1
    [warning] = said
    assert "nats a token off the policy's" in warning
    assert "\n" not in warning


def test_the_kl_is_that_of_the_server_s_distribution_to_the_policy_s(policy, tmp_path):
    """Two tokens, of 1/2 and 1/4, which the policy gives 1/4 and 1/2: (1/2 - 1 + log 2) and (2 - 1 - log 2)."""
    engine = ServerRollouts("http://h/v1", policy, SAMPLING, tmp_path, lambda warning: None)
    told = torch.tensor([[1.0, 0.5, 0.25]]).log()
    logp = torch.tensor([[1.0, 0.25, 0.5]]).log()
    drawn = Drawn([chat.Row([1, 2, 3, 4], 2)], torch.tensor([True]), told)
    metrics = engine.compare(drawn, logp)
    assert metrics["rollout_kl_nats"] == pytest.approx(0.25)
    assert metrics["rollout_mismatch_nats"] == pytest.approx(0.6931, abs=1e-4)


def test_failures_that_pass_lose_nothing(serve, policy, prompts, tmp_path):
    clean = ids(engine_of(serve(), policy, tmp_path)(prompts, 2, 7, 1))
    faults = {1: 500, 3: 429, 4: 503}
    server = serve(fault=lambda path, attempt: faults.get(attempt))
    engine = engine_of(server, policy, tmp_path)
    assert ids(engine(prompts, 2, 7, 1)) == clean
    assert engine.usage.retried == 4
    assert server.tries[COMPLETIONS] == len(prompts) + 3


def test_failures_that_stay_stop_the_step(serve, policy, prompts, tmp_path):
    server = serve(fault=lambda path, attempt: 503 if path == COMPLETIONS and attempt > 2 else None)
    engine = engine_of(server, policy, tmp_path, access=Access(backoff_seconds=0.01, retries=1))
    with pytest.raises(InputError, match="status 503") as caught:
        engine(prompts, 2, 7, 1)
    assert "\n" not in str(caught.value)
    server.fault = lambda path, attempt: None
    assert len(engine(prompts, 2, 7, 1).rows) == 8


def test_a_server_that_was_started_anew_is_followed_again(serve, policy, prompts, tmp_path):
    server = serve()
    engine = engine_of(server, policy, tmp_path)
    engine(prompts, 1, 7, 1)
    server.adapters.clear()
    assert len(engine(prompts, 1, 7, 2).rows) == 4


def test_a_server_without_adapters_at_run_time_is_refused_with_the_remedy(serve, policy, prompts, tmp_path):
    engine = engine_of(serve(runtime_lora=False), policy, tmp_path)
    with pytest.raises(InputError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, --enable-lora") as caught:
        engine(prompts, 1, 7, 1)
    assert "status 404" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_policy_without_adapters_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="set lora_rank above 0"):
        ServerRollouts("http://h/v1", tiny("llama", trainable=True), SAMPLING, tmp_path, pytest.fail)


@pytest.mark.parametrize(("url", "says"), [("http://me:secret@h/v1", "holds a user name"), ("h:1", "no address")])
def test_an_address_that_is_broken_or_holds_a_secret_is_refused(policy, tmp_path, url, says):
    with pytest.raises(InputError, match=says) as caught:
        ServerRollouts(url, policy, SAMPLING, tmp_path, pytest.fail)
    assert "secret" not in str(caught.value)


def test_nobody_there_is_one_line(policy, prompts, tmp_path):
    engine = ServerRollouts("http://127.0.0.1:9/v1", policy, SAMPLING, tmp_path, pytest.fail, QUICK)
    with pytest.raises(InputError, match="no connection; start the server"):
        engine(prompts, 1, 7, 1)


@pytest.mark.parametrize("lacking", ["token_ids", "logprobs"])
def test_a_server_that_tells_too_little_is_refused(serve, policy, prompts, tmp_path, lacking):
    engine = engine_of(serve(tells=frozenset({"token_ids", "logprobs"} - {lacking})), policy, tmp_path)
    with pytest.raises(Unsupported, match=r"use vLLM 0\.10\.2 or newer"):
        engine(prompts, 1, 7, 1)


def test_a_server_that_ends_responses_where_the_policy_does_not_is_refused(serve, policy, prompts, tmp_path):
    common = ids(engine_of(serve(), policy, tmp_path)(prompts[:1], 1, 7, 1))[0][len(prompts[0])]
    engine = engine_of(serve(extra_end=common), policy, tmp_path)
    with pytest.raises(InputError, match=f"ended with token {common}, which ends none of the policy's"):
        engine(prompts[:1], 1, 7, 1)


def test_the_policy_s_own_rollouts_are_those_of_its_seed(policy, prompts):
    local = LocalRollouts(policy, SAMPLING)
    drawn = local(prompts, 2, 7, 1)
    rows, ended, _ = rollout(policy, prompts, 2, SAMPLING, 7)
    assert drawn.rows == rows
    assert drawn.ended.tolist() == ended.tolist()
    assert local.compare(drawn, sampled_logprobs(policy, rows, 0.8).detach()) == {}
