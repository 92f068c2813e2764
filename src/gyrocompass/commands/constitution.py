"""`gyro constitution`: look at a file of principles before a model is held to them."""

from __future__ import annotations

from typing import Any

import click

from ..cli import tell
from ..feedback.constitution import Constitution, Principle
from ..feedback.constitution.files import form_of, located_constitution
from ..feedback.constitution.principles import NAMES, PARTS
from ..feedback.constitution.review import by_tag, lacks, warnings

file_argument = click.argument("file", metavar="FILE|NAME")
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON line.")


@click.group()
def constitution() -> None:
    """Principles for Constitutional AI: check a file of them, or read them."""


@constitution.command()
@file_argument
@json_flag
def check(file: str, as_json: bool) -> None:
    """Check a constitution, a YAML or JSON file or the name of a shipped one, and say what it holds.

    Exits with 2, naming the line, if it can't be used. Warnings don't change the exit code.
    """
    payload, _ = _read(file)

    def say() -> None:
        click.echo(f"{payload['name']}: {len(payload['principles'])} principles, read as {payload['form']}")
        click.echo(f"hash {payload['hash']}, {payload['examples']} few-shot examples")
        if found := payload["verdicts"]:
            click.echo(f"judges each response on its own: {found['fault']!r} begins a fault, {found['fine']!r} none")
        for tag, tagged in payload["tags"].items():
            click.echo(f"  {tag:<24}{tagged['principles']:>4}  {tagged['weight_fraction']:>6.1%} of the weight")
        for kind in ("lacks", "warnings"):
            for note in payload[kind]:
                click.echo(f"{kind.removesuffix('s')}: {note}")

    tell(payload, as_json, say)


@constitution.command()
@file_argument
@click.option("--tag", "tags", multiple=True, help="Only principles with this tag (repeatable).")
@json_flag
def show(file: str, tags: tuple[str, ...], as_json: bool) -> None:
    """Print the principles of a constitution, part by part."""
    payload, read = _read(file)
    chosen = [principle for principle in read.principles if not tags or {*tags} & {*principle.tags}]

    def say() -> None:
        for principle in chosen:
            click.echo(f"{principle.id}  [{', '.join(principle.tags)}]  weight {principle.weight:g}")
            for part in PARTS:
                if text := getattr(principle, part):
                    click.echo(f"  {NAMES[part]}: {text}")

    tell(payload | {"principles": [_row(principle) for principle in chosen]}, as_json, say)


def _read(file: str) -> tuple[dict[str, Any], Constitution]:
    """What is told of a constitution, and the constitution."""
    located = located_constitution(file)
    form = form_of(located)
    read = form.read(located)
    told = {
        "name": read.name,
        "form": form.name,
        "hash": read.hash,
        "examples": len(read.examples),
        "verdicts": read.verdicts and read.verdicts._asdict(),
        "principles": [_row(principle) for principle in read.principles],
        "tags": {tag: tagged._asdict() for tag, tagged in by_tag(read).items()},
        "lacks": lacks(read),
        "warnings": warnings(read),
    }
    return told, read


def _row(principle: Principle) -> dict[str, Any]:
    return {
        "id": principle.id,
        "tags": list(principle.tags),
        "weight": principle.weight,
        **{part: getattr(principle, part) for part in PARTS if getattr(principle, part)},
    }
