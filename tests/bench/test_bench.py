"""The benchmarks run at their smallest size and count what they say they count; no test looks at a clock."""

import json
from dataclasses import replace

import pytest
import torch

from gyrocompass.config import Compute


@pytest.fixture(scope="module")
def smallest(bench):
    return replace(bench["workload"].SIZES["town"], batch=4, new_tokens=4)


COMPUTE = Compute(precision="fp32", device="cpu")


def test_every_stage_gives_its_laps_and_ppo_its_parts(bench, smallest):
    parts = {method: run(smallest, COMPUTE, 1) for method, run in bench["training"].METHODS.items()}
    assert parts["sft"].keys() == parts["reward"].keys() == {None}
    assert parts["ppo"].keys() == {None, "rollout", "log-probabilities", "scores", "update"}
    for laps in parts.values():
        for (lap,) in laps.values():
            assert min(lap.tokens, lap.seconds, sum(lap.work)) > 0
    whole, rest = parts["ppo"][None][0], parts["ppo"]["update"][0]
    assert whole.work.training == rest.work.training > 0


def test_forward_flops_are_two_per_parameter_and_token(bench, smallest):
    network = bench["workload"].build(smallest, COMPUTE)
    norms = sum(p.numel() for name, p in network.model.named_parameters() if "norm" in name)
    everything = sum(p.numel() for p in network.model.parameters())  # the head is the embedding
    assert bench["machine"].forward_flops(network, 10, 10) == 2 * 10 * (everything - norms)


def test_lengths_are_skewed_and_fit_the_context(bench):
    size = bench["workload"].size_of("15m")
    lengths = [len(e.response.split()) for e in bench["workload"].examples(size, 200)]
    ordered = sorted(lengths)
    assert ordered[100] == pytest.approx(size.response_tokens, rel=0.3)
    assert size.response_tokens < sum(lengths) / 200 < 2 * size.response_tokens
    assert ordered[-1] <= size.shape().max_position_embeddings // 2


def test_results_end_with_one_json_object(bench, capsys):
    machine, sampling = bench["machine"], bench["sampling"]
    limits, where = sampling.limits_of("town", (2,), COMPUTE, 1)
    laps, device_mib = sampling.measure("town", 2, COMPUTE, 2)
    assert device_mib is None or torch.cuda.is_available()
    machine.show([machine.row("town", "sample", None, 2, laps, limits[0])], {"town": limits}, where, True)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    (found,) = told["rows"]
    assert found["tokens_per_second_low"] <= found["tokens_per_second"] <= found["tokens_per_second_high"]
    assert found["n"] == 2
    assert found["ceiling_fraction"] > 0
    assert told["ceilings"][0]["training_flops_per_second"] > 0
    machine.show([machine.row("town", "sample", None, 2, laps, limits[0])], {"town": limits}, where, False)
    assert "tokens/s" in capsys.readouterr().out


def test_a_spread_is_the_median_with_its_quartiles(bench):
    assert bench["machine"].spread([1, 2, 3, 4, 5]) == (3, 2, 4, 5)
    with pytest.raises(ValueError, match="no number without data"):
        bench["machine"].spread([])


def test_the_suite_is_timed_whole(bench):
    assert bench["evaluation"].suite_seconds(60, 0) > 0
