"""The evals of a run folder as exports read them: who was asked what, what came back, which marks it got."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from ..errors import InputError
from ..files import read_json
from ..records import Measurement, Message


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
"""A time in UTC; one without a zone is taken to be that."""


@dataclass(frozen=True)
class Response:
    """A model's response to a prompt, None where it wasn't asked to write. A mark of None is an abstention."""

    prompt: tuple[Message, ...]
    response: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as JSON: `role` and `content` of each turn."""
        return [{"role": m.role, "content": m.content} for m in self.prompt]


@dataclass(frozen=True)
class Sheet:
    """One file of answers: one eval of one model. `better` says which way of a metric is the better one."""

    model: str
    eval: str
    property: str
    headline: str
    started: Moment
    seconds: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Measurement, ...] = ()
    answers: tuple[Response, ...] = ()
    better: Mapping[str, Literal["high", "low", "zero"]] = field(default_factory=dict)

    def ended(self) -> datetime:
        """When the eval was done, UTC."""
        return self.started + timedelta(seconds=self.seconds)

    def marks(self) -> list[str]:
        """Every mark that some answer has, in the order of first appearance."""
        return list(dict.fromkeys(name for answer in self.answers for name in answer.marks))


def read_sheets(run: Path) -> list[Sheet]:
    """The sheets of a run folder; of two for the same model and eval, the one of the later stage.

    Raises InputError if there are none, or if one isn't such a file.
    """
    found = {(sheet.model, sheet.eval): sheet for sheet in map(_read, sorted(run.glob("stages/*/answers/*/*.json")))}
    if not found:
        raise InputError(f"{run}: no answers of an eval in stages/*/answers; measure a model with `gyro eval` first")
    return list(found.values())


def about(run: Path) -> Mapping[str, Any]:
    """What run.json says of the run. Raises InputError if there is none, or it isn't an object."""
    path = run / "run.json"
    state = read_json(path)
    if not isinstance(state, dict):
        raise InputError(f"{path}: not written by this program; name a run folder")
    return state


def stamp(when: datetime) -> str:
    """A time as a part of a file's name: ISO 8601 without zone, `-` for `:`."""
    return when.replace(tzinfo=None).isoformat().replace(":", "-")


def plain(name: str) -> str:
    """A name as a part of a file's name: letters, digits and `.-`, anything else becomes `-`."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name)


def standard_error(row: Measurement) -> float:
    """The standard error that a normal would need for a 95% interval of this width."""
    return (row.high - row.low) / 2 / 1.96


def _read(path: Path) -> Sheet:
    try:
        return TypeAdapter(Sheet).validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{path}: {where}: {first['msg']}; run the eval again") from None
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None
