"""`gyro process`: labels of steps, models that learn them, and what these choose, on a user's own model and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import Access, Compute, Config, OwnChoice, OwnLabels, OwnLearning, Reward, Sampling
from .flags import common_flags, stage_flags
from .stages import close_stage, data_flag, model_flag, open_stage

LABEL: dict[str, type[Config]] = {"labels": OwnLabels, "sampling": Sampling, "compute": Compute, "access": Access}
SCORE: dict[str, type[Config]] = {"choice": OwnChoice, "sampling": Sampling, "compute": Compute, "access": Access}
sampled_flag = click.option(
    "--model", required=True,
    help="Folder or hub name of a causal LM, http://HOST:PORT/v1#NAME, or town: the embedded base.",
)  # fmt: skip
prm_flag = click.option("--prm", required=True, help="Folder or hub name of a process reward model.")
reference_flag = click.option("--reference", default=None, help="What an implicit process reward model began as.")


@click.group()
def process() -> None:
    """Supervise the steps of responses: label them, learn the labels, choose responses by them, locate errors.

    `gyro run recipes/process.yaml` is the study on the town.
    """


@process.command()
@sampled_flag
@data_flag("Questions, for continuations with a column `answer`")
@click.option("--checker", default=None, help="module:function from a prompt and its steps to a number for each.")
@click.option("--prm", default=None, help="Folder or hub name of an implicit process reward model.")
@reference_flag
@common_flags
@stage_flags(**LABEL)
def label(
    model: str, data: str, checker: str | None, prm: str | None, reference: str | None, **flags: Any
) -> None:  # fmt: skip
    """Sample responses and label their steps: by continuations, a checker or a model, or on a sheet for people."""
    named = {"checker": checker, "prm": prm, "reference": reference}
    opened = open_stage("process-label", {"model": model, "data": data, **named}, flags, **LABEL)
    if opened is None:
        return
    from ..pipelines import process_own

    run, given = opened
    with run.guard():
        by = process_own.Labelling(**named)
        common = given["sampling"], given["compute"], given["access"]
        said = process_own.label(run, model, data, given["labels"], by, *common)
        close_stage(run, flags, said)


@process.command()
@click.argument("sheet", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Labelled chains.  [default: SHEET-steps]")
def read(sheet: Path, out: Path | None) -> None:
    """Read the labels that people wrote on SHEET into a file to learn from; lines still open stay on the sheet."""
    from ..pipelines import process_own

    click.echo(process_own.read(sheet, out or sheet.with_name(f"{sheet.stem}-steps.jsonl")))


@process.command()
@model_flag
@data_flag("Labelled chains (TRL stepwise, PRM800K, ProcessBench, or our own)")
@common_flags
@stage_flags(learning=OwnLearning, reward=Reward, compute=Compute)
def train(model: str, data: str, **flags: Any) -> None:
    """Train a process reward model on labelled chains."""
    source = {"model": model, "data": data}
    opened = open_stage("process-train", source, flags, learning=OwnLearning, reward=Reward, compute=Compute)
    if opened is None:
        return
    from ..pipelines import process_own

    run, given = opened
    with run.guard():
        said = process_own.learn(run, model, data, given["learning"], given["reward"], given["compute"])
        close_stage(run, flags, said)


@process.command()
@sampled_flag
@data_flag("Questions with a column `answer`")
@prm_flag
@reference_flag
@common_flags
@stage_flags(**SCORE)
def score(model: str, data: str, prm: str, reference: str | None, **flags: Any) -> None:
    """Choose among a model's responses by a process reward model, and by majority: accuracy of best-of-n."""
    source = {"model": model, "data": data, "prm": prm, "reference": reference}
    opened = open_stage("process-score", source, flags, **SCORE)
    if opened is None:
        return
    from ..pipelines import process_own

    run, given = opened
    with run.guard():
        common = given["choice"], given["sampling"], given["compute"], given["access"]
        close_stage(run, flags, process_own.choose(run, model, data, prm, reference, *common))


@process.command()
@data_flag("Chains with their earliest errors (ProcessBench, or any labelled chains)")
@prm_flag
@reference_flag
@click.option("--joint", default="\n", help="What stands between two steps.  [default: a line break]")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="A step below is wrong.")
@common_flags
@stage_flags(compute=Compute)
def bench(data: str, prm: str, reference: str | None, joint: str, threshold: float, **flags: Any) -> None:
    """Locate the earliest error of each chain: ProcessBench's F1 of the accuracies with and without an error."""
    source = {"data": data, "prm": prm, "reference": reference, "joint": joint, "threshold": threshold}
    opened = open_stage("process-bench", source, flags, compute=Compute)
    if opened is None:
        return
    from ..pipelines import process_own

    run, given = opened
    with run.guard():
        close_stage(run, flags, process_own.locate(run, data, prm, reference, joint, given["compute"], threshold))
