"""Cutting an optimiser step into micro-batches of similar length, and padding each to its longest row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from .chat import Row
from .layout import Layout, Stretch, layout

PADDING_FRACTION = 0.1


@dataclass(frozen=True)
class Padded:
    """Right-padded rows. `mask[b, t]` is True where token t + 1 is a response token, predicted from t.

    Right padding under causal attention changes nothing to its left, so no attention mask is needed. With a
    `layout` the model reads the rows packed, and a prompt that several share once. A model's states, flattened, are
    looked up by position: `predicting` is where each masked token is predicted, `tokens` where each token is, `ends`
    where each row ends; `cells` and `entries` are the places of the first two in (B, T - 1) and (B, T), flattened.
    """

    ids: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T-1"]
    lengths: Int[Tensor, "B"]
    predicting: Int[Tensor, "M"]
    targets: Int[Tensor, "M"]
    cells: Int[Tensor, "M"]
    tokens: Int[Tensor, "N"]
    entries: Int[Tensor, "N"]
    ends: Int[Tensor, "B"]
    layout: Layout | None = None

    def to(self, device: torch.device) -> Padded:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if getattr(self, f.name) is not None}
        return Padded(**moved)


def pad(rows: Sequence[Row], *, whole: bool = False, packed: bool = False) -> Padded:
    """Rows padded to the longest with token 0, which nothing reads. With `whole`, prompt tokens count too."""
    lengths = np.array([len(row) for row in rows])
    width = int(lengths.max())
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros((len(rows), width - 1), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row.ids
        mask[i, 0 if whole else max(row.n_prompt - 1, 0) : len(row) - 1] = True
    places, one_row = _packed(rows, width) if packed else (np.arange(ids.size).reshape(ids.shape), None)
    row_of, column_of = mask.nonzero()
    token_row, token_column = (np.arange(width) < lengths[:, None]).nonzero()
    arrays = {
        "ids": ids,
        "mask": mask,
        "lengths": lengths,
        "predicting": places[row_of, column_of],
        "targets": ids[row_of, column_of + 1],
        "cells": row_of * (width - 1) + column_of,
        "tokens": places[token_row, token_column],
        "entries": token_row * width + token_column,
        "ends": places[np.arange(len(rows)), lengths - 1],
    }
    return Padded(**{name: torch.from_numpy(array) for name, array in arrays.items()}, layout=one_row)


def _packed(rows: Sequence[Row], width: int) -> tuple[NDArray[np.int64], Layout]:
    """Where each row's tokens lie, (B, T), when rows lie end to end and each prompt once; and that layout.

    Responses to one prompt see it, and none sees another.
    """
    places = np.zeros((len(rows), width), dtype=np.int64)
    ids: list[int] = []
    stretches: list[Stretch] = []
    known: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(rows):
        prompt = known.setdefault(row.prompt, len(ids))
        shared = row.n_prompt if prompt < len(ids) else 0
        own = len(row) - shared
        places[i, :shared] = np.arange(prompt, prompt + shared)
        places[i, shared : len(row)] = np.arange(len(ids), len(ids) + own)
        if own:
            stretches.append(Stretch(len(ids), own, prompt if shared else 0, shared))
        ids += row.ids[shared:]
    return places, layout(ids, stretches)


def micro_batches(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Indices sorted by length and cut so that rows x longest row <= budget (at least one row each).

    A micro-batch larger than an eighth of the budget is also cut before its padding passes PADDING_FRACTION.
    """
    cuts: list[list[int]] = []
    filled = 0  # tokens in the last cut, padding aside
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        padded = (len(cuts[-1]) + 1) * lengths[i] if cuts else 0
        tight = padded - filled - lengths[i] <= PADDING_FRACTION * padded or padded <= budget_tokens // 8
        if cuts and padded <= budget_tokens and tight:
            cuts[-1].append(i)
            filled += lengths[i]
        else:
            cuts.append([i])
            filled = lengths[i]
    return cuts


def tokens_read(rows: Sequence[Row]) -> int:
    """Tokens of rows that lie end to end, each prompt counted once."""
    return sum(row.n_response for row in rows) + sum(map(len, {row.prompt for row in rows}))


def by_prompt(rows: Sequence[Row], budget_tokens: int) -> list[list[int]]:
    """Indices of rows of one prompt together, as far as the budget goes."""
    groups: list[list[int]] = []
    last: dict[tuple[int, ...], list[int]] = {}
    filled: dict[tuple[int, ...], int] = {}  # tokens in the last group of a prompt
    for i, row in enumerate(rows):
        prompt = row.prompt
        if prompt not in last or filled[prompt] + row.n_response > budget_tokens:
            last[prompt], filled[prompt] = [], row.n_prompt
            groups.append(last[prompt])
        last[prompt].append(i)
        filled[prompt] += row.n_response
    return groups


def packed_batches(lengths: Sequence[int], budget_tokens: int) -> list[list[int]]:
    """Indices sorted by length and cut where they pass the budget, so that most parts are of one size."""
    cuts: list[list[int]] = [[]]
    filled = 0
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if cuts[-1] and filled + lengths[i] > budget_tokens:
            cuts.append([])
            filled = 0
        cuts[-1].append(i)
        filled += lengths[i]
    return cuts


@dataclass(frozen=True)
class Passes:
    """`epochs` shuffled passes over n items in steps of about `batch_size`, another order each time.

    A pass is cut into ceil(n / batch_size) steps whose sizes differ by at most one.
    """

    n: int
    batch_size: int
    epochs: int
    seed: int

    @property
    def per_epoch(self) -> int:
        return -(-self.n // self.batch_size)

    @property
    def steps(self) -> int:
        return self.epochs * self.per_epoch

    def indices(self, step: int) -> list[int]:
        """The items of a step; steps count from 1."""
        epoch, part = divmod(step - 1, self.per_epoch)
        return shuffled(self.n, seed_of(self.seed, epoch))[part :: self.per_epoch]


def shuffled(n: int, seed: int) -> list[int]:
    """A permutation of range(n), the same one for the same seed on every device."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()


def seed_of(seed: int, *names: int | str) -> int:
    """A seed of its own for every purpose: stage, step, pass. Stable across processes and versions."""
    digest = hashlib.sha256(repr((seed, *names)).encode()).digest()
    return int.from_bytes(digest[:7], "big")
