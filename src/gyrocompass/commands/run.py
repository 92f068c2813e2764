"""`gyro run`, `gyro report`, `gyro settings`."""

from __future__ import annotations

from pathlib import Path

import click

from ..cli import tell
from ..config import Recipe
from ..recipe import load, recipe_path, reference, show_settings
from ..run import Run
from .flags import common_flags


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
    if opened.done:
        opened.say(f"{opened.folder} is done already; name another folder with --out to run again")
    else:
        _go(resolved, opened)
    finish(opened, as_json)


def _go(resolved: Recipe, opened: Run) -> None:
    from ..pipelines.cai import cai
    from ..pipelines.cai_study import cai_study
    from ..pipelines.emergence import emergence
    from ..pipelines.frontier import frontier
    from ..pipelines.grids import grids
    from ..pipelines.hacking import hacking
    from ..pipelines.rlhf import rlhf
    from ..pipelines.weak_to_strong import weak_to_strong
    from ..report import write

    roads = {
        "rlhf": rlhf, "cai": cai, "cai_study": cai_study, "frontier": frontier, "hacking": hacking,
        "emergence": emergence, "grids": grids, "weak_to_strong": weak_to_strong,
    }  # fmt: skip
    with opened.guard():
        roads[resolved.pipeline](resolved, opened)
        write(opened.folder)


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
