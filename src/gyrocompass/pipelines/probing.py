"""Properties measured in step with training: a few prompts of each, every k steps, beside KL, proxy and gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..config import Access, Probing, Sampling
from ..evals.eval import Answer
from ..evals.measure import estimate
from ..evals.perturb import as_asked
from ..evals.suite import Suite
from ..learn.loop import Look
from ..maths import stats
from ..maths.stats import Estimate
from ..models import chat
from ..models.batching import seed_of
from ..models.gradients import SearchableLocal
from ..models.loading import load
from ..models.network import Network
from ..models.policy import reference_logprobs, sampled_logprobs
from ..protocols import Scorer
from ..records import Example
from ..run import Run
from ..worlds import town
from .suites import TOWN_NEW_TOKENS, Asked, open_suite
from .task import TOWN_NAME


@dataclass(frozen=True)
class PropertyProbe:
    """Called after a training step: puts the policy to the first eval of each property asked for.

    Its row of metrics.jsonl holds each metric as `PROPERTY_METRIC`, with `_low`, `_high` and `_n`, and of the same
    responses the KL to the reference and every scorer.
    """

    policy: Network
    reference: Network | None
    suite: Suite
    prompts: Mapping[str, Sequence[Example]]
    scorers: Mapping[str, Scorer]
    sampling: Sampling
    seed: int

    def __call__(self, step: int) -> dict[str, Any]:
        policy = SearchableLocal(self.policy, self.sampling)
        found: dict[str, Estimate] = {}
        answers: list[Answer] = []
        for e in self.suite.headlines():
            marked = e.score(policy, self.prompts[e.name], seed_of(self.seed, "probing", e.name, step))
            answers += marked
            for metric in e.metrics:
                number = estimate(metric, metric.cases(marked)) if metric.slice is None else None
                if number is not None:
                    found[f"{e.property}_{metric.name}"] = number
        found |= self._beside([answer.example for answer in answers])
        columns = {key: value for name, e in found.items() for key, value in _columns(name, e).items()}
        return {"probe": "properties", **columns}

    def _beside(self, examples: Sequence[Example]) -> dict[str, Estimate]:
        """The KL to the reference, nats a response, and what each scorer gives, over the same responses."""
        values = {name: scorer(as_asked(examples)) for name, scorer in self.scorers.items()}
        rows = chat.encode(self.policy.tokenizer, examples, self.policy.max_tokens).rows
        temperature = self.sampling.temperature
        known = reference_logprobs(self.policy, self.reference, rows, temperature)
        change = sampled_logprobs(self.policy, rows, temperature) - known
        values["kl_nats"] = change.sum(1).double().cpu().numpy()
        return {name: stats.mean(numbers) for name, numbers in values.items() if len(numbers) > 1}


def _columns(name: str, e: Estimate) -> dict[str, Any]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high, f"{name}_n": e.n}


def property_looks(
    settings: Probing,
    run: Run,
    policy: Network,
    reference: Network | str | None,
    scorers: Mapping[str, Scorer],
    sampling: Sampling,
) -> list[Look]:
    """The look that the settings ask for, or none, with the gold reward beside the scorers on the town.

    `reference`: a network, where to load one from, or None for the policy with its adapters off.
    """
    if not settings.probe:
        return []
    if isinstance(reference, str):
        reference = None if policy.compute.lora_rank else load(reference, policy.compute)
    gauges: dict[str, Scorer] = {}
    if settings.probe_suite == TOWN_NAME:
        gauges = {"gold": town.gold}
        sampling = sampling.model_copy(update={"max_new_tokens": min(sampling.max_new_tokens, TOWN_NEW_TOKENS)})
    suite = open_suite(Asked(settings.probe_suite), policy.compute, Access(), run).only(settings.properties).briefly()
    prompts = suite.prompts(settings.probe_prompts, seed_of(run.seed, "probing"))
    probe = PropertyProbe(policy, reference, suite, prompts, {**scorers, **gauges}, sampling, run.seed)
    return [Look(probe, lambda steps: due(steps, settings.probe_every))]


def due(steps: int, every: int | None) -> set[int]:
    """The steps after which to look: none yet, every k-th, the last; by default five looks in all."""
    every = every or max(1, -(-steps // 4))
    return {0, steps, *range(every, steps + 1, every)}
