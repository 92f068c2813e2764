"""Command-line flags from pydantic models: one flag a field, its help the field's description."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from ..config import Config

F = TypeVar("F", bound=Callable[..., Any])


def stage_flags(**sections: type[Config]) -> Callable[[F], F]:
    """Adds a flag for every field of each section; unset ones are None. Names must not clash."""

    def decorate(command: F) -> F:
        for kind in reversed(list(sections.values())):
            for name, info in reversed(list(kind.model_fields.items())):
                command = _option(name, info)(command)
        return command

    return decorate


def gathered(values: Mapping[str, Any], **sections: type[Config]) -> dict[str, dict[str, Any]]:
    """The flags that were given, by section."""
    return {
        section: {name: values[name] for name in kind.model_fields if values.get(name) is not None}
        for section, kind in sections.items()
    }


def common_flags(command: F) -> F:
    """--out, --seed, --json, --dry-run: the same on every command that makes a run."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Print the settings and do nothing."),
        click.option("--json", "as_json", is_flag=True, help="End with one JSON line; no progress bars."),
        click.option("--seed", type=click.IntRange(0), default=None, help="Seed of everything random.  [default: 0]"),
        click.option("--out", type=click.Path(path_type=Path), default=None, help="Run folder; resumed if it exists."),
    ):
        command = option(command)
    return command


def _option(name: str, info: FieldInfo) -> Callable[[F], F]:
    flag = "--" + name.replace("_", "-")
    kind = _plain(info.annotation)
    shown = "" if info.default is None else f"  [default: {_shown(info.default)}]"
    meaning = info.description or name
    text = f"{meaning[0].upper()}{meaning[1:]}.{shown}"
    if kind is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    if get_origin(kind) is tuple:
        several = f"{text} Once for each."
        return click.option(
            flag, name, type=_type(get_args(kind)[0]), multiple=True, help=several, callback=lambda _, __, v: v or None
        )
    return click.option(flag, name, type=_type(kind), default=None, help=text)


def _type(kind: Any) -> Any:
    """What click makes of a type."""
    return click.Choice(get_args(kind)) if get_origin(kind) is Literal else kind


def _plain(annotation: Any) -> Any:
    """The type without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(map(str, default)) or "none"
    return f"{default:g}" if isinstance(default, float) else str(default).lower() if default is False else str(default)
