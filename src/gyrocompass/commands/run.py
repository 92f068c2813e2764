"""`gyro run`, `gyro report`, `gyro settings`."""

from __future__ import annotations

from pathlib import Path

import click

from ..recipe import load, recipe_path, reference, show_settings
from ..run import Run
from .flags import common_flags
from .road import finish, follow


@click.command()
@click.argument("recipe", default="town")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting: ppo.kl_coef=0.1")
@click.option("--quick", is_flag=True, help="The recipe's small version, for a first look.")
@common_flags
def run(
    recipe: str,
    settings: tuple[str, ...],
    quick: bool,
    out: Path | None,
    seed: int | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run RECIPE, a YAML file or the name of a shipped one, into a run folder with a report."""
    path = recipe_path(recipe)
    if seed is not None:
        settings = (*settings, f"seed={seed}")
    resolved = load(path, settings, quick)
    config = resolved.model_dump(mode="json")
    if dry_run:
        show_settings(config, as_json)
        return
    name = path.stem + ("-quick" if quick else "")
    opened = Run.open(out or Path("runs") / name, config, quiet=as_json)
    follow(resolved, opened)
    finish(opened, as_json)


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
def report(folders: tuple[Path, ...]) -> None:
    """Write report.html of each RUN's folder anew, and print its path."""
    from ..report import write

    for folder in folders:
        click.echo(write(folder))


@click.command()
def settings() -> None:
    """Print every setting with its default and meaning, as Markdown."""
    click.echo(reference(), nl=False)
