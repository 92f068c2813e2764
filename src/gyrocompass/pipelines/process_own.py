"""Process supervision on a user's own model and questions: label steps, learn them, choose by them, locate errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import data
from ..config import Access, Compute, OwnChoice, OwnLabels, OwnLearning, Reward, Sampling
from ..data.step_shapes import ANSWERLESS
from ..errors import InputError, Unsupported
from ..feedback.steps import (
    LINES,
    Answers,
    Checker,
    Cutting,
    hardened,
    labelled,
    outcome_alone,
    read_sheet,
    write_sheet,
)
from ..files import read_jsonl, write_json, write_jsonl
from ..maths import stats
from ..maths.stats import Estimate
from ..maths.steps import aggregate, earliest_error, error_f1, majority_of_n
from ..models.batching import seed_of
from ..models.endpoint import is_endpoint
from ..models.loading import load
from ..models.steps import Cut, Graded, ImplicitProcessRewardModel, ProcessRewardModel, StepScorer, encode_steps
from ..protocols import Floats
from ..records import SHORTENED, Example, Measurement, Steps
from ..run import Run
from . import process_stages as stages_of
from .preference_stages import load_reference
from .stages import frozen, function_of, tell
from .subjects import subject
from .task import base_of, recorded

CONTINUED = ("soft", "hard")
"""Labels that come from continuations, and need reference answers."""


class Labelling(NamedTuple):
    """Who labels steps where neither continuations nor people do: `module:function`, or an implicit PRM."""

    checker: str | None = None
    prm: str | None = None
    reference: str | None = None

    def scorer(self, labels: str, cutting: Cut, compute: Compute) -> StepScorer | None:
        """What labels the steps, None for other kinds of labels.

        Raises InputError if it isn't named, or another kind's is.
        """
        needed = {"checker": ("checker",), "implicit": ("prm", "reference")}.get(labels, ())
        if idle := next((name for name, told in self._asdict().items() if told and name not in needed), None):
            raise InputError(f"process label: --{idle} has no part in {labels} labels; choose others with --labels")
        if labels == "checker":
            if not self.checker:
                raise InputError("process label: a checker is a function; name it with --checker module:function")
            return Checker(cutting, function_of(self.checker, "--checker"))
        if labels == "implicit":
            if not (self.prm and self.reference):
                raise InputError("process label: an implicit process reward model needs --prm and --reference")
            return step_scorer(self.prm, self.reference, cutting, "min", compute)
        return None


def label(
    run: Run, model: str, source: str, config: OwnLabels, labelling: Labelling, sampling: Sampling, compute: Compute,
    access: Access,
) -> str:  # fmt: skip
    """The model's responses to the questions, with labels of their steps, or on a sheet for people. Says what came.

    Raises Unsupported for an endpoint whose responses are to be continued.
    """
    questions = recorded(source, run, *data.read_examples(source))
    cutting, answers, asked = Cutting(config.cut), Answers(config.answer), subject(model)
    if config.labels in CONTINUED:
        if asked.endpoint:
            raise Unsupported(
                f"{model}: an endpoint doesn't go on with a response that is begun, as {config.labels} labels need; "
                "name a local model, or another kind with --labels"
            )
        check_answers(questions, answers)
    scorer = labelling.scorer(config.labels, cutting, compute)
    common = sampling, frozen(compute)
    bare = [replace(one, response=None) for one in questions]
    drawn = stages_of.sampled_chains(run, asked.source, bare, config.chains, *common, access)
    if config.labels == "people":
        return _on_a_sheet(run, drawn, cutting)
    if scorer:
        chains = labelled(scorer, drawn)
    else:
        soft = stages_of.rollout_steps(run, asked.source, drawn, cutting, answers, config.rollouts, *common)
        chains = soft if config.labels == "soft" else list(map(hardened, soft))
    file = run.folder / "steps.jsonl"
    data.write(chains, file)
    right = sum(chain.labels[-1] >= 0.5 for chain in chains)
    return (
        f"{len(chains):,} of {len(drawn):,} responses are labelled, the last step of {right:,} as right; their "
        f"{config.labels} labels are in {file}."
    )


def _on_a_sheet(run: Run, drawn: Sequence[Example], cutting: Cut) -> str:
    sheet = run.stage_folder("chains") / "sheet.jsonl"
    n = len(read_jsonl(sheet)) if sheet.exists() else write_sheet(drawn, cutting, sheet)
    return (
        f"{n:,} responses wait for labels in {sheet}, or on the page {sheet.stem}.html beside it; "
        f"`gyro process read {sheet}` reads what is filled in."
    )


def check_answers(questions: Sequence[Example], answers: Answers) -> None:
    """Raises InputError for a question without a reference answer, before anything is sampled."""
    answers([replace(one, response="") for one in questions])


def read(sheet: Path, out: Path) -> str:
    """Labels that people wrote on a sheet, as labelled chains in a file."""
    found = read_sheet(sheet)
    if not found.done:
        raise InputError(
            f"{sheet}: none of its {found.open:,} responses is labelled yet; write right, neutral or wrong"
        )
    data.write(found.done, out)
    return f"{len(found.done):,} labelled responses are in {out}; {found.open:,} are still open."


def learn(run: Run, model: str, source: str, config: OwnLearning, reward: Reward, compute: Compute) -> str:
    """A process reward model from labelled chains of any known shape; an implicit one from their outcomes alone."""
    if is_endpoint(model):
        raise InputError(f"{model}: an endpoint can't be trained; name a folder or hub name with --model")
    chains = recorded(source, run, *data.read_steps(source))
    if config.implicit:
        chains = _outcomes(run, chains, config.joint)
        config = config.model_copy(update={"readout": "likelihood"})
    folder = stages_of.step_model(run, base_of(model), chains, config.joint, config, reward, compute)
    how = f" Score with it and --reference {model}." if config.readout == "likelihood" else ""
    return f"The {'implicit ' if config.implicit else ''}process reward model is in {folder}.{how}"


def _outcomes(run: Run, chains: Sequence[Steps], joint: str) -> list[Steps]:
    """Chains with their outcomes alone; those that are shortened, or were given up, don't tell theirs, and are left
    out."""
    ended = [c for c in chains if SHORTENED not in c.meta and c.meta.get("finish_reason") not in ANSWERLESS]
    if left := len(chains) - len(ended):
        run.warn(
            f"{left:,} of {len(chains):,} chains are shortened or come to no answer, so that their last label is no "
            "outcome, and were left out"
        )
    return [outcome_alone(chain, joint) for chain in ended]


def step_scorer(
    model: str, reference: str | None, cut: Cut, by: Any, compute: Compute
) -> ProcessRewardModel | ImplicitProcessRewardModel:
    """A process reward model from a folder; with a reference, the implicit one.

    Raises InputError for a reference beside a model that isn't implicit, none beside one that is, or one of other
    tokens, and Unsupported for endpoints.
    """
    for name in filter(is_endpoint, (model, reference or "")):
        raise Unsupported(f"{name}: an endpoint doesn't tell a number for each step; name a folder or hub name")
    if reference is None:
        return ProcessRewardModel(load(model, frozen(compute), scalar=True), cut, by)
    policy = load(model, frozen(compute))
    beta = getattr(policy.core.config, "implicit_beta", None)
    if beta is None:
        raise InputError(f"{model}: it scores by a head, not by likelihood; leave out --reference")
    return ImplicitProcessRewardModel(policy, load_reference(policy, reference), cut, beta, by)


def choose(
    run: Run, model: str, source: str, prm: str, reference: str | None, config: OwnChoice, sampling: Sampling,
    compute: Compute, access: Access,
) -> str:  # fmt: skip
    """Accuracy of the best of n by the process reward model's aggregate, and by majority, n = 1, 2, 4, ..."""
    questions = [replace(one, response=None) for one in recorded(source, run, *data.read_examples(source))]
    cutting, answers = Cutting(config.cut), Answers(config.answer)
    check_answers(questions, answers)
    scorer = step_scorer(prm, reference, cutting, config.aggregate, compute)
    source_of = subject(model).source
    drawn = stages_of.sampled_chains(run, source_of, questions, config.best_of, sampling, frozen(compute), access)
    graded = scorer.step_scores(drawn)
    file = run.stage_folder("chains") / "scores.jsonl"
    write_jsonl(file, [_row(one, scored) for one, scored in zip(drawn, graded, strict=True)])
    shape = (-1, config.best_of)
    right = np.array(answers(drawn), dtype=np.float64).reshape(shape)
    scores = np.array([aggregate(one.scores, config.aggregate) for one in graded]).reshape(shape)
    said = [answers.of(one) for one in drawn]
    codes = {answer: i for i, answer in enumerate(dict.fromkeys(a for a in said if a is not None))}
    votes = np.array([-1 if a is None else codes[a] for a in said]).reshape(shape)
    sizes = [2**power for power in range(config.best_of.bit_length()) if 2**power <= config.best_of]
    chosen = {
        "prm": [stats.best_of_n(scores, right, n) for n in sizes],
        "majority": list(majority_of_n(votes, right, sizes, seed=run.seed)),
    }
    return _told(run, sizes, chosen)


def _row(example: Example, graded: Graded) -> Mapping[str, Any]:
    return {"prompt": example.prompt[-1].content, "steps": list(graded.steps), "scores": list(graded.scores)}


def _told(run: Run, sizes: Sequence[int], chosen: Mapping[str, Sequence[Floats]]) -> str:
    """Rows of evals.json for each n and way to choose, and the largest n in words."""
    rows = [
        Measurement(f"best-of-{n}", "intent", "accuracy", *_share(values[i]), slice=name)
        for name, values in chosen.items()
        for i, n in enumerate(sizes)
    ]
    run.measure(rows)
    ends = [f"{name} {_share(values[-1])}" for name, values in chosen.items()]
    return f"Accuracy of one response {_share(chosen['prm'][0])}; of the best of {sizes[-1]} by {', by '.join(ends)}."


def _share(values: Floats) -> Estimate:
    """The mean over questions, its interval within [0, 1], and Wilson's where all are alike."""
    found = stats.mean(values)
    low, high = stats.wilson(min(max(found.value, 0.0), 1.0), found.n)
    flat = found.low == found.high
    return found._replace(low=low if flat else max(0.0, found.low), high=high if flat else min(1.0, found.high))


def locate(
    run: Run, source: str, prm: str, reference: str | None, joint: str, compute: Compute, threshold: float
) -> str:
    """F1 of ProcessBench: how well the process reward model finds the earliest error of labelled chains."""
    chains = recorded(source, run, *data.read_steps(source))
    scorer = step_scorer(prm, reference, LINES, "min", compute)
    rows, kept, notes = encode_steps(scorer.network, chains, joint, until_error=False)
    tell(run, notes)
    scores = scorer.read([row.row for row in rows], [row.ends for row in rows])
    truth = [earliest_error(row.labels) for row in rows]
    found = [earliest_error(one, threshold) for one in scores]
    groups = [chains[i].prompt[-1].content for i in kept]
    try:
        f1 = error_f1(found, truth, groups, seed=seed_of(run.seed, "f1"))
    except ValueError:
        raise InputError(f"{source}: F1 needs chains with an error and chains without; it has one kind alone") from None
    run.measure([Measurement("prm", "intent", "error_f1", *f1)])
    write_json(run.folder / "located.json", {"found": found, "truth": truth})
    return f"F1 of the earliest error: {f1}, over chains with an error and chains without."
