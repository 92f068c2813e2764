"""Records written to files, byte for byte the same each time, and handed to `datasets` in TRL's shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..records import Example, Preference, Record, Steps, to_row

if TYPE_CHECKING:
    import datasets


def write(records: Sequence[Record], path: str | Path) -> None:
    """Writes records of one kind to a .jsonl or .parquet file; `read` gives the same records back.

    The file appears whole or not at all. Parquet holds `meta` as JSON text, since its columns are typed.
    Raises InputError for another suffix, no records, or records of several kinds.
    """
    path = Path(path)
    encode = {".jsonl": _jsonl, ".parquet": _parquet}.get(path.suffix.lower())
    if encode is None:
        raise InputError(f"{path}: records are written as .jsonl or .parquet; give the file one of these suffixes")
    _kind(records)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    encode(records, unfinished)
    unfinished.replace(path)


def to_dataset(records: Sequence[Record]) -> datasets.Dataset:
    """Records of one kind as a dataset in TRL's conversational shapes; `read` takes it back.

    Examples become prompt(/completion(/label)), preferences prompt/chosen/rejected with `p_first` the
    probability that chosen is the better one and `margin` the strength, steps prompt/completions/labels.
    A preference with `p_first` below 0.5 comes back swapped. `meta` is JSON text.
    Raises InputError for no records, several kinds, or examples of which only some have a response.
    """
    import datasets

    _kind(records)
    rows = [_trl_row(record) for record in records]
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    if "completion" in columns and any(row["completion"] is None for row in rows):
        raise InputError("only some of the examples have a response; keep the others in a dataset of their own")
    return datasets.Dataset.from_dict({name: [row[name] for row in rows] for name in columns})


def _kind(records: Sequence[Record]) -> type[Record]:
    kinds = {type(record) for record in records}
    if len(kinds) != 1:
        found = " and ".join(sorted(kind.__name__ for kind in kinds)) or "none"
        raise InputError(f"records of one kind are needed, not {found}; keep each kind in a file of its own")
    return kinds.pop()


def _json_text(meta: Mapping[str, Any]) -> str | None:
    return json.dumps(meta, ensure_ascii=False) if meta else None


def _jsonl(records: Sequence[Record], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(to_row(record), ensure_ascii=False) + "\n" for record in records)


def _parquet(records: Sequence[Record], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float64()
    types = {
        "prompt": pa.list_(pa.struct([("role", text), ("content", text)])),
        "label": pa.bool_(),
        "p_first": number,
        "strength": number,
        "steps": pa.list_(text),
        "labels": pa.list_(number),
    }
    schema = pa.schema([(field.name, types.get(field.name, text)) for field in fields(_kind(records))])
    rows = [to_row(record) | {"meta": _json_text(record.meta)} for record in records]
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def _trl_row(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": [{"role": turn.role, "content": turn.content} for turn in record.prompt]}
    match record:
        case Example():
            row |= {"completion": _answer(record.response), "label": record.label}
        case Preference():
            row |= {
                "chosen": _answer(record.chosen),
                "rejected": _answer(record.rejected),
                "p_first": max(record.p_first, 1.0 - record.p_first),
                "margin": record.strength,
                "rater": record.rater,
                "source": record.source,
            }
        case Steps():
            row |= {"completions": list(record.steps), "labels": [float(label) for label in record.labels]}
    return row | {"meta": _json_text(record.meta)}


def _answer(response: str | None) -> list[dict[str, str]] | None:
    return None if response is None else [{"role": "assistant", "content": response}]
