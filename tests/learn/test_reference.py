import torch

from gyrocompass.config import Compute, Sampling
from gyrocompass.learn import reference
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import Example, Preference, user

RECORDS = [Preference(user(f"q{i}" * (1 + i % 4)), "good" * (1 + i % 3), "evil") for i in range(9)]


def test_log_probabilities_come_in_the_order_of_the_pairs(tiny, monkeypatch):
    monkeypatch.setattr(reference, "BLOCK_PAIRS", 4)
    network, ticks = tiny("llama", Compute(precision="fp32", micro_batch_tokens=64)), []
    found = reference.logprobs(network, encode_pairs(network, RECORDS)[0], ticks.append)
    examples = [Example(p.prompt, text) for p in RECORDS for text in (p.first, p.second)]
    expected = LocalPolicy(network, Sampling()).logprobs(examples).reshape(-1, 2)
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), atol=1e-4, rtol=1e-5)
    assert ticks == [4, 8, 9]


def test_what_is_kept_is_read_back_for_the_same_key_only(tmp_path):
    calls = []

    def compute(value):
        calls.append(value)
        return torch.full((2, 2), value)

    file = tmp_path / "kept" / "reference.safetensors"
    assert reference.kept(file, "a", lambda: compute(1.0)).unique().tolist() == [1.0]
    before = file.stat().st_mtime_ns
    assert reference.kept(file, "a", lambda: compute(2.0)).unique().tolist() == [1.0]
    assert file.stat().st_mtime_ns == before
    assert reference.kept(file, "b", lambda: compute(3.0)).unique().tolist() == [3.0]
    file.write_bytes(b"broken")
    assert reference.kept(file, "b", lambda: compute(4.0)).unique().tolist() == [4.0]
    assert calls == [1.0, 3.0, 4.0]


def test_the_key_knows_tokens_borders_and_weights(tiny):
    network = tiny("llama", Compute(precision="fp32"))
    pairs = encode_pairs(network, RECORDS)[0]
    keys = {
        reference.key_of(network, "w", pairs),
        reference.key_of(network, "v", pairs),
        reference.key_of(network, "w", pairs[:-1]),
        reference.key_of(network, "w", pairs[::-1]),
        reference.key_of(tiny("llama", Compute(precision="bf16")), "w", pairs),
    }
    assert len(keys) == 5
    assert reference.key_of(network, "w", encode_pairs(network, RECORDS)[0]) in keys


def test_the_hash_of_weights_sees_every_weight_and_no_adapter(tiny):
    plain = reference.hash_of_weights(tiny("llama"))
    adapted = tiny("llama", Compute(lora_rank=2), trainable=True, seed=3)
    assert reference.hash_of_weights(adapted) == plain
    changed = tiny("llama")
    with torch.no_grad():
        changed.core.lm_head.weight[0, 0] += 1e-3
    assert reference.hash_of_weights(changed) != plain
