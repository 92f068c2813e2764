"""Both sides of the sampling comparison do the same work; no test looks at a clock."""

import json

import pytest
import torch

from gyrocompass.config import Compute, Sampling
from gyrocompass.models import decode

COMPUTE = Compute(precision="fp32", device="cpu")


def test_generate_reads_the_same_weights_and_stops_at_the_same_ends(bench):
    sampling = bench["sampling"]
    network, prompts, _ = sampling._work("town", 6, COMPUTE)
    model = sampling.plain_model(network)
    ids = torch.tensor([prompts[0]])
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, network.core(ids).logits, atol=1e-4, rtol=1e-4)
    cold = Sampling(max_new_tokens=12, temperature=1e-6)
    drawn = decode.sample(network, prompts, 1, cold, 0)
    assert sampling.generated(network, model, prompts, cold, 0) == sum(len(response.ids) for (response,) in drawn)


def test_a_comparison_is_told_with_its_ratio(bench, monkeypatch):
    monkeypatch.setattr(decode, "CPU_ROWS", decode.CPU_ROWS)  # which the comparison sets
    sampling = bench["sampling"]
    rates = sampling.in_turns("town", 3, COMPUTE, 2)
    assert [len(found) for found in rates.values()] == [2, 2]
    assert min(map(min, rates.values())) > 0
    found = sampling.Duel("town", 3, {"ours": 8.0, "generate": 2.0}, 4.0, (3.5, 4.5), 2)
    one = json.loads(json.dumps(sampling.told([], {}, {}, [found])))
    assert one["method"] == "sample"
    assert one["tokens_per_second_ratio"] == one["against_generate"][0]["tokens_per_second_ratio"] == pytest.approx(4)
    assert "4.00x (quartiles 3.50-4.50, n = 2)" in sampling.as_text(found)
