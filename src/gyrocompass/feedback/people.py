"""People take part by file: rows with a place each to fill in, in an editor or on the page that lies beside them.

The work goes on from there when the same command is given again; nothing that was asked before is asked anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..errors import InputError, Waiting
from ..files import write_jsonl, write_text

K = TypeVar("K")
Row = dict[str, Any]


class Form(NamedTuple):
    """What a file of rows is like: the keys of each row, the one of them that people fill in, and its page's part.

    The part is `PACKAGE:FILE`, HTML with a script that defines `part`; people.html says what that holds.
    """

    keys: tuple[str, ...]
    place: str
    part: str


def replies(file: Path, wanted: Mapping[K, Row], form: Form, key: Callable[[Row], K]) -> dict[K, Any]:
    """What people filled in for each row that is wanted; rows that aren't in the file yet are added to it.

    Raises Waiting while a place is blank, having written the page; InputError for a line that is no such row.
    """
    rows = read_rows(file, form, key)
    new = {k: row for k, row in wanted.items() if k not in rows}
    rows |= new
    if new:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(file, list(rows.values()))
    if any(blank(rows[k][form.place]) for k in wanted):
        page = write_page(file, list(rows.values()), form)
        n = sum(blank(row[form.place]) for row in rows.values())
        raise Waiting(
            f"{file}: {n:,} of {len(rows):,} replies are waited for; fill them in on the page {page.name} beside it, "
            f"or write them into each blank `{form.place}`, and give the same command again"
        )
    return {k: rows[k][form.place] for k in wanted}


def read_rows(file: Path, form: Form, key: Callable[[Row], K]) -> dict[K, Row]:
    """The rows of a file by their keys; none if there is no file. Of several with one key the last filled in counts.

    Raises InputError, naming the line, for one that is no such row.
    """
    rows: dict[K, Row] = {}
    lines = file.read_text(encoding="utf-8-sig").split("\n") if file.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            row = json.loads(line)
            if not set(form.keys) <= set(row):
                raise KeyError
            if (k := key(row)) not in rows or not blank(row[form.place]):
                rows[k] = row
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (ValueError, KeyError, TypeError) as error:
            broken = f"not valid JSON ({error.msg})" if isinstance(error, json.JSONDecodeError) else "no such row"
            names = f"{', '.join(form.keys[:-1])} and {form.keys[-1]}"
            raise InputError(
                f"{where}: {broken}; a row has {names}: restore it, and fill in {form.place} alone"
            ) from None
    return rows


def blank(reply: Any) -> bool:
    """Whether a place is still to be filled in."""
    return reply is None or (isinstance(reply, str) and not reply.strip())


def write_page(file: Path, rows: Sequence[Mapping[str, Any]], form: Form) -> Path:
    """Writes the page beside the file. It asks for nothing from elsewhere, and saves the file under the same name."""
    package, name = form.part.split(":")
    shell, part = (
        resources.files(where).joinpath(what).read_text(encoding="utf-8")
        for where, what in ((__package__, "people.html"), (package, name))
    )
    text = json.dumps(rows, ensure_ascii=False)
    sheet = {"name": file.name, "place": form.place, "draft": sha256(text.encode()).hexdigest()[:16], "rows": rows}
    inside = json.dumps(sheet, ensure_ascii=False).replace("<", "\\u003c")
    page = file.with_suffix(".html")
    write_text(page, shell.replace("<!-- PART -->", part).replace("SHEET", inside, 1))
    return page
