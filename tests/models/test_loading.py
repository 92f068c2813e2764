"""What a name stands for: a whole model, or an adapter of either kind with its base."""

import shutil

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from gyrocompass.config import Compute
from gyrocompass.errors import InputError
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.loading import load
from gyrocompass.models.scorer import end_scores

FP32 = Compute(precision="fp32")
LORA = Compute(precision="fp32", lora_rank=2)
ROWS = pad([Row([5, 6, 7, 8], 2), Row([9, 10, 11], 1)])


def trained(network, folder, checkpoint):
    """What the network computes on the rows once its adapters moved, and the folder of those adapters."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in network.trained.values():
            parameter.normal_(std=0.3)
    network.save(folder / "model")
    for file in checkpoint("llama").glob("token*"):
        shutil.copy(file, folder / "adapter")
    return str(folder / "adapter")


def test_a_scorer_s_adapter_scores_as_the_whole_one(tiny, checkpoint, tmp_path):
    network = tiny("llama", LORA, scalar=True, trainable=True)
    adapter = trained(network, tmp_path, checkpoint)
    expected = end_scores(network, ROWS).detach()
    assert expected.abs().min() > 1e-3
    for name in (adapter, str(tmp_path / "model")):
        torch.testing.assert_close(end_scores(load(name, FP32, scalar=True), ROWS), expected, atol=1e-4, rtol=1e-4)


def test_a_scorer_begins_from_a_policy_s_adapter(tiny, checkpoint, tmp_path):
    adapter = trained(tiny("llama", LORA, trainable=True), tmp_path, checkpoint)
    scorers = [load(name, FP32, scalar=True, trainable=True) for name in (adapter, str(tmp_path / "model"))]
    for scorer in scorers:
        assert (end_scores(scorer, ROWS) == 0).all()
        torch.nn.init.ones_(scorer.core.score.weight)
    one, other = (end_scores(scorer, ROWS) for scorer in scorers)
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # peft's own
def test_an_adapter_that_does_not_say_what_it_is_for_is_a_language_model_s(checkpoint, tmp_path):
    """PEFT's default."""
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(checkpoint("llama")), LoraConfig(r=2, init_lora_weights=False)
    )
    assert adapted.peft_config["default"].task_type is None
    adapted.save_pretrained(tmp_path)
    for file in checkpoint("llama").glob("token*"):
        shutil.copy(file, tmp_path)
    ids = ROWS.ids[:1]
    expected = adapted(ids).logits
    torch.testing.assert_close(load(str(tmp_path), FP32).model(ids).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("scalar", "part"), [(False, "layers.0."), (True, "score")])
def test_an_adapter_that_lacks_weights_is_named(tiny, checkpoint, tmp_path, scalar, part):
    adapter = trained(tiny("llama", LORA, scalar=scalar, trainable=True), tmp_path, checkpoint)
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    save_file({key: w for key, w in load_file(file).items() if part not in key}, file)
    with pytest.raises(InputError, match=r"not a whole adapter: .*missing") as caught:
        load(adapter, FP32, scalar=scalar)
    assert "\n" not in str(caught.value)


def test_a_language_model_is_no_scorer(checkpoint):
    with pytest.raises(InputError, match="a language model, which scores nothing; train a reward model") as caught:
        load(str(checkpoint("llama")), FP32, scalar=True)
    assert "\n" not in str(caught.value)
