"""`gyro amplify`: an overseer takes a user's questions apart, and their model learns what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import SFT, Access, Amplify, Compute, Config, Recipe, Sampling
from ..recipe import build, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags
from .run import finish
from .stages import model_flag

SECTIONS: dict[str, type[Config]] = {"amplify": Amplify, "sft": SFT, "sampling": Sampling, "compute": Compute}
STAGE = "amplify"


@click.command(STAGE)
@model_flag
@click.option("--data", required=True, help="Questions, or texts to shorten: file, folder or hub name.")
@common_flags
@stage_flags(**SECTIONS, access=Access)
def amplify(model: str, data: str, **flags: Any) -> None:
    """Answer questions by asking a model their sub-questions, then teach the model these answers.

    People may oversee: with --overseer people their moves are asked for in moves.jsonl of the run folder, and the same
    command goes on from there. DATA needs no answers.
    """
    given = gathered(flags, **SECTIONS, access=Access)
    access = build(Access, given.pop("access"), STAGE)
    recipe = build(
        Recipe, {"pipeline": STAGE, "model": model, "data": data, "seed": flags["seed"] or 0, **given}, STAGE
    )
    config = {"stage": STAGE, **recipe.model_dump(mode="json")}
    if flags["dry_run"]:
        show_settings({**config, "access": access.model_dump()}, flags["as_json"])
        return
    run = Run.open(flags["out"] or Path("runs") / STAGE, config, quiet=flags["as_json"])
    if run.done:
        run.say(f"{run.folder} is done already; name another folder with --out to run again")
    else:
        _go(run, recipe, access)
    finish(run, flags["as_json"])


def _go(run: Run, recipe: Recipe, access: Access) -> None:
    from ..pipelines.amplify import amplify as road
    from ..report import write

    run.state["access"] = access.model_dump(mode="json")
    with run.guard():
        road(recipe, run, access)
        write(run.folder)
