from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gyrocompass.config import Compute, Sampling
from gyrocompass.models import decode, slots
from gyrocompass.models.decode import draw
from gyrocompass.models.policy import rollout, sampled_logprobs

PROMPTS = [[*range(5, 5 + length)] for length in (1, 9, 3, 30, 2, 9, 17, 4)]


@pytest.fixture
def lively(tiny):
    """A tiny network whose next tokens differ: random weights of some size."""

    def make(architecture="llama", compute=None, **options):
        network = tiny(architecture, compute, **options)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in network.core.parameters():
                if parameter.ndim == 2:
                    parameter.normal_(std=0.2, generator=generator)
        network.core.generation_config.eos_token_id = list(range(200, 257))
        return network

    return make


def argmaxes(network, prompt, new):
    """Step-by-step argmax of full forward passes."""
    ends, ids = set(decode.end_ids(network)), list(prompt)
    while len(ids) < len(prompt) + new and (len(ids) == len(prompt) or ids[-1] not in ends):
        with torch.no_grad():
            ids.append(int(network.core(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.fixture
def in_slots(monkeypatch):
    """in_slots(bool): whether every network fits."""
    return lambda wanted: monkeypatch.setattr(slots, "fits", lambda network, length: wanted)


def sample(*given):
    """The responses' tokens."""
    return [[response.ids for response in several] for several in decode.sample(*given)]


@pytest.mark.parametrize("fits", [True, False])
def test_log_probabilities_are_those_that_training_computes(lively, in_slots, fits):
    network, sampling = lively(), Sampling(max_new_tokens=9, temperature=1.3)
    in_slots(fits)
    drawn = rollout(network, PROMPTS, 3, sampling, 0)
    expected = sampled_logprobs(network, drawn.rows, 1.3)
    torch.testing.assert_close(drawn.logprobs, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize("fits", [True, False])
def test_cold_samples_are_the_argmax_of_full_forward_passes(lively, in_slots, architecture, fits):
    network = lively(architecture)
    in_slots(fits)
    cold = Sampling(max_new_tokens=20, temperature=1e-6)
    found = sample(network, PROMPTS, 1, cold, 0)
    assert found == [[argmaxes(network, prompt, 20)] for prompt in PROMPTS]
    assert len({len(response) for (response,) in found}) > 2


def test_neither_slots_nor_how_many_change_a_response(lively, in_slots, monkeypatch):
    network, sampling = lively(), Sampling(max_new_tokens=16)
    found = sample(network, PROMPTS, 3, sampling, 5)
    for rows in (2, 7):
        monkeypatch.setattr(decode, "CPU_ROWS", rows)
        assert sample(network, PROMPTS, 3, sampling, 5) == found
    monkeypatch.setattr(decode, "ROWS_TOKENS", 100)
    assert sample(network, PROMPTS, 3, sampling, 5) == found
    in_slots(False)
    assert sample(network, PROMPTS, 3, sampling, 5) == found
    assert sample(network, PROMPTS, 3, sampling, 6) != found


def test_responses_stop_at_their_first_end_token_or_at_the_limit(lively):
    network, sampling = lively(), Sampling(max_new_tokens=12)
    ends = set(decode.end_ids(network))
    drawn = [r for responses in sample(network, PROMPTS, 20, sampling, 0) for r in responses]
    assert len(drawn) == 20 * len(PROMPTS)
    for response in drawn:
        assert not ends & set(response[:-1])
        assert response[-1] in ends or len(response) == 12
    assert {len(response) for response in drawn} >= {1, 2, 3, 12}


@pytest.mark.parametrize("fits", [True, False])
def test_each_prompt_may_have_a_limit_of_its_own(lively, in_slots, fits):
    """Responses are those without limits, cut; and no token is read past the context, of which `gpt2` has 256."""
    network, sampling = lively("gpt2"), Sampling(max_new_tokens=12)
    in_slots(fits)
    whole = sample(network, PROMPTS, 6, sampling, 0)
    limits = [1 + i % 12 for i in range(len(PROMPTS))]
    found = decode.sample(network, PROMPTS, 6, sampling, 0, limits)
    cut = [[response[:limit] for response in several] for several, limit in zip(whole, limits, strict=True)]
    assert [[response.ids for response in several] for several in found] == cut
    long = decode.sample(network, [[5] * 250, [5]], 2, sampling, 0, [6, 12])
    assert max(len(response.ids) for response in long[0]) <= 6


def test_waiting_prompts_take_freed_slots_together_and_the_rows_in_flight_shrink(lively, monkeypatch):
    reads, steps = [], []
    read, step = slots.read, slots.next_logits

    def reading(network, ids, cache, first, source):
        reads.append((first, len(source)))
        read(network, ids, cache, first, source)

    def stepping(network, tokens, *rest):
        steps.append(len(tokens))
        return step(network, tokens, *rest)

    monkeypatch.setattr(slots, "read", reading)
    monkeypatch.setattr(slots, "next_logits", stepping)
    monkeypatch.setattr(decode, "CPU_ROWS", 8)
    network = lively()
    assert slots.fits(network, 40)
    reads.clear()
    steps.clear()
    found = sample(network, [[5 + i, 6, 7] for i in range(40)], 1, Sampling(max_new_tokens=16), 0)
    assert sum(steps) == sum(len(response) for (response,) in found)  # no row is computed in vain
    assert sum(count for _, count in reads) == 40
    assert len(reads) > 3
    assert any(first > 0 for first, _ in reads)
    assert all(count >= 2 for _, count in reads[:-1])
    assert max(steps) == 8
    assert steps[-1] < 8


def test_samples_of_one_prompt_share_its_reading(lively, monkeypatch):
    network, reads = lively(), []
    read = slots.read
    assert slots.fits(network, 40)
    monkeypatch.setattr(slots, "read", lambda *given: (reads.append(given[1].shape), read(*given)))
    sample(network, [[5, 6, 7], [8, 9, 10]], 16, Sampling(max_new_tokens=2), 0)
    assert reads == [(2, 2)]


def test_the_model_s_mode_stays_and_adapters_count(lively):
    network = lively(compute=Compute(precision="fp32", lora_rank=2), trainable=True)
    with torch.no_grad():
        for name, parameter in network.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    cold = Sampling(max_new_tokens=6, temperature=1e-6)
    found = sample(network, PROMPTS, 1, cold, 0)
    assert network.model.training
    assert found == [[argmaxes(network, prompt, 6)] for prompt in PROMPTS]
    with network.adapters_off():
        assert sample(network, PROMPTS, 1, cold, 0) != found


def test_bf16_samples(lively):
    network = lively(compute=Compute(precision="bf16"))
    assert slots.fits(network, 40)
    found = sample(network, PROMPTS, 2, Sampling(max_new_tokens=6), 0)
    assert found == sample(network, PROMPTS, 2, Sampling(max_new_tokens=6), 0)


def test_no_prompts_no_responses(tiny):
    assert sample(tiny(), [], 2, Sampling(), 0) == []


def test_an_interval_of_uniform_numbers_belongs_to_each_token():
    """p = 1/2, 0, 1/4, 1/4."""
    logits = torch.tensor([[2.0, 0.0, 1.0, 1.0]]).log().expand(6, 4)
    uniforms = torch.tensor([2**-53, 0.5, 0.51, 0.75, 0.76, 1.0], dtype=torch.float64)
    assert draw(logits, 1.0, uniforms)[0].tolist() == [0, 0, 2, 2, 3, 3]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1 << 30), st.sampled_from([2, 50, 1000]), st.floats(0.3, 3))
def test_a_token_of_probability_zero_is_never_drawn(seed, vocabulary, temperature):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(64, vocabulary, generator=generator) * 3
    impossible = torch.rand(64, vocabulary, generator=generator) < 0.7
    impossible[:, vocabulary // 2] = False
    logits[impossible] = -torch.inf
    uniforms = 1 - torch.rand(64, generator=generator, dtype=torch.float64)
    uniforms[:3] = torch.tensor([2**-53, 1 - 2**-53, 1])
    assert not impossible.gather(1, draw(logits, temperature, uniforms)[0][:, None]).any()


def test_draws_follow_the_softmax():
    logits = torch.linspace(-2, 2, 30)
    n = 20_000
    uniforms = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = np.bincount(draw(logits.expand(n, -1), 1.3, uniforms)[0].numpy(), minlength=30)
    assert chisquare(counts, n * torch.softmax(logits.double() / 1.3, -1).numpy()).pvalue > 1e-3


def test_end_tokens_are_the_tokenizer_s_and_those_of_the_generation_config():
    config = SimpleNamespace(eos_token_id=[9, 2])
    network = SimpleNamespace(core=SimpleNamespace(generation_config=config), tokenizer=SimpleNamespace(eos_token_id=5))
    assert decode.end_ids.__wrapped__(network) == [2, 5, 9]
