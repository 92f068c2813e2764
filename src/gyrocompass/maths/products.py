"""Matrix products on a CPU through oneDNN, in fp32 as well as in bf16.

PyTorch sends fp32 products to its BLAS, which on some processors reaches half of what oneDNN does with the same
numbers (relative error 1e-6 between them). Elsewhere, and where oneDNN can't, these are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

HAS_ONEDNN = torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
BF16 = HAS_ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported()
ONEDNN_TYPES = (torch.float32, torch.bfloat16) if BF16 else (torch.float32,)
"""Its bf16 needs AVX512 or better; elsewhere PyTorch's own does."""
_casts: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] | None = None
"""Each weight, held so that its id stays its own, with its cast."""


def matmul_t(x: Float[Tensor, "*N D"], weight: Float[Tensor, "F D"]) -> Float[Tensor, "*N F"]:
    """x @ weight.T, without a gradient. Both of one type."""
    if not (HAS_ONEDNN and x.device.type == "cpu" and x.dtype in ONEDNN_TYPES):
        return F.linear(x, weight)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


def outer(grad: Float[Tensor, "*N F"], x: Float[Tensor, "*N D"]) -> Float[Tensor, "F D"]:
    """grad.T @ x over all rows: the gradient of a weight."""
    return matmul_t(grad.flatten(0, -2).t(), x.flatten(0, -2).t())


@contextmanager
def unchanged_weights() -> Iterator[None]:
    """Within it weights don't change, so each is cast once: half as much memory again, until its end."""
    global _casts
    outer, _casts = _casts, {}
    try:
        yield
    finally:
        _casts = outer


def cast(weight: Float[Tensor, "F D"], kind: torch.dtype) -> Float[Tensor, "F D"]:
    """A weight in the type of products, without a gradient."""
    if weight.dtype == kind or _casts is None:
        return weight.to(kind)
    if (id(weight), kind) not in _casts:
        _casts[id(weight), kind] = weight, weight.detach().to(kind)
    return _casts[id(weight), kind][1]


def product_type(x: Tensor) -> torch.dtype:
    """The type in which products with x run: autocast's, or its own."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
