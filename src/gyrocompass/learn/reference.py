"""The reference's log-probabilities of pairs: computed once, before training, and kept in a file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import InputError
from ..models.network import Network
from ..models.pairs import PairRows, pair_batches, pair_logprobs

BLOCK_PAIRS = 512
"""Pairs sorted by length together."""
TOLERANCE_NATS = {None: 1e-3, torch.bfloat16: 2e-2}
"""By how much a token's log-probability may differ between two readings of the same weights."""


@torch.no_grad()
def logprobs(
    network: Network, pairs: Sequence[PairRows], tick: Callable[[int], object] = lambda done: None
) -> Float[Tensor, "N 2"]:
    """Summed log-probabilities of each pair's first and second response, nats, on the network's device."""
    out = torch.zeros(len(pairs), 2, device=network.device)
    for start in range(0, len(pairs), BLOCK_PAIRS):
        block = range(start, min(start + BLOCK_PAIRS, len(pairs)))
        for batch in pair_batches(network, pairs, block):
            out[batch.indices] = torch.stack(pair_logprobs(network, batch), 1)
        tick(block.stop)
    return out


def kept(file: Path, key: str, compute: Callable[[], Tensor]) -> Tensor:
    """The tensor in `file` if it was made for `key`, else computed, and written beside and moved into place."""
    found = _read(file, key)
    if found is None:
        found = compute().cpu().contiguous()
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".partial")
        save_file({"logprobs": found}, beside, metadata={"key": key})
        beside.replace(file)
    return found


def _read(file: Path, key: str) -> Tensor | None:
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as saved:
            known: Tensor = saved.get_tensor("logprobs")
            return known if (saved.metadata() or {}).get("key") == key else None
    except SafetensorError:
        return None


def key_of(network: Network, weights: str, pairs: Sequence[PairRows]) -> str:
    """What log-probabilities depend on, hashed: the weights, the type of the products, and every token."""
    digest = hashlib.sha256(f"{weights} {network.autocast_type}".encode())
    for pair in pairs:
        for row in (pair.first, pair.second):
            digest.update(repr((row.n_prompt, row.ids)).encode())
    return digest.hexdigest()


def hash_of_weights(network: Network) -> str:
    """The same for the same weights under any names; adapters don't count."""
    digests = sorted(
        hashlib.sha256(parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()).digest()
        for name, parameter in network.model.named_parameters()
        if "lora_" not in name
    )
    return hashlib.sha256(b"".join(digests)).hexdigest()


def check_start(
    policy: Network,
    logp: Float[Tensor, "*shape"],
    reference: Float[Tensor, "*shape"],
    tokens: Float[Tensor, "*shape"],
) -> None:
    """Raises InputError if the reference is not the policy as it is now.

    Then no log-ratio is 0, and DPO's loss is not ln 2 before the first step.
    Args: logp, reference: of the same responses, nats; tokens: how many each holds.
    """
    gap = float(((logp - reference).abs() / tokens).mean())
    if not gap <= TOLERANCE_NATS[policy.autocast_type]:
        raise InputError(
            f"reference: log-probabilities differ from the policy's by {gap:.2g} nats a token before the first step, "
            f"so the loss would not start at ln 2 = {math.log(2):.4f}: the policy carries a trained adapter, or the "
            "reference is another model's; start from the merged model, or name the reference you mean"
        )
