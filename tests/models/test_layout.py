import pytest
import torch

from gyrocompass.config import Compute
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.layout import Stretch, layout
from gyrocompass.models.pairs import PairRows, pair_batches, pair_logprobs, pair_scores

ROWS = [Row([5, 9, 7, 4, 8, 1], 2), Row([6, 1], 1), Row([7, 8, 9, 4, 5, 6, 7, 8, 9, 1], 4), Row([4, 4, 1], 2)]
PAIRS = [
    PairRows(Row([5, 6, 7, 8, 9, 1], 3), Row([5, 6, 7, 4, 1], 3), 1.0, 0.0),
    PairRows(Row([9, 1], 1), Row([9, 8, 7, 6, 5, 4, 4, 1], 1), 0.0, 0.0),
    PairRows(Row([4, 5, 4, 5, 4, 5, 7, 1], 6), Row([4, 5, 4, 5, 4, 5, 8, 9, 1], 6), 0.5, 0.0),
]
FP32 = Compute(precision="fp32")


def gradient(network, loss):
    network.model.zero_grad(set_to_none=True)
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.trained.values() if p.grad is not None])


def test_each_token_is_a_query_once_and_a_key_in_its_own_stretch():
    found = layout([5, 6, 7, 8, 9], [Stretch(0, 3), Stretch(3, 2, 0, 2)])
    queries = torch.cat([block.queries.flatten() for block in found.blocks])
    keys = torch.cat([block.keys.flatten() for block in found.blocks])
    everything = torch.arange(found.ids.shape[1])
    assert torch.equal(queries[found.query_source], everything)
    assert torch.equal(keys[found.key_source], everything)
    assert torch.equal(keys[found.shared_source], found.shared)
    assert found.positions[0, :5].tolist() == [0, 1, 2, 2, 3]


def test_a_response_sees_the_prompt_and_itself_and_nothing_else():
    found = layout([5, 6, 7, 8, 9, 4], [Stretch(0, 4), Stretch(4, 2, 0, 2)])
    seen = {}
    for block in found.blocks:
        for queries, keys, bias in zip(block.queries, block.keys, block.bias, strict=True):
            for q, row in zip(queries.tolist(), bias, strict=True):
                seen.setdefault(q, {k for k, b in zip(keys.tolist(), row.tolist(), strict=True) if b == 0})
    assert seen[3] == {0, 1, 2, 3}
    assert seen[5] == {0, 1, 4, 5}


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_packed_rows_are_read_as_padded_ones(tiny, family):
    network = tiny(family, FP32, trainable=True)
    assert network.packs
    padded, packed = pad(ROWS), network.batch(ROWS)
    assert packed.layout is not None
    torch.testing.assert_close(network.logprobs(packed), network.logprobs(padded), atol=1e-5, rtol=1e-5)
    weights = torch.arange(padded.mask.numel()).view(padded.mask.shape) / 7
    expected = gradient(network, (network.logprobs(padded) * weights).sum())
    found = gradient(network, (network.logprobs(packed) * weights).sum())
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_checkpointed_activations_are_made_again_over_the_same_layout(tiny):
    kept, remade = (
        tiny("llama", Compute(precision="fp32", gradient_checkpointing=on), trainable=True) for on in (False, True)
    )
    expected, found = (gradient(n, n.logprobs(n.batch(ROWS)).sum()) for n in (kept, remade))
    torch.testing.assert_close(found, expected)


def test_a_shared_prompt_changes_nothing_but_the_work(tiny):
    network = tiny("llama", FP32, trainable=True)
    (batch,) = pair_batches(network, PAIRS, range(3))
    read = sum(len(pair.first) + pair.second.n_response for pair in PAIRS)
    assert read <= batch.rows.layout.ids.numel() <= read * 1.07
    first, second = pair_logprobs(network, batch)
    chosen = [PAIRS[i] for i in batch.indices]
    padded = pad([pair.first for pair in chosen] + [pair.second for pair in chosen])
    expected = network.logprobs(padded).sum(1)
    torch.testing.assert_close(torch.cat([first, second]), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        gradient(network, (first - 2 * second).sum()),
        gradient(network, (expected[:3] - 2 * expected[3:]).sum()),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_prompt_that_many_responses_share_is_read_once(tiny, family):
    network = tiny(family, FP32, trainable=True)
    prompt = [5, 6, 7, 8, 9, 4, 5, 6]
    rows = [Row([*prompt, *[4 + i] * (1 + i), 1], 8) for i in range(5)] + ROWS
    padded, packed = pad(rows), network.batch(rows)
    read = 8 + sum(row.n_response for row in rows[:5]) + sum(map(len, ROWS))
    assert read <= packed.layout.ids.numel() <= read * 1.07
    torch.testing.assert_close(network.logprobs(packed), network.logprobs(padded), atol=1e-5, rtol=1e-5)
    weights = torch.arange(padded.mask.numel()).view(padded.mask.shape) / 7
    expected, found = (gradient(network, (network.logprobs(b) * weights).sum()) for b in (padded, packed))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_scores_of_a_shared_prompt_are_those_of_two_rows(tiny):
    network = tiny("llama", FP32, scalar=True, trainable=True)
    with torch.no_grad():
        network.core.score.weight.normal_()
    (batch,) = pair_batches(network, PAIRS, range(3))
    chosen = [PAIRS[i] for i in batch.indices]
    padded = pad([pair.first for pair in chosen] + [pair.second for pair in chosen])
    found = torch.cat(pair_scores(network, batch))
    torch.testing.assert_close(found, network.scalars_at(padded, padded.ends), atol=1e-5, rtol=1e-5)


def test_prompts_that_differ_are_read_apart(tiny):
    network = tiny("llama", FP32)
    odd = [PairRows(Row([5, 6, 1], 2), Row([5, 7, 1], 2), 1.0, 0.0)]
    (batch,) = pair_batches(network, odd, [0])
    expected = network.logprobs(pad([odd[0].first, odd[0].second])).sum(1)
    torch.testing.assert_close(torch.cat(pair_logprobs(network, batch)), expected, atol=1e-5, rtol=1e-5)


def test_windows_and_caps_of_attention_are_left_to_the_library(tiny):
    assert not tiny("gemma2", FP32).packs
