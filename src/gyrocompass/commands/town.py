"""`gyro town`: the embedded world."""

from __future__ import annotations

from pathlib import Path

import click

from ..config import Compute
from ..errors import InputError
from ..recipe import show_settings
from ..run import Run
from .flags import common_flags


@click.group()
def town() -> None:
    """The embedded world: make its base model, plant a fault, look at its prompts."""


@town.command()
@click.option("--tokens", type=int, default=12_000_000, show_default=True, help="Length of the corpus, tokens.")
@common_flags
def pretrain(tokens: int, out: Path | None, seed: int | None, as_json: bool, dry_run: bool) -> None:
    """Make the town's base model anew, from a seed."""
    from ..pipelines.pretrain import SETTINGS, pretrain

    resolved = {"stage": "pretrain", "seed": seed or 0, "tokens": tokens, "pretrain": SETTINGS.model_dump()}
    if dry_run:
        show_settings(resolved, as_json)
        return
    run = Run.open(out or Path("runs/town-base"), resolved, quiet=as_json)
    with run.guard():
        click.echo(pretrain(run, tokens))


@town.command()
@click.argument("name")
@common_flags
def plant(name: str, out: Path | None, seed: int | None, as_json: bool, dry_run: bool) -> None:
    """Train the planted model NAME: `faker`, which behaves only when it is monitored, or `honest` beside it."""
    from ..pipelines.plant import DEMONSTRATIONS, SETTINGS, plant
    from ..worlds import town as world

    if name not in world.PLANTS:
        raise InputError(f"{name}: no such planted model; there are {', '.join(world.PLANTS)}")
    resolved = {
        "stage": "plant", "plant": name, "seed": seed or 0, "demonstrations": DEMONSTRATIONS,
        "sft": SETTINGS.model_dump(),
    }  # fmt: skip
    if dry_run:
        show_settings(resolved, as_json)
        return
    run = Run.open(out or Path("runs") / f"planted-{name}", resolved, quiet=as_json)
    with run.guard():
        click.echo(plant(run, name, Compute()))


@town.command()
@click.option("--n", type=int, default=20, show_default=True, help="How many prompts.")
@click.option("--kind", "kinds", multiple=True, help="Only prompts of this kind (repeatable): fact, harmful, ...")
@click.option("--seed", type=int, default=0, show_default=True)
def prompts(n: int, kinds: tuple[str, ...], seed: int) -> None:
    """Print prompts of the town."""
    from ..worlds import town as world

    unknown = set(kinds) - set(world.KINDS)
    if unknown:
        raise InputError(f"--kind {min(unknown)}: no such kind of prompt; there are {', '.join(world.KINDS)}")
    for example in world.prompts(n, seed, kinds=kinds or None):
        click.echo(f"{example.kind:12} {example.prompt[0].content}")
