"""Protocols as data: who speaks when, how much, and what the judge gets to read.

Debate: Irving, Christiano & Amodei 2018, arXiv:1805.00899. Consultancy and quotes: Michael et al. 2023,
arXiv:2311.08702; Khan et al. 2024, arXiv:2402.06782. Open protocols: Kenton et al. 2024, arXiv:2407.04622.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ...config import Config
from ...errors import InputError

Speaker = Literal["A", "B", "judge", "reader"]
"""A opens. B argues for the other answer. The judge cross-examines. A reader quotes for nobody."""
Kind = Literal["blind", "informed", "excerpts", "consultancy", "open consultancy", "debate", "open debate"]


class Protocol(Config):
    """A game about a question with two answers. `turns` is a round: groups in order, each of which speaks at once."""

    name: str
    turns: tuple[tuple[Speaker, ...], ...] = Field((), description="who speaks in a round; a group speaks at once")
    rounds: NonNegativeInt = Field(1, description="how often the round is played")
    words: PositiveInt = Field(150, description="longest turn, in words; what is longer is cut")
    open: bool = Field(False, description="A chooses the answer that it argues for")
    private: bool = Field(False, description="speakers think before they speak, which nobody else reads")
    reads: Literal["transcript", "passage"] = Field("transcript", description="what the judge reads")
    quotes: Literal["checked", "trusted"] = Field(
        "checked", description="whether quotes are held against the passage, or pass as they stand"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        speakers = [speaker for group in self.turns for speaker in group]
        if any(len(set(group)) < len(group) or not group for group in self.turns):
            raise PydanticCustomError("group", "a group of speakers is empty, or names one twice")
        if "B" in speakers and "A" not in speakers:
            raise PydanticCustomError("seat", "B argues against A, and there is no A")
        if self.open and "A" not in speakers:
            raise PydanticCustomError("open", "nobody is there to choose an answer")
        return self

    @property
    def speakers(self) -> frozenset[Speaker]:
        return frozenset(speaker for group in self.turns for speaker in group)

    @property
    def hash(self) -> str:
        """Of all that it says, hex."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def groups(self) -> tuple[tuple[Speaker, ...], ...]:
        """The groups of all rounds, in order."""
        return self.turns * self.rounds

    @property
    def kind(self) -> Kind:
        """What the judge is told that this is."""
        if "A" in self.speakers:
            kind: Kind = "debate" if "B" in self.speakers else "consultancy"
            return ("open debate" if kind == "debate" else "open consultancy") if self.open else kind
        if "reader" in self.speakers:
            return "excerpts"
        return "informed" if self.reads == "passage" else "blind"


def read_protocols(source: str) -> list[Protocol]:
    """Protocols by name, with commas between, or from a YAML file that lists them.

    Raises InputError for an unknown name, one named twice, a missing file, no YAML, or a protocol that doesn't hold
    together.
    """
    path = Path(source)
    found = _from_file(path) if path.suffix in (".yaml", ".yml") else _named(source)
    twice = next((name for name, n in Counter(one.name for one in found).items() if n > 1), None)
    if twice:
        raise InputError(f"{source}: two protocols have the name {twice!r}; rename one, or leave it out")
    return found


def _named(source: str) -> list[Protocol]:
    names = [name.strip() for name in source.split(",") if name.strip()]
    unknown = [name for name in names if name not in PROTOCOLS]
    if unknown or not names:
        missing = repr(unknown[0]) if unknown else "none named"
        raise InputError(f"protocol {missing}: there are {', '.join(PROTOCOLS)}; or give a YAML file of your own")
    return [PROTOCOLS[name] for name in names]


def from_yaml(path: Path, remedy: str) -> Any:
    """What a YAML file holds. Raises InputError, with a remedy, if it isn't there, or no YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file; {remedy}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _from_file(path: Path) -> list[Protocol]:
    rows = from_yaml(path, "`gyro debate --show-protocols` prints those that ship")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: expected a list of protocols; `gyro debate --show-protocols` prints some")
    return [_protocol(row, f"{path}: protocol {i}") for i, row in enumerate(rows, 1)]


def _protocol(row: Any, where: str) -> Protocol:
    try:
        return Protocol.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{where}: {key}: {first['msg']}; its keys are {', '.join(Protocol.model_fields)}") from None


_SHIPPED = (
    Protocol(name="blind"),
    Protocol(name="excerpts", turns=(("reader",),)),
    Protocol(name="consultancy", turns=(("A",),), rounds=2),
    Protocol(name="open-consultancy", turns=(("A",),), rounds=2, open=True),
    Protocol(name="debate", turns=(("A", "B"),), rounds=2),
    Protocol(name="open-debate", turns=(("A", "B"),), rounds=2, open=True),
    Protocol(name="sequential-debate", turns=(("A",), ("B",)), rounds=2),
    Protocol(name="cross-examination", turns=(("A", "B"), ("judge",)), rounds=2),
    Protocol(name="informed", reads="passage"),
)
PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in _SHIPPED}
"""The protocols that ship, by name."""
