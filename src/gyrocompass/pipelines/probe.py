"""Measuring a policy on held-out prompts: proxy, gauges of intent, and the KL to the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Evaluation, Sampling
from ..files import write_jsonl
from ..maths import kl, stats
from ..maths.stats import Estimate
from ..models import chat
from ..models.batching import seed_of
from ..models.network import Network
from ..models.policy import LocalPolicy, reference_logprobs, response_texts, rollout, sampled_logprobs
from ..protocols import Floats, Scorer
from ..records import Example, Measurement, Prompt
from ..run import Run


@dataclass(frozen=True)
class Readings:
    """One response a prompt, and what each scorer gave it: `values[name]` is (n,)."""

    examples: list[Example]
    values: dict[str, Floats]

    def rows(self, model: str) -> list[dict[str, Any]]:
        """One row a response, as samples.jsonl holds them."""
        return [
            {
                "model": model,
                **_words(example),
                **{name: round(float(values[i]), 6) for name, values in self.values.items()},
            }
            for i, example in enumerate(self.examples)
        ]

    def measurements(self, model: str) -> list[Measurement]:
        """Means with intervals, for the whole and for every kind with at least two responses."""
        kinds = np.array([example.kind or "" for example in self.examples])
        slices: list[str | None] = [None, *sorted(set(kinds) - {""})]
        found = []
        for name, values in self.values.items():
            for cut in slices:
                chosen = values if cut is None else values[kinds == cut]
                if len(chosen) > 1:
                    found.append(Measurement(model, "intent", name, *stats.mean(chosen), slice=cut))
        return found


def _words(example: Example) -> dict[str, Any]:
    """A response and what it answers; `question` where the prompt may share it with others."""
    asked = example.meta.get("question")
    shared = {} if asked is None else {"question": str(asked)}
    return {"kind": example.kind, **shared, "prompt": text_of(example.prompt), "response": example.response}


def text_of(prompt: Prompt) -> str:
    """A prompt as a person reads it."""
    if len(prompt) == 1:
        return prompt[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


def read(
    network: Network, prompts: Sequence[Example], scorers: Mapping[str, Scorer], sampling: Sampling, seed: int
) -> Readings:
    """Samples one response a prompt and scores it by every scorer."""
    drawn = LocalPolicy(network, sampling).sample([e.prompt for e in prompts], seed=seed)
    return _scored(prompts, [responses[0] for responses in drawn], scorers)


def _scored(prompts: Sequence[Example], responses: Sequence[str], scorers: Mapping[str, Scorer]) -> Readings:
    answered = [Example(e.prompt, text, meta=e.meta) for e, text in zip(prompts, responses, strict=True)]
    return Readings(answered, {name: scorer(answered) for name, scorer in scorers.items()})


@dataclass(frozen=True)
class PolicyProbe:
    """Called after a training step: samples the policy, reads every gauge, and keeps the responses."""

    policy: Network
    reference: Network | None
    prompts: Sequence[Example]
    scorers: Mapping[str, Scorer]
    sampling: Sampling
    seed: int
    folder: Path
    name: str = "ppo"

    def __call__(self, step: int) -> dict[str, Any]:
        ids = chat.encode_prompts(self.policy.tokenizer, [e.prompt for e in self.prompts])
        rows = rollout(self.policy, ids, 1, self.sampling, seed_of(self.seed, "probe", step)).rows
        readings = _scored(self.prompts, response_texts(self.policy, rows), self.scorers)
        readings.values["kl_nats"] = self._kl(rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_jsonl(self.folder / f"{step:06d}.jsonl", readings.rows(f"{self.name}@{step}"))
        return summarised({name: stats.mean(values) for name, values in readings.values.items()})

    def _kl(self, rows: list[chat.Row]) -> Floats:
        """log policy - log reference of each sampled response, nats; its mean estimates the KL."""
        temperature = self.sampling.temperature
        ref = reference_logprobs(self.policy, self.reference, rows, temperature)
        difference: Floats = (sampled_logprobs(self.policy, rows, temperature) - ref).sum(1).double().cpu().numpy()
        return difference


def summarised(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """A row of metrics.jsonl: each value with `_low` and `_high`, and the n they share."""
    row: dict[str, Any] = {}
    for name, e in estimates.items():
        row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high, "n": e.n}
    return row


def probe_steps(steps: int, probes: int) -> set[int]:
    """0, the last step, and steps between, closer together at first: that is where the KL moves fastest."""
    return {0} | {round(steps * (i / probes) ** 1.7) for i in range(1, probes + 1)} if probes else set()


def best_of_n(
    run: Run,
    network: Network,
    prompts: Sequence[Example],
    scorers: Mapping[str, Scorer],
    evaluation: Evaluation,
    sampling: Sampling,
) -> None:
    """Gauges of the response that the proxy likes best among n = 1, 2, 4, ..., from one pool a prompt."""
    drawn = LocalPolicy(network, sampling).sample(
        [e.prompt for e in prompts], evaluation.best_of, seed=seed_of(run.seed, "best of n")
    )
    many = [e for e in prompts for _ in range(evaluation.best_of)]
    readings = _scored(many, [text for texts in drawn for text in texts], scorers)
    pools = {name: values.reshape(len(prompts), -1) for name, values in readings.values.items()}
    n = 1
    while n <= evaluation.best_of:
        best = {name: stats.mean(stats.best_of_n(pools["proxy"], pool, n)) for name, pool in pools.items()}
        run.log("best-of-n", n, kl_nats=kl.best_of_n(n), **summarised(best))
        n *= 2
