"""Attention over a packed layout, block by block, behind transformers' attention interface.

Without a layout in the call it is the library's scaled dot product attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..errors import Unsupported
from ..maths.products import product_type
from .layout import Block, Layout

BLOCK_ROWS = 16
"""Rows that decoding attends with at once, as far as the longest of them reaches."""

NAME = "gyrocompass"
"""What a model's config calls it."""

HARMLESS = frozenset(("position_ids", "cache_position", "use_cache", "is_causal", "num_items_in_batch"))
"""Arguments of the interface that change nothing here; any other one that is given is refused."""


def attention(
    module: nn.Module,
    query: Float[Tensor, "B H q D"],
    key: Float[Tensor, "B G k D"],
    value: Float[Tensor, "B G k D"],
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    extents: Sequence[int] | None = None,
    **more: Any,
) -> tuple[Float[Tensor, "B q H D"], None]:
    """Each query over the keys it may see. Raises Unsupported for what a layout can't do: windows, caps, sinks."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    asked = [name for name, given in more.items() if name not in HARMLESS and given is not None]
    if layout is not None:
        if asked or dropout:
            raise Unsupported(f"packed rows: attention takes no {', '.join(asked) or 'dropout'} there")
        out: Tensor = _Blocks.apply(query[0], key[0], value[0], layout, scale)  # type: ignore[no-untyped-call]
        return out[None], None
    decoding = query.shape[2] == 1 and query.device.type == "cpu" and not asked and not dropout
    if decoding and attention_mask is not None and attention_mask.is_floating_point():
        return _one_token(query, key, value, attention_mask, scale, extents or [key.shape[2]]), None
    found: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found


def _one_token(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float, extents: Sequence[int]
) -> Float[Tensor, "B 1 H D"]:
    """Attention of one query a row: on a CPU the library's kernel is slower than its three products.

    Of each block of rows (one alone, or of BLOCK_ROWS) only the first keys are read, as many as its extent says.
    """
    b, heads, _, d = query.shape
    q = (query * scale).to(key.dtype).view(b, key.shape[1], -1, d)
    size = b if len(extents) == 1 else BLOCK_ROWS
    outs = []
    for first, extent in zip(range(0, b, size), extents, strict=True):
        rows = slice(first, first + size)
        scores = (q[rows] @ key[rows, :, :extent].mT).add_(mask[rows, ..., :extent])
        outs.append(torch.softmax(scores, -1) @ value[rows, :, :extent])
    return torch.cat(outs).view(b, 1, heads, d)


class _Blocks(torch.autograd.Function):
    """softmax(scale Q K' + bias) V for every block. Heads are grouped: (G, N, H / G, D) for queries."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        query, key, value, layout, scale = inputs
        kind = product_type(query)
        heads, n, d = query.shape
        q = query.to(kind).mul(scale).view(len(key), -1, n, d).transpose(1, 2)
        k, v = key.to(kind), value.to(kind)
        weights, outs = [], []
        for block in layout.blocks:
            w = _seen(_queries(q, block) @ _keys(k, block).mT, block)
            weights.append(torch.softmax(w, -1))
            outs.append((weights[-1] @ _keys(v, block)).view(len(k), -1, heads // len(k), d))
        ctx.save_for_backward(q, k, v, *weights)
        ctx.layout, ctx.scale, ctx.types = layout, scale, (query.dtype, key.dtype, value.dtype)
        out = torch.cat(outs, 1).index_select(1, layout.query_source)
        return out.transpose(0, 1).reshape(n, heads, d)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        layout = ctx.layout
        q, k, v, *weights = ctx.saved_tensors
        groups, n, members, d = q.shape
        of_queries = sum(block.queries.numel() for block in layout.blocks)
        grad = q.new_zeros(groups, of_queries, members, d)
        grad[:, layout.query_source] = grads[0].to(q.dtype).view(n, groups, members, d).transpose(0, 1)
        q_parts, k_parts, v_parts, start = [], [], [], 0
        for block, w in zip(layout.blocks, weights, strict=True):
            end = start + block.queries.numel()
            g = grad[:, start:end].reshape(w.shape[0], -1, d)
            d_scores = torch._softmax_backward_data(g @ _keys(v, block).mT, w, -1, w.dtype)
            q_parts.append((d_scores @ _keys(k, block)).view(groups, -1, members, d))
            k_parts.append((d_scores.mT @ _queries(q, block)).view(groups, -1, d))
            v_parts.append((w.mT @ g).view(groups, -1, d))
            start = end
        d_query = torch.cat(q_parts, 1).index_select(1, layout.query_source).mul_(ctx.scale)
        found = (d_query.transpose(1, 2).reshape(-1, n, d), _gathered(k_parts, layout), _gathered(v_parts, layout))
        return *(x.to(kind) for x, kind in zip(found, ctx.types, strict=True)), None, None


def _queries(q: Float[Tensor, "G N M D"], block: Block) -> Float[Tensor, "Gb qM D"]:
    rows = q.index_select(1, block.queries.flatten())
    return rows.view(len(q) * len(block.queries), -1, q.shape[-1])


def _keys(k: Float[Tensor, "G N D"], block: Block) -> Float[Tensor, "Gb k D"]:
    return k.index_select(1, block.keys.flatten()).view(len(k) * len(block.keys), -1, k.shape[-1])


def _seen(scores: Float[Tensor, "Gb qM k"], block: Block) -> Float[Tensor, "Gb qM k"]:
    """Scores with -inf where a query doesn't see a key."""
    b, q, k = block.bias.shape
    scores.view(-1, b, q, scores.shape[1] // q, k).add_(block.bias[:, :, None].to(scores.dtype))
    return scores


def _gathered(parts: list[Tensor], layout: Layout) -> Float[Tensor, "G N D"]:
    """Gradients of keys or values from every block that looked at them."""
    flat = torch.cat(parts, 1)
    grad = flat.index_select(1, layout.key_source)
    if len(layout.shared):
        grad.index_add_(1, layout.shared, flat.index_select(1, layout.shared_source))
    return grad


def install(model: Any) -> bool:
    """Makes it a model's attention where that is the library's scaled dot product one. Whether it did."""
    if getattr(model.config, "_attn_implementation", None) != "sdpa":
        return False
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return bool(model.config._attn_implementation == NAME)
