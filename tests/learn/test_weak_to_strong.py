import numpy as np
import pytest
import torch

from gyrocompass.config import Compute, WeakToStrong
from gyrocompass.errors import InputError
from gyrocompass.learn import loop
from gyrocompass.learn.weak_to_strong import WeakSupervision
from gyrocompass.models.cases import case_logits, encode_cases, logits_of
from gyrocompass.records import Example, Preference, user
from gyrocompass.run import Run


def singles(n):
    return [Example(user(f"q{i}"), ("good" if i % 2 else "evil") + "!" * (i % 3), label=i % 2 == 1) for i in range(n)]


def pairs(n):
    return [Preference(user(f"q{i}"), "good" + "!" * (i % 3), "evil" + "!" * (i % 2)) for i in range(n)]


def gold(cases):
    return np.array([float(i % 2) if isinstance(case, Example) else 1.0 for i, case in enumerate(cases)])


def taught(tiny, folder, cases, labels, *, scalar=True, confident=False, **changes):
    network = tiny("llama", Compute(precision="fp32"), scalar=scalar, trainable=True)
    config = WeakToStrong(**{"learning_rate": 3e-3, "batch_size": 16, "epochs": 3} | changes)
    method = WeakSupervision(network, encode_cases(network, cases)[0], labels, config, 0, confident=confident)
    loop.train(method, config, Run.open(folder, {"seed": 0}, quiet=True), "student")
    return network


def right(network, cases):
    return np.mean((logits_of(network, encode_cases(network, cases)[0]) > 0) == (gold(cases) > 0.5))


@pytest.mark.parametrize("confident", [False, True])
def test_it_learns_what_the_labels_say(tiny, tmp_path, confident):
    network = taught(tiny, tmp_path / "run", singles(120), gold(singles(120)), confident=confident)
    assert right(network, singles(200)) > 0.9


def test_of_pairs_a_causal_lm_learns_to_find_the_better_one_likelier(tiny, tmp_path):
    network = taught(tiny, tmp_path / "run", pairs(120), gold(pairs(120)), scalar=False)
    assert right(network, pairs(200)) > 0.9


def test_errors_anywhere_are_averaged_out(tiny, tmp_path):
    cases = singles(240)
    wrong = np.random.default_rng(0).random(240) < 0.25
    network = taught(tiny, tmp_path / "run", cases, np.where(wrong, 1 - gold(cases), gold(cases)))
    assert right(network, singles(300)[240:]) > 0.9


def test_gradients_do_not_depend_on_how_a_step_is_cut(tiny):
    found = []
    for tokens in (24, 4096):
        network = tiny("llama", Compute(precision="fp32", micro_batch_tokens=tokens), scalar=True, trainable=True)
        torch.manual_seed(1)
        network.core.score.weight.data.normal_(0, 1)
        config = WeakToStrong(batch_size=16, epochs=1, confidence_warmup=0.0)
        cases = singles(16)
        labels = np.linspace(0.1, 0.9, 16)
        method = WeakSupervision(network, encode_cases(network, cases)[0], labels, config, 0, confident=True)
        (micros,) = method.collect(1).batches
        for micro in micros:
            method.loss(micro)[0].backward()
        found.append((len(micros), network.core.score.weight.grad.clone()))
    assert found[0][0] > 1 == found[1][0]
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def test_the_threshold_is_read_from_the_whole_step(tiny):
    network = tiny("llama", Compute(precision="fp32", micro_batch_tokens=24), scalar=True, trainable=True)
    network.core.score.weight.data.normal_(0, 1)
    config = WeakToStrong(batch_size=16, epochs=5)
    method = WeakSupervision(
        network, encode_cases(network, singles(16))[0], np.full(16, 0.25), config, 0, confident=True
    )
    collected = method.collect(5)
    (micros,) = collected.batches
    logits = torch.cat([case_logits(network, micro.batch) for micro in micros])
    assert len({micro.threshold for micro in micros}) == 1
    assert int((logits > micros[0].threshold).sum()) == 4
    assert {micro.weight for micro in micros} == {0.5} == {collected.metrics["own_weight"]}
    assert method.collect(1).metrics["own_weight"] == 0.0


def test_nothing_to_learn_from_is_refused(tiny):
    with pytest.raises(InputError, match="no cases"):
        WeakSupervision(tiny("llama", scalar=True, trainable=True), [], np.zeros(0), WeakToStrong(), 0)
