"""YAML and JSON files whose parts know where they stand, so that an error can name the line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from ..errors import InputError
from ..files import read_json
from .sources import Place

NO_ASCII = re.compile(r"[^\n\r -~]")
Value: TypeAlias = "str | int | float | bool | list[Located] | dict[str, Located] | None"


@dataclass(frozen=True, slots=True)
class Located:
    """A value and its place: a scalar, a list of such values, or a mapping to them."""

    value: Value
    place: Place

    def fault(self, message: str) -> InputError:
        """The error to raise about this value."""
        return InputError(f"{self.place}: {message}")

    def at(self, *path: str | int) -> Located:
        """The part that the path leads to, or the last one on the way that is there."""
        here = self
        for step in path:
            parts: Any = here.value if isinstance(here.value, dict | list) else {}
            try:
                here = parts[step]
            except (KeyError, IndexError, TypeError):
                break
        return here

    def fields(self, what: str) -> dict[str, Located]:
        """The parts of a mapping. Raises InputError if it is none; `what` names it."""
        if not isinstance(self.value, dict):
            raise self.fault(f"{what} is {self.shown}, not a mapping; write it as `key: value`")
        return self.value

    def items(self, what: str) -> list[Located]:
        """The parts of a list. Raises InputError if it is none."""
        if not isinstance(self.value, list):
            raise self.fault(f"{what} is {self.shown}, not a list; begin each item with a dash")
        return self.value

    def text(self, what: str) -> str:
        """Text without outer whitespace. Raises InputError if it is none."""
        if not isinstance(self.value, str):
            raise self.fault(f"{what} is {self.shown}, not text; put it in quotes")
        return self.value.strip()

    def number(self, what: str) -> float:
        """A number. Raises InputError if it is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.fault(f"{what} is {self.shown}, not a number; write it as 0.5")
        return float(self.value)

    @property
    def shown(self) -> str:
        """The value as a message quotes it."""
        kinds = {dict: "a mapping", list: "a list", type(None): "empty"}
        return kinds.get(type(self.value), f"{self.value!r:.40}")

    @property
    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: part.plain for key, part in self.value.items()}
        return [part.plain for part in self.value] if isinstance(self.value, list) else self.value


def read_located(path: Path) -> Located:
    """The value of a YAML or JSON file; an empty file's is None.

    Raises InputError, naming the line, if the file can't be read, isn't valid, or states a key twice.
    """
    text = _text(path)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return _located(loader, node, str(path)) if node else Located(None, Place(str(path), 1))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML ({error.problem}); correct it") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML ({str(error).splitlines()[0]}); correct it") from None


def _text(path: Path) -> str:
    """JSON is read as the YAML that it nearly is: its tabs, never part of a value, become spaces, and characters that
    YAML reads otherwise, always part of one, are escaped."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: it can't be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: it isn't UTF-8 text; save it as such") from None
    if path.suffix.lower() != ".json":
        return text
    read_json(path)
    return NO_ASCII.sub(lambda character: json.dumps(character[0])[1:-1], text.replace("\t", " "))


def _located(loader: yaml.SafeLoader, node: yaml.Node, file: str) -> Located:
    place = Place(file, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return Located(_mapping(loader, node.value, file), place)
    if isinstance(node, yaml.SequenceNode):
        return Located([_located(loader, item, file) for item in node.value], place)
    value = loader.construct_object(node)
    return Located(_rejoined(value) if isinstance(value, str) else value, place)


def _mapping(loader: yaml.SafeLoader, pairs: Sequence[tuple[yaml.Node, yaml.Node]], file: str) -> dict[str, Located]:
    """The mapping, in which each value stands where its key does."""
    parts: dict[str, Located] = {}
    for key_node, value_node in pairs:
        key = _located(loader, key_node, file)
        name = key.text("a key")
        if name in parts:
            raise key.fault(f"{name!r} stands here again (first on line {parts[name].place.line}); rename one")
        parts[name] = Located(_located(loader, value_node, file).value, key.place)
    return parts


def _rejoined(text: str) -> str:
    """The text with JSON's escaped surrogate pairs as the characters they stand for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
