"""Process supervision on a user's own model and questions: label steps, learn them, choose by them, locate errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..config import Compute, OwnChoice, OwnLabels, OwnLearning, Reward, Sampling
from ..errors import InputError
from ..feedback.steps import LINES, Answers, Cutting, hardened, read_sheet, write_sheet
from ..files import read_jsonl, write_json, write_jsonl
from ..maths import stats
from ..maths.stats import Estimate
from ..maths.steps import aggregate, earliest_error, error_f1, majority_of_n
from ..models.batching import seed_of
from ..models.loading import load
from ..models.steps import Cut, Graded, ImplicitProcessRewardModel, ProcessRewardModel, encode_steps
from ..protocols import Floats
from ..records import Example, Measurement
from ..run import Run
from . import process_stages as stages_of
from .stages import frozen, tell
from .task import base_of, recorded


def label(run: Run, model: str, source: str, config: OwnLabels, sampling: Sampling, compute: Compute) -> str:
    """The model's responses to the questions, labelled by continuations, or on a sheet for people. Says what came."""
    questions = recorded(source, run, *data.read_examples(source))
    cutting, answers = Cutting(config.cut), Answers(config.answer)
    if config.labels != "people":
        answers([replace(one, response="") for one in questions])
    policy = Path(base_of(model))
    common = sampling, frozen(compute)
    asked = [replace(one, response=None) for one in questions]
    drawn = stages_of.sampled_chains(run, policy, asked, config.chains, *common)
    if config.labels == "people":
        sheet = run.stage_folder("chains") / "sheet.jsonl"
        n = len(read_jsonl(sheet)) if sheet.exists() else write_sheet(drawn, cutting, sheet)
        return (
            f"{n:,} responses wait for labels in {sheet}, or on the page {sheet.stem}.html beside it; "
            f"`gyro process read {sheet}` reads what is filled in."
        )
    soft = stages_of.rollout_steps(run, policy, drawn, cutting, answers, config.rollouts, *common)
    chains = soft if config.labels == "soft" else list(map(hardened, soft))
    file = run.folder / "steps.jsonl"
    data.write(chains, file)
    right = sum(chain.labels[-1] > 0 for chain in chains)
    return (
        f"{len(chains):,} of {len(drawn):,} responses have steps, {right:,} a right answer; their {config.labels} "
        f"labels are in {file}."
    )


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
    """A process reward model, explicit or implicit, from labelled chains of any known shape."""
    chains = recorded(source, run, *data.read_steps(source))
    train = stages_of.implicit_reward if config.implicit else stages_of.process_reward
    folder = train(run, base_of(model), chains, config.joint, config, reward, compute)
    how = f" Score with it and --reference {model}." if config.implicit else ""
    return f"The {'implicit ' if config.implicit else ''}process reward model is in {folder}.{how}"


def step_scorer(
    model: str, reference: str | None, cut: Cut, by: Any, compute: Compute
) -> ProcessRewardModel | ImplicitProcessRewardModel:
    """A process reward model from a folder; with a reference, the implicit one.

    Raises InputError for a reference beside a model that isn't implicit, or none beside one that is.
    """
    if reference is None:
        network = load(model, frozen(compute), scalar=True)
        if hasattr(network.core.config, "implicit_beta"):
            raise InputError(f"{model}: an implicit process reward model; name the model it began as with --reference")
        return ProcessRewardModel(network, cut, by)
    policy = load(model, frozen(compute))
    beta = getattr(policy.core.config, "implicit_beta", None)
    if beta is None:
        raise InputError(f"{model}: not an implicit process reward model; leave out --reference")
    return ImplicitProcessRewardModel(policy, load(reference, frozen(compute)), cut, beta, by)


def choose(
    run: Run, model: str, source: str, prm: str, reference: str | None, config: OwnChoice, sampling: Sampling,
    compute: Compute,
) -> str:  # fmt: skip
    """Accuracy of the best of n by the process reward model's aggregate, and by majority, n = 1, 2, 4, ..."""
    questions = [replace(one, response=None) for one in recorded(source, run, *data.read_examples(source))]
    cutting, answers = Cutting(config.cut), Answers(config.answer)
    scorer = step_scorer(prm, reference, cutting, config.aggregate, compute)
    drawn = stages_of.sampled_chains(run, Path(base_of(model)), questions, config.best_of, sampling, frozen(compute))
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
