"""`gyro audit`: the failure modes of a run, a model or a file of answers, and the audits' own test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..cli import tell
from ..config import Access, Compute, Config, Sampling
from ..errors import InputError
from ..recipe import build, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags

if TYPE_CHECKING:
    from ..audits.audit import Finding
    from ..audits.selftest import Tested

SECTIONS: dict[str, type[Config]] = {"sampling": Sampling, "compute": Compute, "access": Access}
Failures = tuple[Literal["hacking", "gaming", "shift", "emergence"], ...]
FAILURES: Failures = ("hacking", "gaming", "shift", "emergence")


@click.command()
@click.argument("target", required=False, metavar="RUN|MODEL|FILE")
@click.option("--audit", "failures", multiple=True, type=click.Choice(FAILURES), help="Only this failure (repeatable).")
@click.option("--metric", "metrics", multiple=True, metavar="COLUMN",
              help="Of FILE: numbers that judge an answer, higher is better (repeatable).")  # fmt: skip
@click.option("--loss", "losses", multiple=True, metavar="COLUMN",
              help="Of FILE: numbers that judge an answer, lower is better (repeatable).")  # fmt: skip
@click.option("--by", multiple=True, metavar="COLUMN",
              help="Of FILE: slice by this column, or by length, language, script, cluster (repeatable).  "
              "[default: length, language, cluster and columns of few values]")  # fmt: skip
@click.option("--known", default=None, metavar="FILE", help="Prompts of training: are those of FILE unlike them?")
@click.option("--prompts", type=click.IntRange(20), default=400, show_default=True, help="Prompts that an audit asks.")
@click.option("--pool", type=click.IntRange(2), default=1024, show_default=True,
              help="Responses a prompt for best-of-n of a run on the town.")  # fmt: skip
@click.option("--self-test", is_flag=True, help="Run every audit on planted and on clean cases instead.")
@click.option("--cases", type=click.IntRange(2), default=40, show_default=True,
              help="Planted cases of each audit's self-test, and as many clean ones.")  # fmt: skip
@click.option("--strength", "strengths", multiple=True, type=click.FloatRange(0, 1, min_open=True), default=(1.0,),
              show_default=True, help="Strength of the self-test's planted faults (repeatable).")  # fmt: skip
@common_flags
@stage_flags(**SECTIONS)
def audit(target: str | None, failures: Failures, **flags: Any) -> None:
    """Look for reward hacking, specification gaming, distribution shift and emergence in RUN, MODEL or FILE.

    RUN is a run folder: its policies, its reward model and the courses of its training are audited. MODEL is RUN:STAGE,
    a model's folder or hub name, town for the embedded base, or an endpoint, http://HOST:PORT/v1#NAME. FILE holds
    prompts, or answers and numbers that judge them (.jsonl, .json, .csv or .parquet): it is looked at for distribution
    shift. Findings go to audits.json and report.html of the run, or of --out.
    """
    if flags["self_test"] == (target is not None):
        raise InputError("audit: name a run, a model or a file, or give --self-test, which takes none")
    if flags["self_test"] and flags["out"]:
        raise InputError("audit: --self-test writes no folder; leave --out away, and keep what --json prints")
    if flags["self_test"]:
        _test(failures or FAILURES, flags)
    else:
        _audit(str(target), failures or FAILURES, flags)


def _audit(target: str, failures: Failures, flags: dict[str, Any]) -> None:
    from ..pipelines.answers import Wanted
    from ..pipelines.audit import Asked, open_run
    from ..pipelines.audit import audit as look
    from ..report import write

    wanted = {name: flags[name] for name in ("metrics", "losses", "by", "known")}
    failures = _of_file(target, failures, wanted)
    given = gathered(flags, **SECTIONS)
    settings: dict[str, Any] = {name: build(kind, given[name], "audit") for name, kind in SECTIONS.items()}
    seed = flags["seed"] or 0
    resolved = {
        "stage": "audit", "target": target, "failures": list(failures), "seed": seed,
        "prompts": flags["prompts"], "pool": flags["pool"],
        **{name: list(v) if isinstance(v, tuple) else v for name, v in wanted.items() if v},
        **{name: section.model_dump() for name, section in settings.items()},
    }  # fmt: skip
    if flags["dry_run"]:
        show_settings(resolved, flags["as_json"])
        return
    run = open_run(target, resolved, flags["out"], flags["as_json"])
    asked = Asked(failures, flags["prompts"], seed, **settings, pool=flags["pool"], wanted=Wanted(**wanted))
    if run.state["config"].get("stage") == "audit":
        with run.guard():
            found = look(run, target, asked)
            run.save(status="done", summary=_summary(found))
    else:
        found = look(run, target, asked)
    _finish(run, found, write(run.folder), flags["as_json"])


def _of_file(target: str, failures: Failures, wanted: dict[str, Any]) -> Failures:
    """The failures that a target is looked at for: of a file distribution shift alone."""
    from ..pipelines.answers import is_table

    if is_table(target):
        if "shift" not in failures:
            raise InputError(f"{target}: a file is looked at for shift alone; name a run or a model for {failures[0]}")
        return ("shift",)
    if any(wanted.values()):
        raise InputError(f"{target}: --metric, --loss, --by and --known are for a file of answers (.jsonl, .csv, ...)")
    return failures


def _summary(found: list[Finding]) -> list[str]:
    """How many findings are flagged, and what they say; where none is, what all say."""
    flagged = [finding for finding in found if finding.verdict == "flagged"]
    said = [f"{f.finding} ({f.model}): {f.verdict}. {f.said}" for f in flagged or found]
    return [f"{len(flagged)} of {len(found)} findings are flagged.", *said]


def _finish(run: Run, found: list[Finding], report: Path, as_json: bool) -> None:
    def say() -> None:
        for finding in found:
            style = "bold red" if finding.verdict == "flagged" else None
            run.say(f"{finding.verdict:>12}  {finding.audit}: {finding.finding} ({finding.model})", style=style)
            run.say(f"{'':>12}  {finding.said}")
        run.say(f"report: {report}", style="bold")

    tell({"run": str(run.folder), "report": str(report), "findings": [f.row for f in found]}, as_json, say)


def _test(failures: Failures, flags: dict[str, Any]) -> None:
    """Every audit on planted cases of each strength and on clean ones; where one falls short, its operating curve."""
    from ..audits import AUDITS
    from ..audits.selftest import self_test
    from ..pipelines.table import operating_curve, self_test_table
    from ..terminal import console, progress

    chosen, cases, seed = [a for a in AUDITS if a.failure in failures], flags["cases"], flags["seed"] or 0
    settings = {"cases": cases, "strengths": list(flags["strengths"]), "seed": seed}
    if flags["dry_run"]:
        show_settings({"self_test": [a.name for a in chosen], **settings}, flags["as_json"])
        return
    tested: list[Tested] = []
    with progress("self-test", len(chosen), quiet=flags["as_json"]) as tick:
        for one in chosen:
            tick(len(tested), note=one.name)
            tested.append(self_test(one, cases, seed, flags["strengths"]))
        tick(len(tested))

    def say() -> None:
        console().print(self_test_table(tested))
        for one in tested:
            if not one.holds:
                console().print(operating_curve(one))

    tell({**settings, "audits": [one.row for one in tested]}, flags["as_json"], say)
