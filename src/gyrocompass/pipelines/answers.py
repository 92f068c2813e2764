"""Answers in a file of one's own, a row each: a prompt, what a model said, and columns of numbers that judge it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..audits.audit import Finding
from ..audits.shift.columns import EMBEDDING, slices
from ..data.sources import FORMATS, rows
from ..errors import InputError
from ..protocols import Floats
from ..records import Example
from ..run import Run
from .shift import Answers, of_answers, of_prompts
from .task import recorded

MODEL = "model"
"""The column that tells models apart; without it all rows are one model's."""
ASIDE = (MODEL, EMBEDDING, "question")
"""Columns with a meaning of their own."""
BY_PROMPT = ("length", "language", "cluster")
MOST_SLICES = 20
"""Different values up to which a column of text is a slice without being named."""
NUMBERS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Wanted:
    """Which columns judge an answer, `metrics` the higher the better and `losses` the lower; what they are sliced `by`;
    and a source of prompts that are `known` from training."""

    metrics: Sequence[str] = ()
    losses: Sequence[str] = ()
    by: Sequence[str] = ()
    known: str | None = None

    @property
    def judged(self) -> list[str]:
        return [*self.metrics, *self.losses]


@dataclass(frozen=True)
class Table:
    """The rows of a source; columns that are no part of the conversation are in `meta`."""

    source: str
    examples: Sequence[Example]

    @property
    def name(self) -> str:
        return Path(self.source).name.partition(".")[0]

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for e in self.examples for name in e.meta))

    def column(self, name: str) -> list[Any]:
        return [e.meta.get(name) for e in self.examples]

    @property
    def numeric(self) -> list[str]:
        """Columns of numbers, without those that number the rows."""
        found = [name for name in self.columns if name not in ASIDE and _are_numbers(self.column(name))]
        return [name for name in found if not _is_index(self.column(name))]


def is_table(target: str) -> bool:
    """Whether a target is a file of rows."""
    return Path(target).is_file() or Path(target).name.lower().removesuffix(".gz").rpartition(".")[2] in FORMATS


def read_table(source: str, run: Run) -> Table:
    """A source's rows; its hash and what was dropped are recorded in the run. Raises InputError as `data.read` does."""
    examples = recorded(source, run, *data.read_examples(source))
    labelled = [e if e.label is None else replace(e, meta={**e.meta, "label": e.label}) for e in examples]
    table = Table(source, labelled)
    spelt = {name for name in table.columns if all(_is_number(v) for v in table.column(name) if v is not None)}
    return Table(source, [replace(e, meta=_read(e.meta, spelt)) for e in labelled])


def findings(table: Table, wanted: Wanted, known: Table | None = None) -> Iterator[Finding]:
    """Whether the prompts are unlike known ones; what falls behind by slice, or what training gained by slice.

    Raises InputError where there is nothing to look at, or a column that is named isn't fit for it.
    """
    if known is not None:
        yield of_prompts(known.examples, table.examples, table.name)
    if not wanted.judged:
        if known is None:
            raise InputError(f"{table.source}: which column judges an answer? {_choice(table)}")
        return
    answers = _answers(table, wanted)
    yield from of_answers(answers, _columns(table, wanted, gains=len(answers) > 1))


def _answers(table: Table, wanted: Wanted) -> list[Answers]:
    """A model's rows each, in the order in which models first occur, by every column that judges."""
    worth = {name: scores(table, name) for name in wanted.metrics}
    worth |= dict(_turned(name, scores(table, name)) for name in wanted.losses)
    models = [table.name if model is None else str(model) for model in table.column(MODEL)]
    found = []
    for model in dict.fromkeys(models):
        own = [i for i, other in enumerate(models) if other == model]
        found.append(Answers(model, [table.examples[i] for i in own], {of: v[own] for of, v in worth.items()}))
    return found


def scores(table: Table, name: str) -> Floats:
    """A column of numbers, (N,). Raises InputError if there is none, one isn't finite, or all are the same."""
    if name not in table.columns:
        raise InputError(f"{table.source}: no column {name!r} that judges an answer; {_choice(table)}")
    column = table.column(name)
    if not all(map(_is_finite, column)):
        place, value = _unfit(table, name)
        raise InputError(f"{place}: {name} is {value!r:.40}, not a finite number; correct it, or leave the row out")
    if len(set(column)) == 1:
        raise InputError(
            f"{table.source}: {name} is {column[0]} in each of {len(column)} rows and says nothing; name another column"
        )
    return np.array(column, dtype=np.float64)


def _turned(name: str, losses: Floats) -> tuple[str, Floats]:
    """The lower the better, as the higher the better: of yes and no the other one, else with the sign turned."""
    return (f"1 - {name}", 1 - losses) if np.isin(losses, (0, 1)).all() else (f"-{name}", -losses)


def _columns(table: Table, wanted: Wanted, *, gains: bool) -> list[str]:
    """The columns asked for, or those that cut the rows in two or more."""
    asked = wanted.by or [*BY_PROMPT, *_cutting(table)]
    found = []
    for by in dict.fromkeys(asked):
        why = _uncut(table, by, gains=gains)
        if why and wanted.by:
            raise InputError(f"{table.source}: {why}; slice by another column")
        if not why:
            found.append(by)
    if not found:
        raise InputError(f"{table.source}: no column cuts its rows in two; add one and name it with --by")
    return found


def _cutting(table: Table) -> list[str]:
    """Columns of text with few values."""
    few = [name for name in table.columns if len(set(map(str, table.column(name)))) <= MOST_SLICES]
    return [name for name in few if name not in ASIDE and not _are_numbers(table.column(name))]


def _uncut(table: Table, by: str, *, gains: bool) -> str:
    """Why a column makes no slices; empty if it makes some."""
    names = slices(table.examples, by)
    if len(set(names)) == 1:
        return f"by {by} each of {len(names)} rows is {names[0]!r}"
    prompts = [e.prompt for e in table.examples]
    if gains and len(set(zip(prompts, names, strict=True))) > len(set(prompts)):
        return f"{by} differs between rows of one prompt, so that what was gained on it has no one slice"
    return ""


def _choice(table: Table) -> str:
    numeric = table.numeric
    if not numeric:
        return "it has no column of numbers; add one, or compare its prompts with --known"
    return f"name one with --metric, or with --loss if lower is better; of numbers there are {', '.join(numeric)}"


def _unfit(table: Table, name: str) -> tuple[str, Any]:
    """Where the first value of a column stands that is no finite number, and that value."""
    for place, row in rows(table.source):
        meta = row.get("meta")
        value = {**(meta if isinstance(meta, Mapping) else {}), **row}.get(name)
        if not _is_number(value) or not math.isfinite(_number(value)):
            return str(place), value
    return table.source, next(value for value in table.column(name) if not _is_finite(value))


def _read(meta: Mapping[str, Any], numeric: set[str]) -> dict[str, Any]:
    """Numbers that are spelt as text, as in CSV, read."""
    return {name: _number(v) if name in numeric and isinstance(v, str) else v for name, v in meta.items()}


def _is_number(value: Any) -> bool:
    try:
        _number(value)
    except (TypeError, ValueError):
        return False
    return True


def _number(value: Any) -> float:
    return NUMBERS[value.lower()] if isinstance(value, str) and value.lower() in NUMBERS else float(value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _are_numbers(column: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in column if value is not None)


def _is_index(numbers: Sequence[Any]) -> bool:
    """Whether these are whole, and all different."""
    known = [float(value) for value in numbers if value is not None]
    return len(set(known)) == len(known) and all(map(float.is_integer, known))
