"""Settings read, laid over each other and shown: YAML recipes, KEY=VALUE, and the reference page."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .config import Access, Config, Online, OwnChoice, OwnLabels, OwnLearning, Recipe, StepPayment
from .errors import InputError

C = TypeVar("C", bound=Config)


def build(kind: type[C], values: Mapping[str, Any], where: str = "settings") -> C:
    """Validated settings. Raises InputError in one line: what is wrong, where, and the nearest known key."""
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] != "extra_forbidden":
            given = first.get("input")
            raise InputError(f"{where}: {key} = {given!r}: {_lower(first['msg'])}") from None
        known = dotted_keys(kind)
        nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
        raise InputError(f"{where}: unknown key {key!r}; the nearest one is {nearest[0]!r}") from None


def load(path: Path, settings: Sequence[str] = (), quick: bool = False) -> Recipe:
    """The recipe in a YAML file, its `quick` section laid over it if asked for, then KEY=VALUE settings.

    Raises InputError if the file is missing, no mapping, or holds an unknown key.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such recipe; the shipped ones are {', '.join(shipped())}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: a recipe is a mapping of keys, not a {type(values).__name__}")
    overlay = values.pop("quick", {})
    if quick:
        values = merge(values, overlay)
    for setting in settings:
        values = merge(values, parse(setting))
    return build(Recipe, values, str(path))


def recipe_path(name: str) -> Path:
    """A recipe by path, or a shipped one by name (`town`, `town.yaml`, `recipes/town.yaml`)."""
    path = Path(name)
    shipped_path = RECIPES / f"{path.stem}.yaml"
    return shipped_path if not path.exists() and shipped_path.exists() else path


FLAGS_ALONE: Mapping[str, type[Config]] = {
    "online dpo": Online,
    "endpoints": Access,
    "process label": OwnLabels,
    "process train": OwnLearning,
    "process score": OwnChoice,
    "ppo, by a process reward model": StepPayment,
}
"""Settings that no recipe holds."""

RECIPES = Path(__file__).parent / "recipes"


def shipped() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def dotted_keys(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key of a config, nested ones dotted: `ppo.kl_coef`."""
    keys: list[str] = []
    for name, info in kind.model_fields.items():
        keys.append(prefix + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            keys += dotted_keys(info.annotation, f"{prefix}{name}.")
    return keys


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid upon `base`, mappings merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def parse(setting: str) -> dict[str, Any]:
    """KEY=VALUE as nested mappings. Raises InputError if it is none."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise InputError(f"--set {setting}: expected KEY=VALUE, such as ppo.kl_coef=0.1")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {setting}: {text!r} is not a YAML value; quote it") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def as_yaml(settings: BaseModel | Mapping[str, Any]) -> str:
    """Settings as YAML, in the order of their declaration."""
    values = settings.model_dump() if isinstance(settings, BaseModel) else dict(settings)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).rstrip()


def show_settings(settings: Mapping[str, Any], as_json: bool) -> None:
    """Prints settings, as YAML or as one JSON line."""
    print(json.dumps(settings) if as_json else as_yaml(settings))


def reference() -> str:
    """Every key of a recipe with its default and meaning, as Markdown tables."""
    parts = ["# Settings\n\nKeys of a recipe; on a stage's own command each is a flag (`kl_coef`: `--kl-coef`).\n"]
    parts.append(_table("Recipe", Recipe))
    for name, info in Recipe.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            parts.append(_table(name, info.annotation))
    parts += [_table(f"Flags alone: {name}", kind) for name, kind in FLAGS_ALONE.items()]
    return "\n".join(parts)


def _table(title: str, kind: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_default(info.default)} | {info.description} |"
        for name, info in kind.model_fields.items()
        if not isinstance(info.default, BaseModel)
    ]
    head = ["| key | default | meaning |", "|---|---|---|"]
    return "\n".join([f"## {title}", "", kind.__doc__ or "", "", *head, *rows, ""])


def _default(value: Any) -> str:
    return "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
