"""People label steps on a sheet: a file with an open place for each step, filled in with any editor or on its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.sources import Place, rows
from ...errors import InputError
from ...files import write_jsonl
from ...models.steps import Cut
from ...records import Example, Message, Steps
from ..people import Form, write_page

WORDS = {"right": 1.0, "neutral": 0.5, "wrong": 0.0}
"""What a person may write; a number in [0, 1] will do as well."""
GUIDE = "right, neutral, wrong or a number from 0 to 1 for each step; null leaves it open"
FORM = Form(("prompt", "steps", "labels"), "labels", f"{__package__}:page.html")


@dataclass(frozen=True)
class Sheet:
    """What people have said so far: `done` are labelled to the end or to their first wrong step; `open` are not yet."""

    done: list[Steps]
    open: int


def write_sheet(chains: Sequence[Example], cut: Cut, path: Path) -> int:
    """Writes a sheet of the responses that have steps, a line each, beside it a page to fill it in, and says how many.

    Raises InputError if the file is there already: it may hold people's work.
    """
    if path.exists():
        raise InputError(f"{path}: it is there already, perhaps with labels; name another file or move it")
    lines: list[dict[str, Any]] = []
    for chain in chains:
        if steps := cut(chain.response or ""):
            prompt = [{"role": m.role, "content": m.content} for m in chain.prompt]
            lines.append({"prompt": prompt, "steps": list(steps), "labels": [None] * len(steps), "guide": GUIDE})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(path, lines)
    write_page(path, lines, FORM)
    return len(lines)


def read_sheet(path: Path) -> Sheet:
    """The labels on a sheet. After a step labelled wrong the others may stay open: they count as wrong too.

    Raises InputError, naming the line, for labels of another number than the steps, or none of the known words.
    """
    read = [_line(place, row) for place, row in rows(path)]
    done = [chain for chain in read if chain is not None]
    return Sheet(done, len(read) - len(done))


def _line(place: Place, row: dict[str, Any]) -> Steps | None:
    try:
        steps, labels = row["steps"], row["labels"]
        prompt = tuple(Message(turn["role"], turn["content"]) for turn in row["prompt"])
    except (KeyError, TypeError):
        raise InputError(f"{place}: not a line of a sheet; it needs prompt, steps and labels") from None
    if not isinstance(labels, list) or len(labels) != len(steps):
        found = len(labels) if isinstance(labels, list) else json.dumps(labels)
        raise InputError(f"{place}: {len(steps)} steps but {found} labels; write one for each step")
    numbers = [_number(place, label) for label in labels]
    wrong = next((i for i, number in enumerate(numbers) if number is not None and number < 0.5), len(numbers))
    known = [number for number in numbers[: wrong + 1] if number is not None]
    if len(known) < len(numbers[: wrong + 1]):
        return None
    return Steps(prompt, tuple(steps), (*known, *(n or 0.0 for n in numbers[wrong + 1 :])), {"labels_by": "people"})


def _number(place: Place, label: Any) -> float | None:
    if label is None:
        return None
    if isinstance(label, str) and label.strip().lower() in WORDS:
        return WORDS[label.strip().lower()]
    if isinstance(label, int | float) and 0 <= label <= 1:
        return float(label)
    raise InputError(f"{place}: the label {label!r:.30} is unknown; write {GUIDE}")
