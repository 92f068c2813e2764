import copy

import pytest
import torch

from gyrocompass.config import Compute
from gyrocompass.models import fused, linear


def gradients(module, x, weights):
    x = x.clone().requires_grad_()
    module.zero_grad()
    out = module(x)
    (out * weights).sum().backward()
    return [out.detach(), x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("part", ["norm", "mlp"])
def test_values_and_gradients_are_the_library_s(part):
    from transformers.models.llama.modeling_llama import LlamaConfig, LlamaMLP, LlamaRMSNorm

    torch.manual_seed(0)
    plain = (
        LlamaRMSNorm(24)
        if part == "norm"
        else LlamaMLP(LlamaConfig(hidden_size=24, intermediate_size=40, num_attention_heads=2))
    )
    for p in plain.parameters():
        p.data += 0.3 * torch.randn_like(p)
    ours = copy.deepcopy(plain)
    linear.install(ours)
    fused.install(ours)
    assert isinstance(ours, fused.RMSNorm | fused.GatedMLP)
    x, weights = torch.randn(2, 7, 24), torch.randn(2, 7, 24)
    for found, expected in zip(gradients(ours, x, weights), gradients(plain, x, weights), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_norm_of_another_kind_stays_the_library_s(tiny):
    norms = [m for m in tiny("gemma2", Compute(precision="fp32")).model.modules() if "RMSNorm" in type(m).__name__]
    assert norms
    assert not any(isinstance(norm, fused.RMSNorm) for norm in norms)


def test_layers_with_adapters_stay_apart(tiny):
    network = tiny("llama", Compute(precision="fp32", lora_rank=2), trainable=True)
    assert not any(isinstance(m, fused.GatedMLP) for m in network.model.modules())
    assert any(isinstance(m, fused.RMSNorm) for m in network.model.modules())
