"""A whole road as a command: from flags to a recipe, and from a recipe to a finished run folder with its report."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cli import tell
from ..config import Access, Config, Recipe
from ..recipe import build, merge, parse, show_settings
from ..run import Run
from .flags import gathered


def recipe_of(
    stage: str,
    source: Mapping[str, Any],
    flags: Mapping[str, Any],
    sections: Mapping[str, type[Config]],
    settings: tuple[str, ...] = (),
) -> tuple[Recipe, Access]:
    """The recipe that the flags of a command amount to, and how an endpoint is asked.

    `source` holds keys that are no section's, the pipeline among them. Raises InputError for a setting that can't be.
    """
    given = gathered(flags, **sections, access=Access)
    access = build(Access, given.pop("access"), stage)
    whole: dict[str, Any] = {**source, "seed": flags["seed"] or 0, **given}
    for setting in settings:
        whole = merge(whole, parse(setting))
    return build(Recipe, whole, stage), access


def take(
    stage: str,
    recipe: Recipe,
    flags: Mapping[str, Any],
    access: Access | None = None,
    price: Mapping[str, Any] | None = None,
) -> None:
    """Runs or resumes the recipe's road in --out; with --dry-run prints its settings and the price instead."""
    config = {"stage": stage, **recipe.model_dump(mode="json")}
    asking = {"access": access.model_dump(mode="json")} if access else {}
    if flags["dry_run"]:
        show_settings({**config, **asking, **(price or {})}, flags["as_json"])
        return
    run = Run.open(flags["out"] or Path("runs") / stage, config, quiet=flags["as_json"])
    run.state.update(asking)
    follow(recipe, run, access)
    finish(run, flags["as_json"])


def follow(recipe: Recipe, run: Run, access: Access | None = None) -> None:
    """Takes a run to its end; one that is done stays as it is.

    A road is the function of its pipeline's name, in the module of that name.
    """
    from ..report import write

    if run.done:
        run.say(f"{run.folder} is done already; name another folder with --out to run again")
        return
    road = getattr(import_module(f"gyrocompass.pipelines.{recipe.pipeline}"), recipe.pipeline)
    with run.guard():
        road(recipe, run, *([access] if access else []))
        write(run.folder)


def finish(opened: Run, as_json: bool) -> None:
    """The closing words: what happened, and where the report is."""
    state = opened.state
    report = opened.folder / "report.html"
    if not report.exists():
        from ..report import write

        write(opened.folder)

    def say() -> None:
        for sentence in state["summary"]:
            opened.say(f"• {sentence}")
        opened.say(f"{state['seconds']:.0f} s; report: {report}", style="bold")

    keys = ("status", "summary", "peak", "seconds", "warnings")
    tell({"run": str(opened.folder), "report": str(report), **{key: state[key] for key in keys}}, as_json, say)
