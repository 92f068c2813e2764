"""Direct preference optimisation: a policy learns from preferences without a reward model or sampling.

Source: Rafailov et al. 2023, arXiv:2305.18290; the rest of the family: `maths/preferences.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..config import DPO
from ..errors import InputError
from ..maths import preferences
from ..maths.losses import Metrics, negative_log_likelihood
from ..models.batching import Passes, seed_of
from ..models.network import Network
from ..models.pairs import PairBatch, PairRows, pair_batches, pair_logprobs
from . import reference as ref
from .loop import Collected

Loss = Callable[[Tensor, Tensor, Tensor, DPO, int], tuple[Tensor, Metrics]]

LOSSES: Mapping[str, Loss] = {
    "sigmoid": lambda first, second, p, c, n: preferences.dpo(first, second, p, c.beta, c.label_noise, n),
    "robust": lambda first, second, p, c, n: preferences.robust(first, second, p, c.beta, c.label_noise, n),
    "ipo": lambda first, second, p, c, n: preferences.ipo(first, second, p, c.beta, n),
    "hinge": lambda first, second, p, c, n: preferences.hinge(first, second, p, c.beta, n),
    "simpo": lambda first, second, p, c, n: preferences.simpo(first, second, p, c.beta, c.target_margin, n),
    "orpo": lambda first, second, p, c, n: preferences.orpo(first, second, p, c.beta, n),
}
"""From first and second log-ratios and p_first, (B,) each, settings, and the pairs of the step."""
PER_TOKEN = ("ipo", "simpo", "orpo")
"""Losses that always read averages per token."""
REFERENCE_FREE = ("simpo", "orpo")
"""Losses whose log-ratio is the log-probability itself."""
START_PAIRS = 8
"""Pairs on which the reference is compared with the policy before the first step."""


class Micro(NamedTuple):
    batch: PairBatch
    reference: Float[Tensor, "B 2"]
    chosen_tokens: int
    """Tokens of the chosen responses in the whole optimiser step."""


class DirectPreferenceOptimisation:
    """Each epoch passes over shuffled pairs; a step's loss is the mean over its pairs.

    `reference` holds the reference's summed log-probabilities of each pair's two responses, nats, (N, 2); with None
    a log-ratio is the policy's log-probability.
    Raises InputError if there are no pairs, all are ties, or the settings don't fit together; at the first step also
    if the reference is said to be where the policy starts, and isn't.
    """

    def __init__(
        self,
        policy: Network,
        pairs: Sequence[PairRows],
        reference: Float[Tensor, "N 2"] | None,
        config: DPO,
        seed: int,
    ) -> None:
        check(config)
        if not any(pair.p_first != 0.5 for pair in pairs):
            what = f"all {len(pairs):,} preferences are ties" if pairs else "there are no preferences"
            raise InputError(f"dpo: {what}, so there is nothing to learn")
        self.networks: Mapping[str, Network] = {"policy": policy}
        self.policy, self.pairs, self.config = policy, pairs, config
        self.start = reference is not None and config.reference == "start"
        self.reference = placed(policy, reference, len(pairs))
        self.passes = Passes(len(pairs), config.batch_size, config.epochs, seed_of(seed, "dpo"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        chosen = self.passes.indices(step)
        if step == 1 and self.start:
            check_pairs(self.policy, self.pairs, self.reference, chosen)
        batches = micros(self.policy, self.pairs, self.reference, chosen)
        return Collected([batches], tokens=sum(self.pairs[i].tokens for i in chosen))

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        return preference_loss(self.policy, micro, self.config)


def check(config: DPO) -> None:
    """Raises InputError if a setting has no meaning under the loss."""
    if config.label_noise and config.loss not in ("sigmoid", "robust"):
        raise InputError(f"dpo: {config.loss} takes no label_noise; set dpo.loss to sigmoid or robust, or leave it out")


def check_pairs(
    policy: Network, pairs: Sequence[PairRows], reference: Float[Tensor, "N 2"], chosen: Sequence[int]
) -> None:
    """Raises InputError if the policy and the reference differ on the first of the chosen pairs."""
    few = list(chosen[:START_PAIRS])
    some = [pairs[i] for i in few]
    ref.check_start(policy, ref.logprobs(policy, some), reference[few], response_tokens(policy, some))


def placed(policy: Network, reference: Float[Tensor, "N 2"] | None, n: int) -> Float[Tensor, "N 2"]:
    """The reference on the policy's device; zeros where there is none."""
    return torch.zeros(n, 2, device=policy.device) if reference is None else reference.to(policy.device)


def micros(
    policy: Network, pairs: Sequence[PairRows], reference: Float[Tensor, "N 2"], indices: Sequence[int]
) -> list[Micro]:
    """One optimiser step's pairs in micro-batches."""
    chosen = [pairs[i].first if pairs[i].p_first >= 0.5 else pairs[i].second for i in indices]
    tokens = sum(row.n_response for row in chosen)
    return [Micro(batch, reference[batch.indices], tokens) for batch in pair_batches(policy, pairs, indices)]


def preference_loss(policy: Network, micro: Micro, config: DPO, temperature: float = 1.0) -> tuple[Tensor, Metrics]:
    """A micro-batch's share of the step's loss."""
    batch, pairs = micro.batch, micro.batch.total_pairs
    # 1. Log-probabilities of both responses under the policy.
    first, second = pair_logprobs(policy, batch, temperature)
    # 2. Log-ratios to the reference.
    lengths = torch.stack([batch.first_tokens, batch.second_tokens], 1)
    ratios = log_ratios(torch.stack([first, second], 1), micro.reference, lengths, config)
    # 3. What the preferences say about their difference.
    loss, metrics = LOSSES[config.loss](ratios[:, 0], ratios[:, 1], batch.p_first, config, pairs)
    # 4. What keeps the chosen responses likely.
    prefers_first = batch.p_first >= 0.5
    chosen, rejected = torch.where(prefers_first, first, second), torch.where(prefers_first, second, first)
    weight = config.sft_weight + (1.0 if config.loss == "orpo" else 0.0)
    if weight:
        likelihood, _ = negative_log_likelihood(chosen, micro.chosen_tokens)
        loss = loss + weight * likelihood
        metrics |= {"loss": loss.detach(), "sft_loss": likelihood.detach()}
    means = {"logp_chosen": chosen.detach().sum() / pairs, "logp_rejected": rejected.detach().sum() / pairs}
    return loss, metrics | means


def log_ratios(
    logp: Float[Tensor, "B 2"], reference: Float[Tensor, "B 2"], tokens: Float[Tensor, "B 2"], config: DPO
) -> Float[Tensor, "B 2"]:
    """log policy - log reference, nats a response; nats a token where the loss or `length_normalised` says so."""
    ratios = logp if config.loss in REFERENCE_FREE else logp - reference
    return ratios / tokens if config.length_normalised or config.loss in PER_TOKEN else ratios


def needs_reference(config: DPO) -> bool:
    return config.loss not in REFERENCE_FREE and config.reference != "none"


def rewards(
    policy: Network, pairs: Sequence[PairRows], reference: Float[Tensor, "N 2"] | None, config: DPO
) -> Float[Tensor, "N 2"]:
    """The implicit reward of each pair's responses: beta times their log-ratio, as the loss reads it."""
    known = placed(policy, reference, len(pairs))
    return config.beta * log_ratios(ref.logprobs(policy, pairs), known, response_tokens(policy, pairs), config)


def response_tokens(policy: Network, pairs: Sequence[PairRows]) -> Float[Tensor, "N 2"]:
    counts = [[float(pair.first.n_response), float(pair.second.n_response)] for pair in pairs]
    return torch.tensor(counts, device=policy.device)
