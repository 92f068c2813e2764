"""`gyro debate`: one's own models, or people, argue one's own questions before a judge; and the protocols that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import Access, Compute, Config, Debate, Recipe, Sampling
from ..errors import InputError
from ..recipe import build, merge, parse, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags
from .run import finish

SECTIONS: dict[str, type[Config]] = {"debate": Debate, "sampling": Sampling, "compute": Compute}
STAGE = "debate"


@click.command(STAGE)
@click.option("--data", default=None, help="Questions, JSONL: question, answers (two), passage, truth (0 or 1), id.")
@click.option("--show-protocols", is_flag=True, help="Print the protocols that ship, as YAML to start from.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change another setting: dpo.beta=0.05")
@common_flags
@stage_flags(**SECTIONS, access=Access)
def debate(data: str | None, show_protocols: bool, settings: tuple[str, ...], **flags: Any) -> None:
    """Have two who read a passage argue before a judge who can't, and measure how often the judge is right.

    A debater or judge is a model (folder, hub name or http://HOST:PORT/v1#NAME) or people, who are asked by file: the
    command says where, and goes on when it is run again. `gyro run recipes/debate.yaml` plays on the town.
    """
    if show_protocols:
        _show()
        return
    if data is None:
        raise InputError("debate: give questions with --data FILE; for the town, gyro run recipes/debate.yaml")
    resolved, access = _resolved(data, settings, flags)
    config = {"stage": STAGE, **resolved.model_dump(mode="json")}
    if flags["dry_run"]:
        show_settings({**config, "access": access.model_dump()}, flags["as_json"])
        return
    run = Run.open(flags["out"] or Path("runs") / STAGE, config, quiet=flags["as_json"])
    if run.done:
        run.say(f"{run.folder} is done already; name another folder with --out to run again")
    else:
        _go(run, resolved, access)
    finish(run, flags["as_json"])


def _show() -> None:
    import yaml

    from ..feedback.debate import PROTOCOLS

    rows = [protocol.model_dump(mode="json") for protocol in PROTOCOLS.values()]
    click.echo(yaml.safe_dump(rows, sort_keys=False, default_flow_style=None), nl=False)


def _resolved(data: str, settings: tuple[str, ...], flags: dict[str, Any]) -> tuple[Recipe, Access]:
    """The recipe that the flags amount to, and how an endpoint is asked."""
    given = gathered(flags, **SECTIONS, access=Access)
    access = build(Access, given.pop("access"), STAGE)
    whole: dict[str, Any] = {"pipeline": STAGE, "data": data, "seed": flags["seed"] or 0, **given}
    for setting in settings:
        whole = merge(whole, parse(setting))
    return build(Recipe, whole, STAGE), access


def _go(run: Run, recipe: Recipe, access: Access) -> None:
    from ..pipelines.debate import debate as road
    from ..report import write

    run.state["access"] = access.model_dump(mode="json")
    with run.guard():
        road(recipe, run, access)
        write(run.folder)
