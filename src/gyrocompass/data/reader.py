"""Sources read into records: structural errors stop the reading, unusable rows are dropped and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from ..errors import InputError
from ..records import SHORTENED, Example, Preference, Record, Steps
from .conversation import Unusable, nonempty
from .shapes import SHAPES, Columns, lacking, recognise
from .sources import Place, Source, name_of, rows

T = TypeVar("T", bound=Record)
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Drop:
    """How many rows were dropped, or shortened, for one reason, and where the first of them stands."""

    reason: str
    count: int
    first: Place


@dataclass(frozen=True, slots=True)
class Report:
    """What a reading found: `rows` were read in the named shapes, `dropped` of them could not be used, and of those
    `shortened` a part."""

    source: str
    shapes: tuple[str, ...]
    rows: int
    drops: tuple[Drop, ...] = ()
    cuts: tuple[Drop, ...] = ()

    @property
    def shortened(self) -> int:
        return sum(cut.count for cut in self.cuts)

    @property
    def dropped(self) -> int:
        return sum(drop.count for drop in self.drops)

    @property
    def kept(self) -> int:
        return self.rows - self.dropped

    def __str__(self) -> str:
        head = f"{self.source}: {self.rows:,} rows read as {' and '.join(self.shapes)}, {self.dropped:,} dropped"
        reasons = [f"{drop.count:,} with {drop.reason} (first at {drop.first})" for drop in self.drops]
        cuts = [
            f"{cut.count:,} shortened to what comes before {cut.reason} (first at {cut.first})" for cut in self.cuts
        ]
        return "; ".join([f"{head}: {'; '.join(reasons)}" if reasons else head, *cuts])


def read(source: Source, limit: int | None = None) -> tuple[list[Record], Report]:
    """The records of a source (its first `limit` rows), whatever their kind, and a report on the reading.

    The shape is recognised by the columns (`shapes.SHAPES`), and holds for the whole of a file. A row that is
    well formed but useless (an empty response, chosen equal to rejected, prompts that differ) is dropped
    and counted. Columns that no shape knows become `meta`.
    Raises InputError, naming file and line, for a missing or empty source, a row that lacks a column, broken
    JSON or CSV, a wrong role, and where no row can be used.
    """
    return _read(source, limit, lambda record, row: record)


def read_examples(source: Source, limit: int | None = None, *, answered: bool = False) -> tuple[list[Example], Report]:
    """The examples of a source; of a preference, its prompt and its chosen response.

    With `answered`, each must have a response that is not blank, nor labelled undesirable.
    Raises InputError as `read` does, and for records that are neither.
    """

    def example(record: Record, row: Row) -> Example:
        if isinstance(record, Preference):
            return Example(record.prompt, record.chosen, meta=record.meta)
        if isinstance(record, Steps):
            raise InputError(lacking(row, ("completion",)))
        if answered:
            _check_answered(record, row)
        return record

    return _read(source, limit, example)


def read_preferences(source: Source, limit: int | None = None) -> tuple[list[Preference], Report]:
    """The preferences of a source. Raises InputError as `read` does, and for records that are none."""

    def preference(record: Record, row: Row) -> Preference:
        if isinstance(record, Preference):
            return record
        raise InputError(lacking(row, ("chosen", "rejected")))

    return _read(source, limit, preference)


def read_steps(source: Source, limit: int | None = None) -> tuple[list[Steps], Report]:
    """The labelled chains of a source. Raises InputError as `read` does, and for records that are none."""

    def steps(record: Record, row: Row) -> Steps:
        if isinstance(record, Steps):
            return record
        raise InputError(lacking(row, ("completions", "labels")))

    return _read(source, limit, steps)


def _read(source: Source, limit: int | None, narrow: Callable[[Record, Row], T]) -> tuple[list[T], Report]:
    kept: list[T] = []
    shapes: dict[str, Columns] = {}  # by file
    drops: dict[str, Drop] = {}
    cuts: dict[str, Drop] = {}
    number = 0
    for place, row in islice(rows(source), limit):
        number += 1
        try:
            shape = recognise(row)
            if shape != shapes.setdefault(place.file, shape):
                raise InputError(_changed(row, shape, shapes[place.file]))
            record = narrow(SHAPES[shape](dict(row)), row)
            kept.append(record)
            if reason := record.meta.get(SHORTENED):
                _count(cuts, str(reason), place)
        except Unusable as reason:
            _count(drops, str(reason), place)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
    names = tuple(dict.fromkeys("/".join(shape) for shape in shapes.values()))
    report = Report(name_of(source), names, number, tuple(drops.values()), tuple(cuts.values()))
    if not kept:
        raise InputError(f"{report}; no row is left, give a source that has usable ones")
    return kept, report


def _count(drops: dict[str, Drop], reason: str, place: Place) -> None:
    drop = drops.get(reason, Drop(reason, 0, place))
    drops[reason] = Drop(reason, drop.count + 1, drop.first)


def _check_answered(example: Example, row: Row) -> None:
    if example.label is False:
        raise Unusable("a response labelled undesirable")
    if example.response is None:
        if {"messages", "response"} & row.keys():
            raise Unusable("no response")
        raise InputError(lacking(row, ("completion",)))
    nonempty(example.response)


def _changed(row: Row, shape: Columns, before: Columns) -> str:
    if set(before) <= row.keys():
        return f"{'/'.join(shape)} after rows of {'/'.join(before)}; keep each shape in its own file"
    return f"{lacking(row, before)}, as in the rows before"
