"""`gyro weak-to-strong`: a weaker model's labels train a stronger one, on a user's own models and labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import Compute, Config, Recipe, WeakToStrong
from ..recipe import build, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags
from .run import finish

PIPELINE = "weak_to_strong"
SECTIONS: dict[str, type[Config]] = {PIPELINE: WeakToStrong, "compute": Compute}


@click.command("weak-to-strong")
@click.option("--strong", required=True, help="The student before it learns: folder or hub name; town: the base.")
@click.option("--data", required=True, help="Responses with a true/false label, or preferences; town: its own.")
@common_flags
@stage_flags(**SECTIONS)
def weak_to_strong(strong: str, data: str, **flags: Any) -> None:
    """Train STRONG on the labels of a weaker model, and tell how much of the gap to gold labels it recovers.

    A part of DATA teaches the supervisor --weak, another is labelled by it for the student, the rest measures all.
    """
    given = gathered(flags, **SECTIONS)
    whole = {"pipeline": PIPELINE, "model": strong, "data": data, "seed": flags["seed"] or 0, **given}
    recipe = build(Recipe, whole, "weak-to-strong")
    config = {"stage": "weak-to-strong", **recipe.model_dump(mode="json")}
    if flags["dry_run"]:
        show_settings(config, flags["as_json"])
        return
    run = Run.open(flags["out"] or Path("runs") / "weak-to-strong", config, quiet=flags["as_json"])
    if run.done:
        run.say(f"{run.folder} is done already; name another folder with --out to run again")
    else:
        _go(run, recipe)
    finish(run, flags["as_json"])


def _go(run: Run, recipe: Recipe) -> None:
    from ..pipelines.weak_to_strong import weak_to_strong as road
    from ..report import write

    with run.guard():
        road(recipe, run)
        write(run.folder)
