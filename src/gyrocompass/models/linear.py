"""Linear layers whose products run through oneDNN on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..maths.products import HAS_ONEDNN, cast, matmul_t, outer, product_type


class OneDNNLinear(nn.Linear):
    """nn.Linear whose products, and those of its gradients, are `matmul_t`'s."""

    def forward(self, input: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            product: Tensor = _Linear.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return product
        return _product(input, self.weight, self.bias)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    kind = product_type(x)
    product = matmul_t(x.to(kind), cast(weight, kind))
    return product if bias is None else product.add_(bias.to(kind))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x = x.to(product_type(x))
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        grad = grads[0]
        return (
            matmul_t(grad, cast(weight, grad.dtype).t()) if for_x else None,
            outer(grad, x).to(weight.dtype) if for_weight else None,
            grad.flatten(0, -2).sum(0).to(weight.dtype) if ctx.has_bias and for_bias else None,
        )


def install(model: nn.Module) -> None:
    """Makes every plain linear layer of a model on a CPU a OneDNNLinear. Weights, names and saving stay as they are."""
    for module in model.modules():
        if type(module) is nn.Linear and module.weight.device.type == "cpu" and HAS_ONEDNN:
            module.__class__ = OneDNNLinear
