import pytest
import torch

from gyrocompass.config import Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.loading import load
from gyrocompass.models.policy import LocalPolicy, with_room
from gyrocompass.models.scorer import RewardModel, end_scores
from gyrocompass.records import Example, user

ROWS = [Row([10, 11, 12, 13, 14, 15], 2), Row([20, 21, 22], 1), Row([30, 31, 32, 33], 3)]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_equal_those_of_the_full_logits(tiny, architecture, temperature):
    network = tiny(architecture)
    assert network.linear_head == (architecture != "gemma2")
    batch = pad(ROWS)
    found = network.logprobs(batch, temperature)
    logits = network.model(input_ids=batch.ids, attention_mask=torch.ones_like(batch.ids)).logits[:, :-1]
    expected = torch.log_softmax(logits / temperature, -1).gather(-1, batch.ids[:, 1:, None])[..., 0]
    torch.testing.assert_close(found, expected.masked_fill(~batch.mask, 0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_neither_padding_nor_neighbours_change_a_logprob_or_a_score(tiny, architecture):
    policy, scorer = tiny(architecture), tiny(architecture, scalar=True, trainable=True)
    torch.nn.init.normal_(scorer.model.score.weight)
    together, together_scores = policy.logprobs(pad(ROWS)), end_scores(scorer, pad(ROWS))
    for i, row in enumerate(ROWS):
        alone = policy.logprobs(pad([row]))[0]
        torch.testing.assert_close(alone, together[i, : len(row) - 1], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(end_scores(scorer, pad([row]))[0], together_scores[i], atol=1e-6, rtol=1e-5)


def test_a_fresh_scorer_scores_zero_and_an_own_one_comes_back(tiny, tmp_path):
    network = tiny("llama", scalar=True, trainable=True)
    examples = [Example(user("hi"), "yes"), Example(user("hi"), "no")]
    assert (RewardModel(network)(examples) == 0).all()
    torch.nn.init.normal_(network.model.score.weight)
    scorer = RewardModel(network)
    scorer.calibrate(examples)
    assert scorer(examples).mean() == pytest.approx(0, abs=1e-4)
    assert scorer(examples).std() == pytest.approx(1, abs=1e-4)
    network.save(tmp_path / "model")
    again = RewardModel(load(str(tmp_path / "model"), Compute(), scalar=True))
    assert again(examples) == pytest.approx(scorer(examples), abs=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "opt"])
def test_dropout_is_off(tiny, architecture):
    network = tiny(architecture, trainable=True)
    assert network.model.training
    batch = pad(ROWS)
    torch.testing.assert_close(network.logprobs(batch), network.logprobs(batch), atol=0, rtol=0)


def test_lora_trains_adapters_only_and_saves_a_merged_model(tiny, tmp_path):
    network = tiny("llama", Compute(lora_rank=2), trainable=True)
    assert all("lora" in name for name in network.trained)
    before = network.logprobs(pad(ROWS)).detach()
    with torch.no_grad():
        for name, parameter in network.trained.items():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    after = network.logprobs(pad(ROWS)).detach()
    with network.adapters_off():
        torch.testing.assert_close(network.logprobs(pad(ROWS)), before)
    assert not torch.allclose(after, before, atol=1e-3)
    network.save(tmp_path / "model")
    assert (tmp_path / "adapter" / "adapter_model.safetensors").exists()
    merged = load(str(tmp_path / "model"), Compute())
    torch.testing.assert_close(merged.logprobs(pad(ROWS)), after, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["nowhere/at-all", "/nonexistent"])
def test_a_model_that_isn_t_there_is_one_line(name):
    with pytest.raises(InputError, match="can't be loaded") as caught:
        load(name, Compute())
    assert "\n" not in str(caught.value)


def test_a_reward_model_is_no_policy(tiny, tmp_path):
    tiny("llama", scalar=True, trainable=True).save(tmp_path / "model")
    with pytest.raises(InputError, match="not a whole model: lm_head"):
        load(str(tmp_path / "model"), Compute())


def test_a_device_that_isn_t_there_is_one_line(checkpoint):
    for device in ("cuda", "abacus"):
        with pytest.raises(InputError, match="can't be used here"):
            load(str(checkpoint()), Compute(device=device))


def test_text_too_long_for_a_scorer_is_scored_without_its_end_and_counted(tiny):
    scorer = RewardModel(tiny("llama", Compute(max_tokens=40), scalar=True, trainable=True))
    assert scorer([Example(user("hi"), "yes"), Example(user("hi"), "no" * 40)]).shape == (2,)
    assert scorer.cut == 1
    with pytest.raises(InputError, match="fills the scorer"):
        scorer([Example(user("hi" * 40), "yes")])


def test_prompts_without_room_are_counted(tiny):
    network = tiny("llama", Compute(max_tokens=60))
    kept, notes = with_room(network, [user("a"), user("a" * 50)], Sampling(max_new_tokens=20))
    assert kept == [0]
    assert "1 of 2 prompts are longer than 39 tokens" in notes[0]
    with pytest.raises(InputError, match="lower max_new_tokens"):
        with_room(network, [user("a" * 50)], Sampling(max_new_tokens=20))


def test_the_same_seed_samples_the_same_and_rows_don_t_wait_for_each_other(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=24))
    prompts = [user("a" * i) for i in range(1, 6)]
    first = policy.sample(prompts, 3, seed=7)
    assert first == policy.sample(prompts, 3, seed=7) != policy.sample(prompts, 3, seed=8)
    assert [len(responses) for responses in first] == [3] * 5


def test_sampling_follows_the_model_s_probabilities(tiny):
    """First tokens of 4,000 samples against the softmax: chi-squared over the likeliest tokens."""
    from scipy.stats import chisquare

    from gyrocompass.models import decode

    network = tiny("gpt2")
    torch.manual_seed(1)
    torch.nn.init.normal_(network.model.transformer.wte.weight, std=0.3)
    n = 4000
    drawn = decode.sample(network, [[5, 6, 7], [8]], n, Sampling(max_new_tokens=1, temperature=1.3), 0)
    for prompt, responses in zip([[5, 6, 7], [8]], drawn, strict=True):
        logits = network.model(input_ids=torch.tensor([prompt])).logits[0, -1]
        p = torch.softmax(logits / 1.3, -1).detach()
        top = p.topk(20).indices.tolist()
        counts = [sum(r.ids[0] == token for r in responses) for token in top]
        expected = [float(p[token]) * n for token in top]
        rest = n - sum(counts), n - sum(expected)
        assert chisquare([*counts, rest[0]], [*expected, rest[1]]).pvalue > 1e-3


def test_left_padding_doesn_t_change_greedy_like_samples(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=8, temperature=1e-6))
    prompts = [user("a"), user("abcdefgh")]
    together = policy.sample(prompts, seed=0)
    assert together == [policy.sample([prompt], seed=0)[0] for prompt in prompts]


def test_a_prompt_as_long_as_the_context_is_refused(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=8))
    with pytest.raises(InputError, match="leaves no room"):
        policy.sample([user("a" * 300)])


def test_an_end_token_that_pads_too_is_learnt(tiny, tmp_path):
    """Where pad and end are one, transformers' embedding would keep that row as it is."""
    network = tiny("llama")
    network.core.config.pad_token_id = network.tokenizer.eos_token_id
    network.save(tmp_path)
    again = load(str(tmp_path), Compute(precision="fp32"), trainable=True)
    again.logprobs(pad([Row([network.tokenizer.eos_token_id, 5, 6, 7], 1)])).sum().backward()
    assert again.core.get_input_embeddings().weight.grad[network.tokenizer.eos_token_id].abs().sum() > 0
