"""What the models said: one prompt of each kind, answered by each model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..folder import RunData, Sample, finite
from .models import in_order, kinds_by_change
from .section import Section

SHOWN = 4
"""Kinds in plain sight; the others are behind a fold."""

METRICS = ("gold", "proxy", "rater_utility")


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's response and the scores it got."""

    model: str
    response: str
    scores: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A prompt and its answers, models in the order in which training makes them."""

    kind: str | None
    prompt: str
    answers: tuple[Answer, ...]

    @property
    def differ(self) -> bool:
        return len({answer.response for answer in self.answers}) == len(self.answers)


def transcripts(run: RunData) -> Section | None:
    """One transcript per kind: the first prompt that most models answered, and each differently."""
    if not run.samples:
        return None
    ranks = {kind: rank for rank, kind in enumerate(kinds_by_change(run))}
    kinds = sorted({sample.kind for sample in run.samples}, key=lambda k: (ranks.get(k or "", len(ranks)), k or ""))
    chosen = [_choose(run, kind) for kind in kinds]
    return Section("transcripts", "Transcripts", {"shown": chosen[:SHOWN], "folded": chosen[SHOWN:]})


def _choose(run: RunData, kind: str | None) -> Transcript:
    prompts: dict[str, dict[str, Sample]] = {}
    for sample in run.samples:
        if sample.kind == kind:
            prompts.setdefault(sample.prompt, {}).setdefault(sample.model, sample)
    found = [_transcript(kind, prompt, answers) for prompt, answers in prompts.items()]
    return max(found, key=lambda t: (len(t.answers), t.differ, len({a.response for a in t.answers})))


def _transcript(kind: str | None, prompt: str, answers: Mapping[str, Sample]) -> Transcript:
    ordered = [answers[name] for name in in_order(answers)]
    return Transcript(kind, prompt, tuple(Answer(s.model, s.response, _scores(s)) for s in ordered))


def _scores(sample: Sample) -> tuple[tuple[str, float], ...]:
    values = ((key, getattr(sample, key)) for key in METRICS)
    return tuple((key, value) for key, value in values if finite(value))
