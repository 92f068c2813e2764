"""Process reward models: learnt from labels of steps, or implicitly from labels of outcomes; and what steps then earn.

Source: Lightman et al. 2023, arXiv:2305.20050; Wang et al. 2023, arXiv:2312.08935; Yuan et al. 2024, arXiv:2412.01981.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..config import Optimisation
from ..errors import InputError
from ..maths.losses import Metrics, step_cross_entropy
from ..maths.steps import Aggregate, progress
from ..models.batching import Padded, Passes, seed_of
from ..models.network import Network
from ..models.policy import reference_logprobs
from ..models.steps import Graded, StepRow, StepScorer, positions
from ..records import Example
from .loop import Collected


class Micro(NamedTuple):
    batch: Padded
    rows: list[StepRow]
    reference: Float[Tensor, "M"]
    """Log-probability of each labelled beginning under the reference, nats; empty where there is none."""
    total: int
    """Labels in the whole optimiser step."""


class ProcessRewardModelling:
    """Each epoch passes over shuffled chains; a step's loss is the mean over its chains' steps that count.

    Raises InputError if there are no chains.
    """

    def __init__(self, network: Network, rows: Sequence[StepRow], config: Optimisation, seed: int) -> None:
        if not rows:
            raise InputError("process: there are no labelled chains to learn from")
        self.networks: Mapping[str, Network] = {"process": network}
        self.network, self.rows = network, rows
        self.passes = Passes(len(rows), config.batch_size, config.epochs, seed_of(seed, "process"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        chosen = self.passes.indices(step)
        total = sum(len(self.rows[i].labels) for i in chosen)
        micros = []
        for cut in self.network.cuts([self.rows[i].row for i in chosen]):
            indices = [chosen[i] for i in cut]
            rows = [self.rows[i] for i in indices]
            micros.append(Micro(self.network.batch([row.row for row in rows]), rows, self._reference(indices), total))
        return Collected([micros], tokens=sum(len(self.rows[i]) for i in chosen))

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        logits = self._logits(micro)
        labels = logits.new_tensor([label for row in micro.rows for label in row.labels])
        return step_cross_entropy(logits, labels, micro.total)

    def _logits(self, micro: Micro) -> Float[Tensor, "M"]:
        return self.network.scalars_at(micro.batch, positions(micro.batch, [row.ends for row in micro.rows]))

    def _reference(self, indices: Sequence[int]) -> Float[Tensor, "M"]:
        return torch.zeros(0)


class ImplicitRewardModelling(ProcessRewardModelling):
    """A language model whose beta log pi(y_<=t) / pi_ref(y_<=t) is the logit of a response's being right up to t.

    `reference` None means the policy with its adapters off.
    Source: Yuan et al. 2024, arXiv:2412.01981, eq. 5 and 6 (cross-entropy). Differs from source: nothing for labels of
    outcomes; labels of steps are learnt by the same formula at each step's end.
    """

    def __init__(
        self,
        policy: Network,
        reference: Network | None,
        rows: Sequence[StepRow],
        config: Optimisation,
        beta: float,
        seed: int,
    ) -> None:
        super().__init__(policy, rows, config, seed)
        self.networks, self.beta = {"policy": policy}, beta
        logprobs = reference_logprobs(policy, reference, [row.row for row in rows], 1.0)
        self.reference = up_to(logprobs, rows)

    def _logits(self, micro: Micro) -> Float[Tensor, "M"]:
        return self.beta * (torch.cat(up_to(self.network.logprobs(micro.batch), micro.rows)) - micro.reference)

    def _reference(self, indices: Sequence[int]) -> Float[Tensor, "M"]:
        return torch.cat([self.reference[i] for i in indices])


def up_to(logprobs: Float[Tensor, "B t"], rows: Sequence[StepRow]) -> list[Float[Tensor, "_"]]:
    """For each row, the log-probability of its response up to the end of each step that counts, nats."""
    sums = logprobs.cumsum(1)
    return [sums[b, [end - 1 for end in row.ends]] for b, row in enumerate(rows)]


@dataclass(frozen=True)
class StepReward:
    """A StepPay: a step earns how far it moves the chain's aggregate, so that a chain earns its aggregate.

    If `myopic` it earns its own score, the overseer's approval, whatever comes of it (MONA, Farquhar et al. 2025,
    arXiv:2501.13011).
    """

    scorer: StepScorer
    by: Aggregate
    myopic: bool = False

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]:
        graded = self.scorer.step_scores(examples)
        if self.myopic:
            return graded
        return [Graded(one.steps, tuple(progress(one.scores, self.by).tolist())) for one in graded]
