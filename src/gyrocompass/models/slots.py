"""A key-value cache whose rows are slots: where one sequence ended another goes on, and nothing is copied to grow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from .attention import BLOCK_ROWS
from .network import Network

EXTENT_TOKENS = 16
"""Attention reads a multiple of so many positions, so that few shapes occur."""

PROBE_TOKENS = 24
"""Length of the sequences by which a network shows whether slots suit it: over one extent, and into the next."""

_suited: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


class Slots(Cache):  # type: ignore[misc]
    """Keys and values of up to `rows` sequences of up to `length` tokens, allocated at the first use.

    Say where the next forward pass writes, `fill` or `step`, then run it. The rows in use are the first ones.
    """

    def __init__(self, n_layers: int, rows: int, length: int, dtype: torch.dtype) -> None:
        self.rows, self.length, self.dtype = rows, _rounded(length), dtype
        self._writer = _Writer()
        super().__init__(layers=[_Layer(self._writer, rows, self.length, dtype) for _ in range(n_layers)])

    def fill(self, first: int, source: Int[Tensor, "R"]) -> None:
        """The next pass reads right-padded beginnings; slot first + i gets those of row source[i]."""
        in_order = source.tolist() == list(range(len(source)))
        self._writer.write = partial(_fill, first=first, source=source, in_order=in_order)

    def step(self, positions: Int[Tensor, "R"], longest: int) -> Float[Tensor, "R 1 1 L"]:
        """The next pass reads one token of each of the first R slots, at these positions, all below `longest`.

        Returns the additive attention mask of that pass: 0 up to each row's own position, -inf beyond.
        """
        rows = torch.arange(len(positions), device=positions.device)
        seen = torch.arange(_rounded(longest), device=positions.device)
        self._writer.write = _Append(rows, positions, len(seen))
        mask = torch.zeros(len(rows), len(seen), dtype=self.dtype, device=positions.device)
        return mask.masked_fill_(seen > positions[:, None], -torch.inf)[:, None, None]

    def move(self, source: Int[Tensor, "M"], target: Int[Tensor, "M"], longest: int) -> None:
        """Copies the first `longest` positions of some slots to other slots."""
        for layer in self.layers:
            for states in (layer.keys, layer.values) if layer.is_initialized else ():
                states[target, :, :longest] = states[source, :, :longest]


def fits(network: Network, length: int) -> bool:
    """Whether the network may decode sequences of this length in slots.

    Its layers must attend to all that came before; the first call with a network tries it out.
    """
    layers = _layers(network)
    plain = all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)
    if not layers or not plain or any(getattr(layer, "sliding_window", length) < length for layer in layers):
        return False
    if network.core not in _suited:
        _suited[network.core] = _suits(network)
    return _suited[network.core]


def allocate(network: Network, rows: int, length: int) -> Slots:
    """Slots in the type that the network's attention computes in."""
    return Slots(len(_layers(network)), rows, length, network.autocast_type or network.core.dtype)


def read(network: Network, ids: Int[Tensor, "B T"], slots: Slots, first: int, source: Int[Tensor, "R"]) -> None:
    """Reads right-padded beginnings of sequences into the slots from `first` on; see `Slots.fill`."""
    slots.fill(first, source)
    network.core.base_model(input_ids=ids, past_key_values=slots, use_cache=True)


def next_logits(
    network: Network, tokens: Int[Tensor, "R"], positions: Int[Tensor, "R"], slots: Slots, longest: int
) -> Float[Tensor, "R V"]:
    """Logits of what follows one more token in each of the first R slots; see `Slots.step`."""
    mask = slots.step(positions, longest)
    in_blocks = {"extents": _extents(positions.tolist())} if network.packs else {}
    out = network.core(
        input_ids=tokens[:, None],
        attention_mask=mask,
        position_ids=positions[:, None],
        past_key_values=slots,
        use_cache=True,
        **in_blocks,
    )
    logits: Tensor = out.logits[:, -1]
    return logits


class _Writer:
    """What all layers of one cache do with new states: `write(buffer, states)` gives those to attend to."""

    write: Callable[[Tensor, Tensor], Tensor]


class _Layer(DynamicLayer):  # type: ignore[misc]
    def __init__(self, writer: _Writer, rows: int, length: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.writer, self.rows, self.length, self.dtype = writer, rows, length, dtype

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.device = key_states.device
        self.keys, self.values = (
            torch.zeros(self.rows, states.shape[1], self.length, states.shape[3], dtype=self.dtype, device=self.device)
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        write = self.writer.write
        return write(self.keys, key_states), write(self.values, value_states)

    def get_seq_length(self) -> int:
        """Beginnings have nothing before them, and steps bring positions and mask with them."""
        return 0


def _fill(into: Tensor, states: Tensor, first: int, source: Tensor, in_order: bool) -> Tensor:
    into[first : first + len(source), :, : states.shape[2]] = states[: len(source)] if in_order else states[source]
    return states


class _Append:
    """One token of each row to its position; the places of all heads are looked up once for all layers."""

    def __init__(self, rows: Tensor, positions: Tensor, extent: int) -> None:
        self.rows, self.positions, self.extent = rows, positions, extent
        self.cells: dict[tuple[int, int], Tensor] = {}

    def __call__(self, into: Tensor, states: Tensor) -> Tensor:
        _, heads, length, width = into.shape
        if (heads, length) not in self.cells:
            first = self.rows[:, None] * heads + torch.arange(heads, device=self.rows.device)
            self.cells[heads, length] = (first * length + self.positions[:, None]).flatten()
        new = states[:, :, 0].reshape(-1, width).to(into.dtype)
        into.view(-1, width).index_copy_(0, self.cells[heads, length], new)
        return into[: len(self.rows), :, : self.extent]


def _extents(positions: list[int]) -> list[int]:
    """How far attention looks in each block of rows."""
    return [_rounded(max(positions[i : i + BLOCK_ROWS]) + 1) for i in range(0, len(positions), BLOCK_ROWS)]


def _rounded(length: int) -> int:
    return -(-length // EXTENT_TOKENS) * EXTENT_TOKENS


def _layers(network: Network) -> list[Any]:
    layers: list[Any] = DynamicCache(config=network.core.config).layers
    return layers


def _suits(network: Network) -> bool:
    """Whether two sequences decoded in slots get the logits of a plain forward pass."""
    core = network.core
    if not getattr(core, "_supports_attention_backend", False) or network.max_tokens < PROBE_TOKENS:
        return False
    with torch.inference_mode(), torch.autocast(network.device.type, enabled=False):
        try:
            expected, found = _probe(network)
        except Exception:  # whatever a model of another build stumbles over
            return False
    tolerance = 1e-3 if core.dtype == torch.float32 else 0.1
    return bool((found - expected).abs().max() <= tolerance * expected.std())


def _probe(network: Network) -> tuple[Tensor, Tensor]:
    """Logits at the last positions of two sequences of different length: plain, and in slots."""
    vocabulary = network.core.get_input_embeddings().weight.shape[0]
    starts = (PROBE_TOKENS - 9, 2)
    steps = 9
    ids = torch.arange(2 * PROBE_TOKENS, device=network.device).view(2, -1) * 7 % vocabulary
    plain = network.core(input_ids=ids, use_cache=False).logits.float()
    slots = Slots(len(_layers(network)), 2, PROBE_TOKENS, network.core.dtype)
    read(network, ids[:, : max(starts)], slots, 0, torch.arange(2, device=network.device))
    positions = torch.tensor(starts, device=network.device)
    expected, found = [], []
    for _ in range(steps):
        expected.append(plain[[0, 1], positions])
        found.append(next_logits(network, ids[[0, 1], positions], positions, slots, int(positions.max()) + 1))
        positions = positions + 1
    return torch.stack(expected), torch.stack(found).float()
