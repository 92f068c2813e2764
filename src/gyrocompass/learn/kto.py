"""Kahneman-Tversky optimisation: a policy learns from single responses, each said to be desirable or not.

Source: Ethayarajh et al. 2024, arXiv:2402.01306.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..config import DPO
from ..errors import InputError
from ..maths import preferences
from ..maths.losses import Metrics, negative_log_likelihood
from ..models import chat
from ..models.batching import Padded, Passes, seed_of
from ..models.chat import Row
from ..models.network import Network
from ..models.pairs import PairRows
from ..models.policy import sampled_logprobs
from ..records import Example, Preference
from .dpo import check, check_pairs, placed
from .loop import Collected


class Micro(NamedTuple):
    padded: Padded
    reference: Float[Tensor, "B"]
    label: Bool[Tensor, "B"]
    baseline: Float[Tensor, ""]
    step: Counts


class Counts(NamedTuple):
    """What the whole optimiser step holds."""

    examples: int
    desirable: int
    desirable_tokens: int


class KahnemanTverskyOptimisation:
    """Each epoch passes over shuffled responses; a step's loss is the mean over its responses.

    `pairs` are those of `encode_labelled`: the first response is learnt from, desirable if p_first is 1; the second
    answers another prompt, and only its log-ratio counts, in the baseline. `reference` as for DPO.
    Raises InputError unless there are responses of both kinds, and else as DPO does.
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
        labels = [pair.p_first == 1.0 for pair in pairs]
        self.weights = balanced(sum(labels), len(labels) - sum(labels))
        self.networks: Mapping[str, Network] = {"policy": policy}
        self.policy, self.pairs, self.labels, self.config = policy, pairs, labels, config
        self.start = reference is not None and config.reference == "start"
        self.reference = placed(policy, reference, len(pairs))
        self.passes = Passes(len(pairs), config.batch_size, config.epochs, seed_of(seed, "kto"))
        self.steps = self.passes.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        chosen = self.passes.indices(step)
        if step == 1 and self.start:
            check_pairs(self.policy, self.pairs, self.reference, chosen)
        baseline = self._baseline(chosen)
        metrics = {"baseline_nats": float(baseline)}
        tokens = sum(self.pairs[i].tokens for i in chosen)
        return Collected([self._micros(chosen, baseline)], tokens, metrics)

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        config, step, desirable = self.config, micro.step, micro.label
        logp = self.policy.logprobs(micro.padded).sum(1)
        ratio = logp - micro.reference
        if config.length_normalised:
            ratio = ratio / micro.padded.mask.sum(1)
        loss, metrics = preferences.kto(ratio, desirable, micro.baseline, config.beta, *self.weights, step.examples)
        if config.sft_weight and step.desirable_tokens:
            likelihood, _ = negative_log_likelihood(logp[desirable], step.desirable_tokens)
            loss = loss + config.sft_weight * likelihood
            metrics |= {"loss": loss.detach(), "sft_loss": likelihood.detach()}
        return loss, metrics | _means(logp.detach(), desirable, step)

    def _baseline(self, chosen: Sequence[int]) -> Float[Tensor, ""]:
        """max(0, mean log-ratio of this step's prompts with responses that answer others)."""
        strays = [self.pairs[i].second for i in chosen]
        ratio = sampled_logprobs(self.policy, strays, 1.0).sum(1) - self.reference[chosen, 1]
        if self.config.length_normalised:
            ratio = ratio / torch.tensor([row.n_response for row in strays], device=ratio.device)
        return ratio.mean().clamp(min=0.0)

    def _micros(self, chosen: Sequence[int], baseline: Float[Tensor, ""]) -> list[Micro]:
        policy = self.policy
        rows = [self.pairs[i].first for i in chosen]
        labels = [self.labels[i] for i in chosen]
        learnt = sum(row.n_response for row, label in zip(rows, labels, strict=True) if label)
        step = Counts(len(chosen), sum(labels), learnt)
        cuts = policy.cuts(rows)
        return [
            Micro(
                policy.batch([rows[i] for i in cut]),
                self.reference[[chosen[i] for i in cut], 0],
                torch.tensor([labels[i] for i in cut], device=policy.device),
                baseline,
                step,
            )
            for cut in cuts
        ]


def _means(logp: Float[Tensor, "B"], desirable: Bool[Tensor, "B"], step: Counts) -> Metrics:
    """Mean log-probability of each kind of response, of the kinds that the step holds."""
    kinds = {"logp_chosen": (desirable, step.desirable), "logp_rejected": (~desirable, step.examples - step.desirable)}
    return {name: logp[kind].sum() / count for name, (kind, count) in kinds.items() if count}


def balanced(desirable: int, undesirable: int) -> tuple[float, float]:
    """Weights of the two kinds of response that make up for their numbers: the rarer kind gets the ratio, the other 1.

    Source: Ethayarajh et al. 2024, arXiv:2402.01306, sec. 4.2. Raises InputError if there is none of one kind.
    """
    if not desirable or not undesirable:
        raise InputError(
            f"kto: {desirable:,} desirable and {undesirable:,} undesirable responses; give it some of both"
        )
    return max(1.0, undesirable / desirable), max(1.0, desirable / undesirable)


def labelled(records: Sequence[Preference | Example]) -> tuple[list[Example], list[str]]:
    """Desirable and undesirable responses, and notes: a preference gives one of each, unless it is a tie.

    No two neighbours come from one preference.
    """
    pairs = [r for r in records if isinstance(r, Preference)]
    decided = [p for p in pairs if p.p_first != 0.5]
    singles = [r for r in records if isinstance(r, Example)]
    known = [e for e in singles if e.label is not None and e.response is not None]
    notes = []
    if len(decided) < len(pairs):
        notes.append(f"{len(pairs) - len(decided):,} of {len(pairs):,} preferences are ties, and were left out")
    if len(known) < len(singles):
        lacking = len(singles) - len(known)
        notes.append(f"{lacking:,} of {len(singles):,} examples lack a response or a label, and were left out")
    chosen = [Example(p.prompt, p.chosen, True, p.meta) for p in decided]
    rejected = [Example(p.prompt, p.rejected, False, p.meta) for p in decided]
    return chosen + rejected + known, notes


def encode_labelled(network: Network, records: Sequence[Preference | Example]) -> tuple[list[PairRows], list[str]]:
    """For each response, a pair with the same prompt: itself, and the next response of the data; and notes.

    p_first is 1 for a desirable response and 0 for another. What doesn't fit the context is left out of the first
    responses, and cut off the second.
    """
    examples, notes = labelled(records)
    encoded = chat.encode(network.tokenizer, examples, network.max_tokens)
    rows = encoded.rows
    strays = [_stray(row, rows[(i + 1) % len(rows)], network.max_tokens) for i, row in enumerate(rows)]
    labels = [1.0 if examples[i].label else 0.0 for i in encoded.kept]
    pairs = [PairRows(row, stray, p, 0.0) for row, stray, p in zip(rows, strays, labels, strict=True)]
    return pairs, notes + encoded.notes


def _stray(row: Row, other: Row, max_tokens: int) -> Row:
    ids = row.ids[: row.n_prompt] + other.ids[other.n_prompt :]
    return Row(ids[:max_tokens], row.n_prompt)
