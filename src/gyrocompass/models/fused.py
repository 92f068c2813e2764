"""Norms and gated layers as single functions with gradients of their own: fewer passes, and less kept for backward.

A module is only taken over when it answers random input as before; whatever differs stays the library's.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..maths.products import cast, matmul_t, outer, product_type
from .linear import OneDNNLinear


class RMSNorm(nn.Module):
    """w x / sqrt(mean(x^2) + eps), in fp32, given in the type of the products that read it.

    Source: Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4.
    """

    weight: nn.Parameter
    variance_epsilon: float

    def forward(self, hidden_states: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            normed: Tensor = _RMSNorm.apply(hidden_states, self.weight, self.variance_epsilon)  # type: ignore[no-untyped-call]
            return normed
        return _normed(hidden_states, self.weight, _scale(hidden_states, self.variance_epsilon))


def _scale(x: Float[Tensor, "*N D"], epsilon: float) -> Float[Tensor, "*N 1"]:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    scale: Tensor = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
    return scale


def _normed(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    normed: Tensor = (x * scale).mul_(weight)
    return normed.to(product_type(x))


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "*N D"], weight: Float[Tensor, "D"], epsilon: float) -> Tensor:
        scale = _scale(x, epsilon)
        ctx.save_for_backward(x, weight, scale)
        return _normed(x, weight, scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        along = grads[0] * x
        d_weight = None
        if ctx.needs_input_grad[1]:
            d_weight = scale.reshape(1, -1).to(along.dtype) @ along.flatten(0, -2)
            d_weight = d_weight[0].to(weight.dtype)
        towards = (along @ weight.to(along.dtype)[:, None]).mul_(scale.pow(3)).div_(x.shape[-1])
        d_x = (grads[0] * weight).mul_(scale).sub_(x * towards)
        return d_x.to(x.dtype), d_weight, None


class GatedMLP(nn.Module):
    """down(silu(gate(x)) * up(x)). Source: Shazeer 2020, arXiv:2002.05202, SwiGLU."""

    gate_proj: OneDNNLinear
    up_proj: OneDNNLinear
    down_proj: OneDNNLinear

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.gate_proj.weight, self.up_proj.weight, self.down_proj.weight)
        if torch.is_grad_enabled():
            out: Tensor = _Gated.apply(x, *weights)  # type: ignore[no-untyped-call]
            return out
        _, gate, up, w_down = _projected(x, weights)
        return matmul_t(F.silu(gate).mul_(up), w_down)


def _projected(x: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, its gate and its up projection, and the last weight, in the type of products."""
    kind = product_type(x)
    w_gate, w_up, w_down = (cast(w, kind) for w in weights)
    x = x.to(kind)
    return x, matmul_t(x, w_gate), matmul_t(x, w_up), w_down


class _Gated(torch.autograd.Function):
    """Keeps the gate and the up projection; their product is made again in backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        x, gate, up, w_down = _projected(x, weights)
        ctx.save_for_backward(x, gate, up, *weights)
        return matmul_t(F.silu(gate).mul_(up), w_down)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, gate, up, *weights = ctx.saved_tensors
        w_gate, w_up, w_down = (cast(w, x.dtype) for w in weights)
        _, *needed = ctx.needs_input_grad
        grad = grads[0]
        passed = F.silu(gate)
        d_inner = matmul_t(grad, w_down.t())
        d_down = outer(grad, passed * up) if needed[2] else None
        d_up = d_inner * passed
        d_gate = torch.ops.aten.silu_backward(d_inner.mul_(up), gate)
        d_x = matmul_t(d_gate, w_gate.t()).add_(matmul_t(d_up, w_up.t()))
        d_ws = (outer(d_gate, x) if needed[0] else None, outer(d_up, x) if needed[1] else None, d_down)
        return d_x, *(None if d is None else d.to(w.dtype) for d, w in zip(d_ws, weights, strict=True))


def install(model: nn.Module) -> None:
    """Takes over the norms and gated layers of a model on a CPU. Weights, names and saving stay as they are."""
    for module in list(model.modules()):
        weights = module._parameters
        if isinstance(getattr(module, "variance_epsilon", None), float) and list(weights) == ["weight"]:
            _take_over(module, RMSNorm, len(module.get_parameter("weight")))
        elif _is_gated(module):
            _take_over(module, GatedMLP, module.get_parameter("gate_proj.weight").shape[1])


def _is_gated(module: nn.Module) -> bool:
    layers = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    return all(isinstance(layer, OneDNNLinear) and layer.bias is None for layer in layers)


@torch.no_grad()
def _take_over(module: nn.Module, kind: type[nn.Module], width: int) -> None:
    weight = next(module.parameters())
    if weight.device.type != "cpu":
        return
    x = torch.randn(1, 3, width, generator=torch.Generator().manual_seed(0)).to(weight)
    expected, own = module(x), type(module)
    module.__class__ = type(own.__name__, (kind, own), {})
    if not torch.allclose(module(x), expected, atol=1e-6, rtol=1e-4):
        module.__class__ = own
