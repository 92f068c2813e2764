"""`gyro debate`: one's own models, or people, argue one's own questions before a judge; and the protocols that ship."""

from __future__ import annotations

from typing import Any

import click

from ..config import Access, Compute, Config, Debate, Recipe, Sampling
from ..errors import InputError
from .flags import common_flags, stage_flags
from .road import recipe_of, take

SECTIONS: dict[str, type[Config]] = {"debate": Debate, "sampling": Sampling, "compute": Compute}
STAGE = "debate"


@click.command(STAGE)
@click.option("--data", default=None, help="Questions, JSONL: question, answers (two), passage, truth (0 or 1), id.")
@click.option("--show-protocols", is_flag=True, help="Print the protocols that ship, as YAML to start from.")
@click.option("--show-wording", is_flag=True, help="Print the templates that everyone is asked by, as YAML likewise.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change another setting: dpo.beta=0.05")
@common_flags
@stage_flags(**SECTIONS, access=Access)
def debate(data: str | None, show_protocols: bool, show_wording: bool, settings: tuple[str, ...], **flags: Any) -> None:
    """Have two who read a passage argue before a judge who can't, and measure how often the judge is right.

    A debater or judge is a model (folder, hub name or http://HOST:PORT/v1#NAME) or people, who are asked by file: the
    command says where, and goes on when it is run again. --dry-run tells what endpoints would be asked at most, and for
    what price. `gyro run recipes/debate.yaml` plays on the town.
    """
    if show_protocols or show_wording:
        _show(show_wording)
        return
    if data is None:
        raise InputError("debate: give questions with --data FILE; for the town, gyro run recipes/debate.yaml")
    recipe, access = recipe_of(STAGE, {"pipeline": STAGE, "data": data}, flags, SECTIONS, settings)
    take(STAGE, recipe, flags, access, price=_price(recipe, access) if flags["dry_run"] else None)


def _price(recipe: Recipe, access: Access) -> dict[str, Any]:
    """What each endpoint would be asked at most; nothing where there is none."""
    from ..pipelines.debate import check_settings
    from ..pipelines.debate_price import forecast

    check_settings(recipe)
    found = forecast(recipe, access)
    return {"at_most": found} if found else {}


def _show(wording: bool) -> None:
    import yaml

    from ..feedback.debate import PROTOCOLS, Wording

    shipped = [protocol.model_dump(mode="json") for protocol in PROTOCOLS.values()]
    rows = Wording().model_dump(mode="json") if wording else shipped
    click.echo(yaml.safe_dump(rows, sort_keys=False, default_flow_style=None), nl=False)
