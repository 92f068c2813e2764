"""`gyro cai`: both stages of Constitutional AI on a user's own model, constitution and prompts."""

from __future__ import annotations

from typing import Any

import click

from ..config import CAI, Access, Compute, Config, Recipe, Sampling
from .flags import common_flags, stage_flags
from .road import recipe_of, take
from .stages import model_flag

SECTIONS: dict[str, type[Config]] = {"cai": CAI, "sampling": Sampling, "compute": Compute}
STAGE = "cai"


@click.command(STAGE)
@model_flag
@click.option("--prompts", required=True, help="Prompts that ask for harm: file, folder or hub name; town: its own.")
@click.option(
    "--helpful", default=None, help="Helpful responses, learnt beside the revisions: file, folder or hub name."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change another setting: ppo.kl_coef=0.1")
@common_flags
@stage_flags(**SECTIONS, access=Access)
def cai(model: str, prompts: str, helpful: str | None, settings: tuple[str, ...], **flags: Any) -> None:
    """Have a model criticise and revise itself by principles, then learn from a judge that compares by them.

    No person says anything about harm: PROMPTS need no labels. Of helpfulness people may speak, with --preferences.
    --dry-run tells what an endpoint as judge would be asked at most, and for what price.
    """
    source = {"pipeline": STAGE, "model": model, "data": prompts, "demonstrations": helpful}
    recipe, access = recipe_of(STAGE, source, flags, SECTIONS, settings)
    take(STAGE, recipe, flags, access, price=_price(recipe, access) if flags["dry_run"] else None)


def _price(recipe: Recipe, access: Access) -> dict[str, Any]:
    """What the judge would be asked at most; nothing where it is no endpoint."""
    if "://" not in recipe.cai.judge:
        return {}
    from ..feedback.constitution import read_constitution
    from ..models.endpoint import open_endpoint
    from ..pipelines.ai_feedback import forecast
    from ..pipelines.cai_material import judged_prompts

    endpoint = open_endpoint(recipe.cai.judge, recipe.sampling, access)
    constitution = read_constitution(recipe.cai.constitution)
    found = forecast(endpoint, constitution, recipe.cai, judged_prompts(recipe))
    return {"judge_at_most": found._asdict()}
