"""The five properties of models, on the same prompts: every answer kept, every number with its interval."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from ..config import Access, Compute, Sampling
from ..errors import Unsupported
from ..evals.eval import Answer, Eval
from ..evals.measure import Measured, measurements
from ..evals.suite import Suite
from ..files import read_json, write_json
from ..models.batching import seed_of
from ..models.policy import LocalPolicy, with_room
from ..protocols import Policy
from ..records import Example, from_row, to_row
from ..run import Run
from .subjects import Subject
from .suites import opened

STAGE = "eval"


@dataclass(frozen=True)
class Plan:
    """What is asked of every model, and how."""

    suite: Suite
    prompts: int
    seed: int
    sampling: Sampling
    compute: Compute
    access: Access = field(default_factory=Access)

    def settings(self, asked: Sequence[Example]) -> dict[str, Any]:
        """What an eval's answers depend on beside the model."""
        content = json.dumps([to_row(example) for example in asked], sort_keys=True, default=str)
        return {
            "suite": self.suite.name,
            "judge": self.suite.judge_name,
            "prompts": len(asked),
            "prompts_sha256": hashlib.sha256(content.encode()).hexdigest(),
            "seed": self.seed,
            **self.sampling.model_dump(),
        }


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """An eval that a model could not be put to, and why."""

    model: str
    eval: str
    property: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What an evaluation found: by model and eval, and what it could not measure."""

    measured: dict[tuple[str, str], Measured]
    missing: list[NotMeasured]

    def of(self, model: str, e: Eval) -> Measured | None:
        return self.measured.get((model, e.name))


def evaluate(run: Run, models: Sequence[Subject], plan: Plan) -> Found:
    """Puts every model to every eval of the suite; what is answered already, with these settings, is read back."""
    asked = plan.suite.prompts(plan.prompts, plan.seed)
    found = Found({}, [])
    total = len(models) * len(plan.suite.parts)
    with run.stage(STAGE) as folder, run.progress(STAGE, total) as tick:
        for number, (subject, part) in enumerate(product(models, plan.suite.parts)):
            if number % len(plan.suite.parts) == 0:
                policy = cache(partial(opened, subject, plan.sampling, plan.compute, plan.access, run))
            e = part.eval
            tick(number, note=f"{subject.name}: {e.name}")
            file = folder / "answers" / safe(subject.name) / f"{e.name}.json"
            settings = {"source": subject.source, **plan.settings(asked[e.name])}
            try:
                answers = _kept(file, settings)
                if answers is None:
                    begun, began = datetime.now(UTC), time.monotonic()
                    answers = _ask(e, policy(), asked[e.name], plan, run)
                    _keep(file, e, subject.name, settings, answers, begun, time.monotonic() - began)
            except Unsupported as reason:
                found.missing.append(NotMeasured(subject.name, e.name, e.property, str(reason)))
                run.warn(f"{subject.name}: {e.name} was not measured: {reason}")
                continue
            rows = measurements(e, subject.name, answers)
            found.measured[subject.name, e.name] = Measured(e, subject.name, answers, rows)
            run.measure(rows)
        tick(total)
    return found


def _ask(e: Eval, policy: Policy, prompts: Sequence[Example], plan: Plan, run: Run) -> list[Answer]:
    """The answers, in the order of the prompts; a prompt too long for the model gets no marks.

    Raises Unsupported if the policy can't do what the eval needs.
    """
    lacking = e.needs - getattr(policy, "abilities", frozenset({"logprobs"}))
    if lacking:
        raise Unsupported(f"it needs {' and '.join(sorted(lacking))} of the model, which an endpoint doesn't give")
    kept = list(range(len(prompts)))
    if isinstance(policy, LocalPolicy):
        kept, notes = with_room(policy.network, [example.prompt for example in prompts], plan.sampling)
        for note in notes:
            run.warn(f"{e.name}: {note}")
    marked = e.score(policy, [prompts[i] for i in kept], seed_of(plan.seed, e.name, "answers"))
    if len(kept) == len(prompts):
        return marked
    answers = dict(zip(kept, marked, strict=True))
    return [answers.get(i, Answer(example, {})) for i, example in enumerate(prompts)]


def _keep(
    file: Path, e: Eval, model: str, settings: Mapping[str, Any], answers: Sequence[Answer], begun: datetime,
    seconds: float,
) -> None:  # fmt: skip
    """Writes what a model answered, and what was seen in it; other tools read these files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "model": model,
        "eval": e.name,
        "property": e.property,
        "settings": settings,
        "headline": e.metrics[0].name,
        "started": begun.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "metrics": [asdict(row) for row in measurements(e, model, answers)],
        "answers": [{**to_row(a.example), "marks": _without_nan(a.marks)} for a in answers],
    }
    write_json(file, content)


def _kept(file: Path, settings: Mapping[str, Any]) -> list[Answer] | None:
    """The answers in a file, None if there are none of these settings."""
    if not file.exists():
        return None
    content = read_json(file)
    if content["settings"] != settings:
        return None
    return [_answer(row) for row in content["answers"]]


def _answer(row: dict[str, Any]) -> Answer:
    marks = {name: math.nan if value is None else value for name, value in row.pop("marks").items()}
    example = from_row(row)
    assert isinstance(example, Example)
    return Answer(example, marks)


def _without_nan(marks: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in marks.items()}


def safe(name: str) -> str:
    """A model's name as that of a folder."""
    return re.sub(r"[^\w.@+-]", "_", name)
