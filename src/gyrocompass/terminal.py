"""What a person at a terminal sees of a job: progress with the time left, and lines, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Tick = Callable[..., None]
"""Reports progress: tick(done, note='loss 1.23')."""


@contextmanager
def progress(title: str, total: int, start: int = 0, *, quiet: bool = False) -> Iterator[Tick]:
    """A bar on the terminal with the time left; `tick(done, note=...)` moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(32),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console(), disable=quiet) as bar:
        task = bar.add_task(title, total=total, completed=start, note="")
        yield lambda done, note="": bar.update(task, completed=done, note=note)


def console() -> Any:
    """The terminal, on standard error: standard output is for results."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)
