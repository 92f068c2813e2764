"""Supervised fine-tuning: maximise the log-likelihood of responses given their prompts.

Source: Ouyang et al. 2022, arXiv:2203.02155, sec. 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from ..config import SFT
from ..errors import InputError
from ..maths.losses import Metrics, negative_log_likelihood
from ..models.batching import Padded, Passes, seed_of
from ..models.chat import Row
from ..models.network import Network
from .loop import Collected


class Micro(NamedTuple):
    batch: Padded
    total_tokens: int
    """Learnt tokens in the whole optimiser step."""


class Finetuning:
    """Each epoch passes over shuffled rows; a step's loss is the mean over its learnt tokens.

    Raises InputError if there is nothing to learn from.
    """

    def __init__(self, network: Network, rows: Sequence[Row], config: SFT, seed: int) -> None:
        if not rows:
            raise InputError("sft: there are no examples to learn from")
        self.networks: Mapping[str, Network] = {"policy": network}
        self.rows, self.config = rows, config
        self.passes = Passes(len(rows), config.batch_size, config.epochs, seed_of(seed, "sft"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        network, whole = self.networks["policy"], self.config.loss_on == "all"
        chosen = [self.rows[i] for i in self.passes.indices(step)]
        total = sum(len(row) - 1 if whole else row.n_response for row in chosen)
        cuts = network.cuts(chosen)
        micros = [Micro(network.batch([chosen[i] for i in cut], whole=whole), total) for cut in cuts]
        return Collected([micros], tokens=sum(map(len, chosen)))

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        batch = micro.batch
        logp = self.networks["policy"].masked_logprobs(batch)
        return negative_log_likelihood(logp, micro.total_tokens)
