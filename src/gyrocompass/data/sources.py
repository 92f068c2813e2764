"""From a source (a file, a folder, a hub name, rows in memory) to rows, each with the place it stands at."""

from __future__ import annotations

import contextlib
import csv
import difflib
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError

Source = str | Path | Iterable[Mapping[str, Any]]

HUB_NAME = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(?:/(?P<config>[\w.-]+))?(?::(?P<split>[^/\s]+))?")
NESTED_COLUMNS = {"messages", "completions", "steps", "labels", "meta"}
LONGEST_CELL = 2**31 - 1
GAP = re.compile(r"[\s,]*")


class Place(NamedTuple):
    """Where a row stands: its file and the line it begins at (the row's number where there are no lines)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def name_of(source: Source) -> str:
    """What messages call the source."""
    return str(source) if isinstance(source, str | Path) else "rows"


def rows(source: Source) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Each row of the source, as its columns, with its place.

    A source is a .jsonl, .json or .csv file (also with .gz), a .parquet file, a folder of such files (in
    the order of their names, subfolders left aside), a hub name `org/name`, `org/name:split` or
    `org/name/config:split` (split `train` unless named), or rows in memory.
    Raises InputError, naming file and line, for a source that is missing, empty, broken or unknown.
    """
    found = False
    for place, row in _values(source):
        found = True
        if not isinstance(row, Mapping):
            raise InputError(f"{place}: the row is {row!r:.40}; write it as an object of columns")
        yield place, dict(row)
    if not found:
        raise InputError(f"{name_of(source)}: it holds no rows; give a source that has some")


def sha256(source: str | Path) -> str:
    """Hex SHA-256 of the content: of one file, its bytes; of a folder, its list of file hashes and names;
    of a hub name, its rows. Raises InputError as `rows` does."""
    digest = hashlib.sha256()
    if _is_hub_name(source):
        for _, row in rows(source):
            digest.update(json.dumps(row, sort_keys=True, default=str).encode())
        return digest.hexdigest()
    hashes = {path.name: _file_sha256(path) for path in _files(source)}
    if Path(source).expanduser().is_file():
        return next(iter(hashes.values()))
    digest.update("".join(f"{file_hash}  {name}\n" for name, file_hash in hashes.items()).encode())
    return digest.hexdigest()


def _values(source: Source) -> Iterator[tuple[Place, Any]]:
    if not isinstance(source, str | Path):
        yield from ((Place("rows", number), row) for number, row in enumerate(source, 1))
    elif _is_hub_name(source):
        yield from ((Place(str(source), number), row) for number, row in _hub(str(source)))
    else:
        for path in _files(source):
            yield from _file(path)


def _is_hub_name(source: str | Path) -> bool:
    path = Path(source).expanduser()
    return not path.exists() and _format(path) is None and HUB_NAME.fullmatch(str(source)) is not None


def _format(path: Path) -> Format | None:
    suffixes = path.name.lower().removesuffix(".gz").rsplit(".", 1)
    return FORMATS.get(suffixes[-1]) if len(suffixes) == 2 else None


def _files(source: str | Path) -> list[Path]:
    path = Path(source).expanduser()
    known = ".jsonl, .json, .csv (each also with .gz) or .parquet"
    if path.is_dir():
        inside = (file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        files = sorted(file for file in inside if _format(file))
        if not files:
            raise InputError(f"{path}: the folder holds no data file; give one with {known}")
        return files
    if not path.exists():
        siblings = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, 1)
        remedy = f"did you mean {path.with_name(near[0])}?" if near else "check the path"
        raise InputError(f"{path}: no such file or folder; {remedy}")
    if _format(path) is None:
        raise InputError(f"{path}: its suffix names no known format; give a file with {known}")
    return [path]


def _file_sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: it can't be opened ({error.strerror}); check its permissions") from error


def _file(path: Path) -> Iterator[tuple[Place, Any]]:
    read = _format(path)
    assert read is not None
    try:
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty; give one that has rows")
        for line, row in read(path):
            yield Place(str(path), line), row
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: it is not UTF-8 text; save it as UTF-8") from error
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        what = " ".join(str(error).split())
        raise InputError(f"{path}: it can't be read as its suffix says ({what}); write it anew") from error


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _broken_json(path: Path, line: int, error: ValueError) -> InputError:
    what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
    if isinstance(error, json.JSONDecodeError):
        what = f"{error.msg}, column {error.colno}"
    return InputError(f"{path}:{line}: broken JSON ({what}); correct the line")


def _jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    with _open(path) as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                try:
                    row = json.loads(text)
                except ValueError as error:
                    raise _broken_json(path, line, error) from error
                yield line, row


def _json(path: Path) -> Iterator[tuple[int, Any]]:
    """A list of objects, or objects one after another (the JSON Lines that often bear this suffix)."""
    with _open(path) as file:
        text = file.read().decode("utf-8-sig")
    at = _after_gap(text, 0)
    in_list = text.startswith("[", at)
    at = _after_gap(text, at + in_list)
    decode, line, counted = json.JSONDecoder().raw_decode, 1, 0
    while at < len(text) and text[at] != "]":
        line, counted = line + text.count("\n", counted, at), at
        try:
            row, at = decode(text, at)
        except json.JSONDecodeError as error:
            raise _broken_json(path, error.lineno, error) from error
        yield line, row
        at = _after_gap(text, at)
    if in_list and at == len(text):
        raise InputError(f"{path}:{line}: broken JSON (the list is not closed); the file may be cut short")


def _after_gap(text: str, at: int) -> int:
    gap = GAP.match(text, at)
    return gap.end() if gap else at


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(LONGEST_CELL)
    with _open(path) as file:
        table = csv.reader(io.TextIOWrapper(file, "utf-8-sig", newline=""), strict=True)
        header: list[str] = []
        line = 1
        try:
            for cells in table:
                if cells and header:
                    if len(cells) != len(header):
                        counts = f"{len(cells)} cells under a header of {len(header)}"
                        raise InputError(f"{path}:{line}: {counts}; quote cells that hold commas")
                    yield line, {name: _cell(name, cell) for name, cell in zip(header, cells, strict=True)}
                header = header or cells
                line = table.line_num + 1
        except csv.Error as error:
            raise InputError(f"{path}:{line}: broken CSV ({error}); correct its quotes") from error


def _cell(column: str, cell: str) -> Any:
    """A cell's text; None where it is empty; the list or object that a nested column spells as JSON."""
    if column in NESTED_COLUMNS or cell.startswith('[{"'):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(cell)
    return cell or None


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                yield number, row


Format = Callable[[Path], Iterator[tuple[int, Any]]]
FORMATS: dict[str, Format] = {"jsonl": _jsonl, "json": _json, "csv": _csv, "parquet": _parquet}


def _hub(source: str) -> Iterator[tuple[int, dict[str, Any]]]:
    import datasets

    parts = HUB_NAME.fullmatch(source)
    assert parts is not None
    try:
        split = datasets.load_dataset(parts["name"], parts["config"], split=parts["split"] or "train")
    except Exception as error:
        what = str(error).strip().split("\n")[0]
        raise InputError(
            f"{source}: no such file, and it can't be loaded from the hub ({what}); "
            "check the name and the network, or give a local file"
        ) from error
    yield from enumerate(split, 1)
