"""What flows between the two arrows: frozen, validated records that any tool can read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from .errors import InputError

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")

SHORTENED = "shortened"
"""In the `meta` of a record that is part of what a source holds: what the rest lacks."""

Property = Literal["instruction", "harmlessness", "honesty", "robustness", "values"]
PROPERTIES: tuple[Property, ...] = ("instruction", "harmlessness", "honesty", "robustness", "values")
"""What 'aligned' lumps together; each has measurements of its own."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Raises InputError for an unknown role."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InputError(f"role {self.role!r} is none of {', '.join(ROLES)}")


Prompt = tuple[Message, ...]


def user(text: str) -> Prompt:
    """The prompt of a single user turn."""
    return (Message("user", text),)


def _check_prompt(prompt: Prompt) -> None:
    if not prompt:
        raise InputError("the prompt is empty")


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt, with or without a response; a policy's response may be the empty string.

    `label` is True for a desirable response, False for an undesirable one, None where nobody said.
    `meta` carries the columns that slices are cut by; its `kind` names the kind of prompt.
    Raises InputError for an empty prompt.
    """

    prompt: Prompt
    response: str | None = None
    label: bool | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)

    @property
    def kind(self) -> str | None:
        return self.meta.get("kind")


@dataclass(frozen=True, slots=True)
class Preference:
    """Two responses to one prompt, and how likely it is that the first is the better one.

    `p_first` lies in [0, 1]; 0.5 is a tie; the share of raters who chose the first, or one rater's degree of
    belief. `strength` is a stated margin in the rater's own units (>= 0), None where nobody said.
    Raises InputError for an empty prompt, an empty response, equal responses, or `p_first` outside [0, 1].
    """

    prompt: Prompt
    first: str
    second: str
    p_first: float = 1.0
    strength: float | None = None
    rater: str | None = None
    source: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        if not (self.first.strip() and self.second.strip()):
            raise InputError("a response is empty")
        if self.first == self.second:
            raise InputError("the two responses are equal, so preferring one says nothing")
        if not 0.0 <= self.p_first <= 1.0:
            raise InputError(f"p_first is {self.p_first}, outside [0, 1]")
        if self.strength is not None and not self.strength >= 0.0:
            raise InputError(f"strength is {self.strength}, below 0")

    @property
    def kind(self) -> str | None:
        return self.meta.get("kind")

    @property
    def chosen(self) -> str:
        return self.first if self.p_first >= 0.5 else self.second

    @property
    def rejected(self) -> str:
        return self.second if self.p_first >= 0.5 else self.first

    def swap(self) -> Preference:
        """The same preference with its responses in the other order."""
        return replace(self, first=self.second, second=self.first, p_first=1.0 - self.p_first)


@dataclass(frozen=True, slots=True)
class Steps:
    """A chain of reasoning steps and, for each, how likely it is right (in [0, 1]).

    Raises InputError for an empty chain, or labels of another length.
    """

    prompt: Prompt
    steps: tuple[str, ...]
    labels: tuple[float, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        if not self.steps:
            raise InputError("the chain has no steps")
        if len(self.steps) != len(self.labels):
            raise InputError(f"{len(self.steps)} steps but {len(self.labels)} labels")
        if not all(0.0 <= label <= 1.0 for label in self.labels):
            raise InputError("a step label lies outside [0, 1]")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of `evals.json`: a number that never travels without its interval and its n.

    `low` and `high` bound a 95% interval unless the report says otherwise; `slice` is None for the whole.
    Raises InputError if n < 1, the value is not finite, or the interval does not hold the value.
    """

    model: str
    property: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    slice: str | None = None

    def __post_init__(self) -> None:
        if self.n < 1 or not math.isfinite(self.value):
            raise InputError(f"{self.metric} of {self.model}: no number without data (n={self.n})")
        if not self.low - 1e-9 <= self.value <= self.high + 1e-9:
            raise InputError(f"{self.metric}: {self.value} lies outside [{self.low}, {self.high}]")


Record = Example | Preference | Steps


def to_row(record: Record) -> dict[str, Any]:
    """A record as one JSON object; fields left at None or empty are left out. `from_row` reads it back."""
    row: dict[str, Any] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if f.name == "prompt":
            row["prompt"] = [{"role": m.role, "content": m.content} for m in value]
        elif value is not None and value != {}:
            row[f.name] = list(value) if isinstance(value, tuple) else value
    return row


def from_row(row: Mapping[str, Any]) -> Record:
    """The record that `to_row` wrote. Raises InputError if the row has the fields of none of them."""
    prompt = tuple(Message(m["role"], m["content"]) for m in row["prompt"])
    rest = {name: value for name, value in row.items() if name != "prompt"}
    if "steps" in rest:
        return Steps(prompt, tuple(rest.pop("steps")), tuple(rest.pop("labels")), **rest)
    if "first" in rest:
        return Preference(prompt, **rest)
    return Example(prompt, **rest)
