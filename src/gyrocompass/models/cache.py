"""Responses that were paid for once: a SQLite file from the hash of a request to what was answered."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""
CUT = "ALTER TABLE responses ADD COLUMN cut INTEGER"
"""Whether a response came to the token limit; files from before lack the column."""
TABLE = "CREATE TABLE IF NOT EXISTS responses (key TEXT PRIMARY KEY, text TEXT NOT NULL, logprob REAL) WITHOUT ROWID"


class Reply(NamedTuple):
    """A sampled response, its summed log-probability in nats (NaN where nobody said), and whether it came to its end
    rather than to the token limit."""

    text: str
    logprob: float = math.nan
    ended: bool = True


def request_key(request: Any) -> str:
    """Hex SHA-256 of a request, written as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class ResponseCache:
    """One connection to the file, for one thread at a time; the file may have any number of connections."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, keys: Sequence[str]) -> dict[int, Reply]:
        """What is known, by the key's place."""
        found = {}
        for place, key in enumerate(keys):
            row = self._connection.execute("SELECT text, logprob, cut FROM responses WHERE key = ?", (key,)).fetchone()
            if row:
                found[place] = Reply(row[0], math.nan if row[1] is None else row[1], not row[2])
        return found

    def put(self, key: str, reply: Reply) -> None:
        """Written through at once. The first answer stays, so that whoever asks later gets the same one."""
        logprob = None if math.isnan(reply.logprob) else reply.logprob
        row = (key, reply.text, logprob, not reply.ended)
        self._connection.execute("INSERT OR IGNORE INTO responses (key, text, logprob, cut) VALUES (?, ?, ?, ?)", row)


@contextmanager
def opened(path: Path | None) -> Iterator[ResponseCache]:
    """The cache in this file, which is made if missing; without a path, one that is gone on leaving.

    Raises InputError if the file can't be made, read or written, or is something else.
    """
    try:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: its folder can't be made ({error.strerror}); give another path") from error
    try:
        with closing(_connect(path)) as connection:
            yield ResponseCache(connection)
    except sqlite3.Error as error:
        raise InputError(f"{path}: the response cache can't be used ({error}); give another path") from error


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", TABLE):
            connection.execute(statement)
        with suppress(sqlite3.OperationalError):  # the column is there already
            connection.execute(CUT)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
