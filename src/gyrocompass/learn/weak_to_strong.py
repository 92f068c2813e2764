"""A student learns a classifier from labels that a weaker supervisor gave.

Source: Burns et al. 2023, arXiv:2312.09390, sec. 4: naive finetuning, and the auxiliary confidence loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..config import WeakToStrong
from ..errors import InputError
from ..maths.losses import Metrics
from ..maths.weak_to_strong import adaptive_threshold, confidence_weight, weak_supervision
from ..models.batching import Passes, seed_of
from ..models.cases import CaseBatch, CaseRows, case_batches, case_logits
from ..models.network import Network
from ..protocols import Floats
from .loop import Collected


class Micro(NamedTuple):
    batch: CaseBatch
    weak: Float[Tensor, "B"]
    weight: float
    """Of the student's own opinion."""
    threshold: float
    total_cases: int
    """Cases in the whole optimiser step."""


class WeakSupervision:
    """Each epoch passes over shuffled cases; a step's loss is the mean over its cases.

    `labels` are the supervisor's probabilities of a yes, (len(cases),). With `confident` the student's own opinion
    counts too; the step's threshold is read from all its cases before the update.
    Raises InputError if there is nothing to learn from.
    """

    def __init__(
        self,
        network: Network,
        cases: Sequence[CaseRows],
        labels: Floats,
        config: WeakToStrong,
        seed: int,
        *,
        confident: bool = False,
    ) -> None:
        if not cases:
            raise InputError("weak-to-strong: there are no cases to learn from")
        self.networks: Mapping[str, Network] = {"student": network}
        self.cases, self.config, self.confident = cases, config, confident
        self.labels = torch.tensor(labels, dtype=torch.float32, device=network.device)
        self.passes = Passes(len(cases), config.batch_size, config.epochs, seed_of(seed, "cases"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        chosen = self.passes.indices(step)
        network, config = self.networks["student"], self.config
        batches = case_batches(network, self.cases, chosen)
        weight = threshold = 0.0
        if self.confident:
            weight = confidence_weight((step - 1) / self.steps, config.confidence_weight, config.confidence_warmup)
            threshold = self._threshold(batches)
        micros = [Micro(batch, self.labels[batch.indices], weight, threshold, len(chosen)) for batch in batches]
        tokens = sum(len(row) for i in chosen for row in self.cases[i])
        return Collected([micros], tokens, {"own_weight": weight} if self.confident else {})

    @torch.no_grad()
    def _threshold(self, batches: Sequence[CaseBatch]) -> float:
        logits = torch.cat([case_logits(self.networks["student"], batch) for batch in batches])
        return adaptive_threshold(logits, torch.cat([self.labels[batch.indices] for batch in batches]))

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        logits = case_logits(self.networks["student"], micro.batch)
        return weak_supervision(logits, micro.weak, micro.weight, micro.threshold, micro.total_cases)
