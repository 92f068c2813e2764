"""Statistics over the entries where a mask is True."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def mean(x: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of x where mask is True, over all axes. NaN if the mask is empty."""
    return x.masked_fill(~mask, 0).sum() / mask.sum()


def whiten(x: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """(x - mean) / std over the masked entries, population std; 0 outside the mask.

    An all-equal x gives zeros. Differs from source: always subtracts the mean.
    Source: Huang et al. 2024, arXiv:2403.17031, 'advantage whitening'.
    """
    centred = (x - mean(x, mask)).masked_fill(~mask, 0)
    std = mean(centred.square(), mask).sqrt()
    return centred / (std + 1e-8)


def last_index(mask: Bool[Tensor, "B T"]) -> Int[Tensor, "B"]:
    """Position of each row's last True, (B,) int64. Rows without one give 0."""
    positions = torch.arange(mask.shape[1], device=mask.device)
    return (positions * mask).amax(dim=1)
