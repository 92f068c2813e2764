"""Log-probabilities of chosen tokens from hidden states, without ever holding (tokens, vocabulary) logits."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .products import cast, matmul_t, outer, product_type

CHUNK_ELEMENTS = 1 << 22
"""Logits held at once on a CPU (16 MiB in fp32), which its caches like; never fewer than MIN_ROWS rows of them."""
GPU_CHUNK_ELEMENTS = 1 << 26
"""The same on a GPU (256 MiB), where few large products are faster than many small ones."""
MIN_ROWS = 128
"""Fewer rows a block would make its products slower than the memory saved is worth."""


def token_logprobs(
    hidden: Float[Tensor, "N D"],
    weight: Float[Tensor, "V D"],
    targets: Int[Tensor, "N"],
    temperature: float = 1.0,
    bias: Float[Tensor, "V"] | None = None,
) -> Float[Tensor, "N"]:
    """log softmax((hidden @ weight.T + bias) / temperature)[targets], nats, fp32, (N,).

    Logits are formed block by block in forward and formed again in backward, so memory grows with
    N + V and not with N * V. Under autocast the products run in its type, the sums in fp32.
    Raises: ValueError if temperature <= 0.
    """
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}, not above 0")
    result: Tensor = _TokenLogprobs.apply(hidden, weight, targets, temperature, bias)  # type: ignore[no-untyped-call]
    return result


class _TokenLogprobs(torch.autograd.Function):
    """d logp / d logits = onehot(target) - softmax(logits), per block."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        hidden, weight, targets, temperature, bias = inputs
        ctx.product_type, ctx.temperature = product_type(hidden), temperature
        logp = hidden.new_empty(len(hidden), dtype=torch.float32)
        lse = torch.empty_like(logp)
        w = cast(weight, ctx.product_type)
        for rows in _blocks(hidden, weight):
            logits = _logits(hidden[rows], w, bias, temperature)
            lse[rows] = logits.logsumexp(-1)
            logp[rows] = logits.gather(-1, targets[rows, None]).squeeze(-1) - lse[rows]
        ctx.save_for_backward(hidden, weight, targets, bias, lse)
        return torch.as_tensor(logp)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        hidden, weight, targets, bias, lse = ctx.saved_tensors
        w = cast(weight, ctx.product_type)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        grad_bias = None if bias is None else torch.zeros_like(bias)
        with torch.autocast(hidden.device.type, enabled=False):
            for rows in _blocks(hidden, weight):
                d_logits = _logits(hidden[rows], w, bias, ctx.temperature).sub_(lse[rows, None]).exp_().neg_()
                ones = torch.ones_like(targets[rows, None], dtype=d_logits.dtype)
                d_logits.scatter_add_(-1, targets[rows, None], ones)
                d_logits *= (grad[rows] / ctx.temperature)[:, None]
                if grad_bias is not None:
                    grad_bias += d_logits.sum(0)
                d_logits = d_logits.to(ctx.product_type)
                grad_hidden[rows] = matmul_t(d_logits, w.t()).to(hidden.dtype)
                if grad_weight is not None:
                    grad_weight += outer(d_logits, hidden[rows].to(ctx.product_type)).to(weight.dtype)
        return grad_hidden, grad_weight, None, None, grad_bias


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, temperature: float) -> Tensor:
    logits = matmul_t(hidden.to(weight.dtype), weight).float()
    if bias is not None:
        logits += bias
    return logits.div_(temperature) if temperature != 1.0 else logits


def _blocks(hidden: Tensor, weight: Tensor) -> list[slice]:
    n, elements = len(hidden), CHUNK_ELEMENTS if hidden.device.type == "cpu" else GPU_CHUNK_ELEMENTS
    size = max(MIN_ROWS, elements // len(weight))
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
