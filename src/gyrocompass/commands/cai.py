"""`gyro cai`: both stages of Constitutional AI on a user's own model, constitution and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import CAI, Access, Compute, Config, Recipe, Sampling
from ..recipe import build, merge, parse, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags
from .run import finish
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
    resolved, access = _resolved(model, prompts, helpful, settings, flags)
    config = {"stage": STAGE, **resolved.model_dump(mode="json")}
    if flags["dry_run"]:
        show_settings({**config, "access": access.model_dump(), **_price(resolved, access)}, flags["as_json"])
        return
    run = Run.open(flags["out"] or Path("runs") / STAGE, config, quiet=flags["as_json"])
    if run.done:
        run.say(f"{run.folder} is done already; name another folder with --out to run again")
    else:
        _go(run, resolved, access)
    finish(run, flags["as_json"])


def _resolved(
    model: str, prompts: str, helpful: str | None, settings: tuple[str, ...], flags: dict[str, Any]
) -> tuple[Recipe, Access]:
    """The recipe that the flags amount to, and how an endpoint is asked."""
    given = gathered(flags, **SECTIONS, access=Access)
    access = build(Access, given.pop("access"), STAGE)
    whole: dict[str, Any] = {"pipeline": STAGE, "model": model, "data": prompts, "demonstrations": helpful}
    whole |= {"seed": flags["seed"] or 0, **given}
    for setting in settings:
        whole = merge(whole, parse(setting))
    return build(Recipe, whole, STAGE), access


def _go(run: Run, recipe: Recipe, access: Access) -> None:
    from ..pipelines.cai import cai as road
    from ..report import write

    run.state["access"] = access.model_dump(mode="json")
    with run.guard():
        road(recipe, run, access)
        write(run.folder)


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
