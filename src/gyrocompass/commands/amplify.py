"""`gyro amplify`: an overseer takes a user's questions apart, and their model learns what comes of it."""

from __future__ import annotations

from typing import Any

import click

from ..config import SFT, Access, Amplify, Compute, Config, Recipe, Sampling
from .flags import common_flags, stage_flags
from .road import recipe_of, take
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
    command goes on from there. DATA needs no answers; where every question has one, in a
    column `answer`, the share of right answers is measured. --dry-run tells what endpoints would be asked at most, and
    for what price.
    """
    source = {"pipeline": STAGE, "model": model, "data": data}
    recipe, access = recipe_of(STAGE, source, flags, SECTIONS)
    take(STAGE, recipe, flags, access, price=_price(recipe, access) if flags["dry_run"] else None)


def _price(recipe: Recipe, access: Access) -> dict[str, Any]:
    """What each endpoint would be asked at most; nothing where there is none."""
    if not any("://" in name for name in (recipe.model, recipe.amplify.overseer)):
        return {}
    from ..data import read_examples
    from ..pipelines.amplify import check, measured_by
    from ..pipelines.amplify_own import put_in
    from ..pipelines.amplify_price import forecast

    check(recipe)
    examples = read_examples(recipe.data)[0]
    found = forecast(recipe, put_in(examples), access, measured=bool(measured_by(recipe, examples)))
    return {"at_most": {name: one._asdict() for name, one in found.items()}}
