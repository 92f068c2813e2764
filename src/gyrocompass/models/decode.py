"""Sampling many responses at once with a key-value cache: prompts share their prefill, finished rows leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..config import Sampling
from .network import Network

ROWS_TOKENS = 1 << 16
"""Cache positions held at once: rows x (prompt + new tokens)."""


def sample(
    network: Network, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int
) -> list[list[list[int]]]:
    """n sampled responses a prompt, as token ids up to and including the end token where one came.

    Tokens are drawn from softmax(logits / temperature), untruncated, so that their log-probabilities are
    those that training computes. The same seed, prompts and n give the same responses.
    """
    generator = torch.Generator(network.device).manual_seed(seed)
    responses: list[list[list[int]]] = [[] for _ in prompts]
    was_training = network.model.training
    network.model.eval()
    with torch.inference_mode(), network.autocast():
        for group in _groups(prompts, n, sampling.max_new_tokens):
            tokens = _decode(network, [prompts[i] for i in group], n, sampling, generator)
            for row, i in enumerate(group):
                responses[i] = tokens[row * n : (row + 1) * n]
    network.model.train(was_training)
    return responses


def end_ids(network: Network) -> list[int]:
    """Every token that ends a response: the tokenizer's, and those of the generation config."""
    configured = network.core.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [configured]
    return sorted({network.tokenizer.eos_token_id, *(i for i in more if i is not None)})


def _groups(prompts: Sequence[Sequence[int]], n: int, new: int) -> Iterator[list[int]]:
    """Prompts of similar length together, as many as the cache may hold."""
    group: list[int] = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if group and (len(group) + 1) * n * (len(prompts[i]) + new) > ROWS_TOKENS:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _decode(
    network: Network, prompts: list[Sequence[int]], n: int, sampling: Sampling, generator: torch.Generator
) -> list[list[int]]:
    from transformers import DynamicCache

    device, model = network.device, network.core
    ends = torch.tensor(end_ids(network), device=device)
    ids, attention = _left_pad(prompts, device)
    cache = DynamicCache(config=model.config)
    logits = _step(model, ids, attention, (attention.cumsum(1) - 1).clamp(min=0), cache)
    if n > 1:
        cache.batch_repeat_interleave(n)
        logits, attention = logits.repeat_interleave(n, 0), attention.repeat_interleave(n, 0)
    rows = len(prompts) * n
    new = sampling.max_new_tokens
    out = torch.full((rows, new), -1, device=device)
    alive = torch.arange(rows, device=device)  # which row of `out` each row of the batch writes
    for t in range(new):
        probabilities = torch.softmax(logits.float() / sampling.temperature, -1)
        token = torch.multinomial(probabilities, 1, generator=generator)
        out[alive, t] = token[:, 0]
        going = ~torch.isin(token[:, 0], ends)
        if t + 1 == new or not bool(going.any()):
            break
        keep = going.nonzero()[:, 0]
        if len(keep) < len(alive):
            cache.batch_select_indices(keep)
            alive, attention, token = alive[keep], attention[keep], token[keep]
        attention = torch.cat([attention, attention.new_ones(len(alive), 1)], 1)
        logits = _step(model, token, attention, attention.sum(1, keepdim=True) - 1, cache)
    return [row[: _first(row, -1)] for row in out.tolist()]


def _step(model: Any, ids: Tensor, attention: Tensor, positions: Tensor, cache: Any) -> Tensor:
    out = model(
        input_ids=ids,
        attention_mask=attention,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = out.logits[:, -1]
    return logits


def _left_pad(rows: list[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)
    attention = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, attention


def _first(row: list[int], value: int) -> int:
    return row.index(value) if value in row else len(row)
