"""Where tokens lie when a model reads them: rows packed end to end, each attending to itself alone.

Packed, no padding meets the model, and the two responses of a pair share one copy of their prompt: both attend to it,
and neither to the other. What attends to what is said by blocks, which `attention.py` computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

WASTED_FRACTION = 0.25
"""Of a block's query-key products, how many may be padding before another block is begun."""


@dataclass(frozen=True)
class Block:
    """b stretches of queries and the keys they look at, as positions of a layout, padded to the longest.

    `bias` is 0 where a query sees a key, and -inf elsewhere.
    """

    queries: Int[Tensor, "b q"]
    keys: Int[Tensor, "b k"]
    bias: Float[Tensor, "b q k"]

    def to(self, device: torch.device) -> Block:
        return Block(self.queries.to(device), self.keys.to(device), self.bias.to(device))


@dataclass(frozen=True)
class Layout:
    """N tokens in one row, and where each is found among all blocks' queries and keys, laid flat.

    A token is the key of its own stretch (`key_source`), and a shared prompt's (`shared`) of another one too.
    """

    ids: Int[Tensor, "1 N"]
    positions: Int[Tensor, "1 N"]
    blocks: tuple[Block, ...]
    query_source: Int[Tensor, "N"]
    key_source: Int[Tensor, "N"]
    shared: Int[Tensor, "S"]
    shared_source: Int[Tensor, "S"]

    def to(self, device: torch.device) -> Layout:
        blocks = tuple(block.to(device) for block in self.blocks)
        sources = (self.query_source, self.key_source, self.shared, self.shared_source)
        return Layout(self.ids.to(device), self.positions.to(device), blocks, *(s.to(device) for s in sources))


class Stretch(NamedTuple):
    """`length` tokens from `start` on; each sees `prefix_length` tokens from `prefix` on, and its own up to itself."""

    start: int
    length: int
    prefix: int = 0
    prefix_length: int = 0

    @property
    def keys(self) -> int:
        return self.prefix_length + self.length


def layout(ids: Sequence[int], stretches: Sequence[Stretch]) -> Layout:
    """The layout of tokens cut into stretches, which cover each of them once.

    Some tokens 0 that nothing reads may follow: few sizes are met then, for each of which oneDNN makes a program.
    """
    filler = -len(ids) % _granule(len(ids))
    if filler:
        ids, stretches = [*ids, *[0] * filler], [*stretches, Stretch(len(ids), filler)]
    positions, query_source, key_source = (np.empty(len(ids), dtype=np.int64) for _ in range(3))
    shared, shared_source = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    blocks, queries, keys = [], 0, 0
    for group in _groups(stretches):
        block = _block(group)
        for i, s in enumerate(group):
            own, first_key = slice(s.start, s.start + s.length), keys + i * block.keys.shape[1]
            positions[own] = np.arange(s.prefix_length, s.keys)
            query_source[own] = queries + i * block.queries.shape[1] + np.arange(s.length)
            key_source[own] = first_key + np.arange(s.prefix_length, s.keys)
            shared.append(np.arange(s.prefix, s.prefix + s.prefix_length))
            shared_source.append(first_key + np.arange(s.prefix_length))
        queries, keys = queries + block.queries.numel(), keys + block.keys.numel()
        blocks.append(block)
    arrays = (query_source, key_source, np.concatenate(shared), np.concatenate(shared_source))
    one = torch.tensor(ids, dtype=torch.long)[None]
    return Layout(one, torch.from_numpy(positions)[None], tuple(blocks), *map(torch.from_numpy, arrays))


def _granule(n: int) -> int:
    """A 32nd to a 16th of n, a power of two."""
    return max(1 << max(n.bit_length() - 5, 0), 1)


def _groups(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """Stretches of similar shape together."""
    groups: list[list[Stretch]] = []
    widest, needed = 0, 0  # of the last group
    for s in sorted(stretches, key=lambda s: (s.keys, s.length)):
        widest, needed = max(widest, s.length), needed + s.length * s.keys
        if groups and needed >= (1 - WASTED_FRACTION) * (len(groups[-1]) + 1) * widest * s.keys:
            groups[-1].append(s)
        else:
            groups.append([s])
            widest, needed = s.length, s.length * s.keys
    return groups


def _block(group: Sequence[Stretch]) -> Block:
    wide, deep = max(s.length for s in group), max(s.keys for s in group)
    queries = np.zeros((len(group), wide), dtype=np.int64)
    keys = np.zeros((len(group), deep), dtype=np.int64)
    for i, s in enumerate(group):
        own = np.arange(s.start, s.start + s.length)
        queries[i, : s.length] = own
        keys[i, : s.keys] = np.concatenate([np.arange(s.prefix, s.prefix + s.prefix_length), own])
    first = np.array([s.prefix_length for s in group])[:, None, None]
    unseen = np.arange(deep)[None, None] > first + np.arange(wide)[None, :, None]
    bias = np.where(unseen, -np.inf, 0.0).astype(np.float32)
    return Block(torch.from_numpy(queries), torch.from_numpy(keys), torch.from_numpy(bias))
