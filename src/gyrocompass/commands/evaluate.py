"""`gyro eval`: the five properties of models, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cli import tell
from ..config import Access, Compute, Config, Sampling
from ..errors import InputError
from ..recipe import build, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags

if TYPE_CHECKING:
    from ..evals.suite import Suite
    from ..pipelines.drift import Baseline
    from ..pipelines.evaluate import Plan
    from ..pipelines.subjects import Subject

SECTIONS: dict[str, type[Config]] = {"sampling": Sampling, "compute": Compute, "access": Access}


@click.command("eval")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--suite", default="town", show_default=True,
              help="town, town-criticism, public, or a file of your own questions.")  # fmt: skip
@click.option("--property", "properties", multiple=True, help="Only this property (repeatable): honesty, ...")
@click.option("--prompts", type=click.IntRange(1), default=1000, show_default=True,
              help="Prompts over all evals of the suite.")  # fmt: skip
@click.option("--data", default=None, help="Folder with the public benchmarks' files; default: their hub names.")
@click.option(
    "--judge", default=None, help="A model that judges where rules don't suffice: folder, hub name or URL#NAME."
)
@click.option("--judge-labels", default=None, metavar="FILE",
              help="Responses with people's labels (true: it complies), to correct HarmBench's rates for the judge's "
              "errors.")  # fmt: skip
@click.option("--baseline", default=None, metavar="FILE|RUN",
              help="Earlier measurements, a run or its evals.json: what changed since is told.")  # fmt: skip
@common_flags
@stage_flags(**SECTIONS)
def evaluate(models: tuple[str, ...], **flags: Any) -> None:
    """Measure the five properties of each MODEL on the same prompts, and compare them.

    MODEL is a run folder (all its policies), RUN:STAGE, a model's folder or hub name, town for the embedded base,
    or an OpenAI-compatible endpoint, http://HOST:PORT/v1#NAME (key from GYRO_API_KEY or OPENAI_API_KEY).
    Results go to evals.json, spectrum.json and report.html of the models' own run, or of --out.
    """
    from ..pipelines.drift import open_baseline
    from ..pipelines.subjects import subjects
    from ..pipelines.suites import TOWN_NEW_TOKENS, TOWNS

    given = gathered(flags, **SECTIONS)
    if flags["suite"] in TOWNS:
        given["sampling"].setdefault("max_new_tokens", TOWN_NEW_TOKENS)
    settings: dict[str, Any] = {name: build(kind, given[name], "eval") for name, kind in SECTIONS.items()}
    asked = {key: flags[key] for key in ("suite", "properties", "prompts", "data", "judge", "judge_labels")}
    resolved = {
        "stage": "eval", "models": list(models), **asked, "properties": list(flags["properties"]),
        "seed": flags["seed"] or 0, **{name: section.model_dump() for name, section in settings.items()},
    }  # fmt: skip
    measured = subjects(models)
    baseline = open_baseline(flags["baseline"], [subject.name for subject in measured]) if flags["baseline"] else None
    if flags["dry_run"]:
        show_settings({**resolved, "baseline": flags["baseline"]}, flags["as_json"])
        return
    run = _open(measured, resolved, flags["out"], flags["as_json"])
    own = run.state["config"].get("stage") == "eval"
    if own:
        with run.guard():
            drifted = _go(run, measured, asked, settings, resolved["seed"], baseline)
            run.save(status="done")
    else:
        drifted = _go(run, measured, asked, settings, resolved["seed"], baseline)
    _finish(run, drifted, flags["as_json"])


def _open(measured: list[Subject], resolved: dict[str, Any], out: Path | None, quiet: bool) -> Run:
    """The models' own run folder if they are all of one, or --out, which may be a run already."""
    runs = {subject.run for subject in measured}
    own = runs.pop() if len(runs) == 1 else None
    folder = out or own or Path("runs/eval")
    if folder == own or _is_other_run(folder):
        return Run.attach(folder, quiet=quiet)
    return Run.open(folder, resolved, quiet=quiet)


def _is_other_run(folder: Path) -> bool:
    """Whether a folder holds a run that did more than evaluate."""
    if not (folder / "run.json").exists():
        return False
    return bool(Run.attach(folder).state["config"].get("stage") != "eval")


def _go(
    run: Run, measured: list[Subject], asked: dict[str, Any], settings: dict[str, Any], seed: int,
    baseline: Baseline | None,
) -> list[str]:  # fmt: skip
    """Measures and compares; returns what changed since the baseline, in sentences."""
    from ..pipelines.drift import drift
    from ..pipelines.evaluate import Plan
    from ..pipelines.evaluate import evaluate as measure
    from ..pipelines.spectrum import spectrum
    from ..pipelines.suites import Asked, open_suite
    from ..report import write

    named = Asked(asked["suite"], asked["data"], asked["judge"], asked["judge_labels"])
    suite: Suite = open_suite(named, settings["compute"], settings["access"], run).only(asked["properties"])
    plan: Plan = Plan(suite, asked["prompts"], seed, settings["sampling"], settings["compute"], settings["access"])
    found = measure(run, measured, plan)
    if not found.measured:
        raise InputError(f"nothing could be measured: {found.missing[0].reason}")
    compared = spectrum(run, [subject.name for subject in measured], plan, found)
    rows = [row for one in found.measured.values() for row in one.rows]
    drifted = drift(run, baseline, rows) if baseline else []
    if run.state["config"].get("stage") == "eval":
        no_difference = ["No difference between the models holds after Holm."]
        run.state["summary"] = [*(compared["sentences"] or no_difference), *drifted]
    write(run.folder)
    return drifted


def _finish(run: Run, drifted: list[str], as_json: bool) -> None:
    from ..files import read_json

    compared = read_json(run.folder / "spectrum.json")
    report = run.folder / "report.html"

    def say() -> None:
        from ..pipelines.table import headline_table
        from ..terminal import console

        console().print(headline_table(compared, read_json(run.folder / "evals.json")))
        for sentence in (*compared["sentences"], *(f"Drift: {said}" for said in drifted)):
            run.say(f"• {sentence}")
        run.say(f"report: {report}", style="bold")

    keys = ("models", "differences", "sentences", "not_measured")
    told = {"run": str(run.folder), "report": str(report), **{key: compared[key] for key in keys}, "drift": drifted}
    tell(told, as_json, say)
