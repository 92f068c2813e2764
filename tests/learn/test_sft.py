import pytest
import torch

import gyrocompass.models.network as network_module
from gyrocompass.config import SFT
from gyrocompass.errors import InputError
from gyrocompass.learn.sft import Finetuning
from gyrocompass.models.chat import Row

ROWS = [Row([10, 11, 12, 13], 2), Row([20, 21, 22, 23, 24], 3)]


def loss_of(network, config):
    method = Finetuning(network, ROWS, config, 0)
    return sum(float(method.loss(micro)[0]) for micro in next(iter(method.collect(1).batches)))


@pytest.mark.parametrize("loss_on", ["response", "all"])
def test_the_loss_is_transformers_own_on_the_same_tokens(tiny, loss_on):
    """Labels of -100 mark what transformers leaves out; both means run over the learnt tokens of both rows."""
    network = tiny("llama")
    total, count = 0.0, 0
    for row in ROWS:
        ids = torch.tensor([row.ids])
        labels = ids.clone()
        labels[:, : row.n_prompt if loss_on == "response" else 1] = -100
        learnt = int((labels[:, 1:] != -100).sum())
        total += float(network.model(input_ids=ids, labels=labels).loss) * learnt
        count += learnt
    assert loss_of(network, SFT(loss_on=loss_on)) == pytest.approx(total / count, abs=1e-5)


def test_only_response_tokens_meet_the_head(tiny, monkeypatch):
    network = tiny("llama")
    seen = []
    original = network_module.token_logprobs
    monkeypatch.setattr(network_module, "token_logprobs", lambda h, *a: seen.append(len(h)) or original(h, *a))
    loss_of(network, SFT())
    assert sum(seen) == sum(row.n_response for row in ROWS)


def test_nothing_to_learn_from_is_refused(tiny):
    with pytest.raises(InputError, match="no examples"):
        Finetuning(tiny("llama"), [], SFT(), 0)
