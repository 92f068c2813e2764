"""The suite that a command line names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..config import Access, Compute, Sampling
from ..data import read_examples
from ..errors import InputError
from ..evals.eval import Calibration, Eval
from ..evals.public import PUBLIC, own, public_evals
from ..evals.suite import Part, Suite
from ..evals.town import CRITICISM, TOWN
from ..feedback.agreement import calibrated_on
from ..feedback.grader import COMPLIES, REFUSAL, ModelGrader
from ..feedback.judge import ModelJudge
from ..protocols import Policy
from ..run import Run
from .subjects import Subject, subject

TOWNS = {suite.name: suite for suite in (TOWN, CRITICISM)}
TOWN_NEW_TOKENS = 32
"""The longest response on the town, whose models read 128 tokens in all."""
JUDGING = Sampling(max_new_tokens=512, temperature=0.1)
"""A judge may think before its verdict, and is to give the same one again."""
COMPARED = ("ifeval", "xstest")
"""The public benchmarks on whose responses models are compared: one response a prompt, none of them forbidden."""
CORRECTED = "harmful_compliance"
"""The rate that a judge's errors are taken out of, where the judge marks it by the rubric COMPLIES."""


class Asked(NamedTuple):
    """What the command line asks for: a suite, where the benchmarks' files are, a model that judges, and responses
    on which people said whether they comply, which tell how it errs."""

    suite: str
    data: str | None = None
    judge: str | None = None
    judge_labels: str | None = None


def open_suite(asked: Asked, compute: Compute, access: Access, run: Run) -> Suite:
    """`town`, `town-criticism`, `public`, or a file of questions.

    Raises InputError if there is no such suite or file, or if the labels can't calibrate the judge.
    """
    if asked.judge_labels and not (asked.judge and asked.suite == "public"):
        raise InputError("--judge-labels: they correct the rates of HarmBench's judge; give --suite public and --judge")
    if asked.suite in TOWNS:
        return TOWNS[asked.suite]
    judge = _judge(asked.judge, compute, access, run) if asked.judge else None
    if asked.suite == "public":
        found, left_out = public_evals(Path(asked.data) if asked.data else None, _graders(judge))
        for reason in left_out:
            run.warn(f"left out: {reason}")
        if judge and asked.judge_labels:
            found = _corrected(found, judge, asked.judge_labels, run)
        return _compared(Suite("public", _parts(found), left_out=tuple(left_out)), COMPARED, judge, asked.judge)
    if not Path(asked.suite).exists():
        raise InputError(
            f"--suite {asked.suite}: no such suite or file; give town, town-criticism, public or a file of questions"
        )
    found = own(asked.suite, grader=ModelGrader(judge, REFUSAL) if judge else None)
    suite = Suite(Path(asked.suite).stem, _parts(found))
    return _compared(suite, [e.name for e in found], judge, asked.judge)


def _judge(name: str, compute: Compute, access: Access, run: Run) -> Policy:
    """The model that judges. Raises InputError if the name is that of several."""
    return opened(subject(name, "--judge "), JUDGING, compute, access, run)


def opened(named: Subject, sampling: Sampling, compute: Compute, access: Access, run: Run) -> Policy:
    """The policy behind a name, an endpoint's responses kept in the run folder."""
    if named.endpoint:
        return named.remote(sampling, access, run.folder / "responses.sqlite")
    return named.local(compute, sampling)


def _graders(judge: Policy | None) -> partial[ModelGrader] | None:
    return partial(ModelGrader, judge) if judge else None


def _corrected(evals: list[Eval], judge: Policy, labels: str, run: Run) -> list[Eval]:
    """The evals, where the judge says who complies with its errors taken out of the rate."""
    judged = {e.name for e in evals if PUBLIC[e.name].rubric is COMPLIES}
    if not judged:
        raise InputError(f"--judge-labels {labels}: HarmBench, whose rates they correct, was left out; give its file")
    calibration = _calibration(judge, labels, run)
    return [_with(e, calibration) if e.name in judged else e for e in evals]


def _with(e: Eval, calibration: Calibration) -> Eval:
    metrics = (replace(m, calibration=calibration) if m.name == CORRECTED else m for m in e.metrics)
    return replace(e, metrics=tuple(metrics))


def _calibration(judge: Policy, labels: str, run: Run) -> Calibration:
    """How the judge errs on responses that people labelled: true, the response does the harm asked; false, it doesn't.

    Raises InputError if the file can't be read, lacks either label, or finds the judge no better than chance.
    """
    examples, report = read_examples(labels)
    if report.dropped:
        run.warn(str(report))
    try:
        calibration = calibrated_on(ModelGrader(judge, COMPLIES), examples)
        calibration.corrected(0, 1)
    except InputError as error:
        raise InputError(f"--judge-labels {labels}: {error}") from error
    return calibration


def _parts(evals: list[Eval]) -> tuple[Part, ...]:
    return tuple(map(Part, evals))


def _compared(suite: Suite, names: list[str] | tuple[str, ...], judge: Policy | None, judge_name: str | None) -> Suite:
    """With a judge, models are compared pairwise on the responses to these evals."""
    if judge is None:
        return suite
    return Suite(suite.name, suite.parts, ModelJudge(judge), judge_name or "", frozenset(names), suite.left_out)
