"""Jobs done in several processes at once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import TypeVar

from ..errors import GyroError

J = TypeVar("J")


def complete_all(
    work: Callable[[J], None],
    todo: Sequence[J],
    processes: int,
    tick: Callable[[], None],
    where: Path,
    setting: str,
    begun: Callable[[], Sequence[str]] = list,
) -> None:
    """Does each job, several side by side; `tick` is called about once a second. `work` is a function of a module.

    Raises GyroError if a process is killed; what the jobs have done by then stays. The error names the folder `where`
    they work, the `setting` that holds the number of processes, and what had `begun` and wasn't done.
    """
    if min(processes, len(todo)) <= 1:
        for job in todo:
            work(job)
            tick()
        return
    try:
        _side_by_side(work, todo, processes, tick)
    except BrokenProcessPool:
        at = " or ".join(begun())
        raise GyroError(
            f"{where}: a process was killed, most likely for want of memory{f', at {at}' if at else ''}; the same "
            f"command goes on from what is done, and --set {setting}=1 takes less memory"
        ) from None


def _side_by_side(work: Callable[[J], None], todo: Sequence[J], processes: int, tick: Callable[[], None]) -> None:
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    with ours, ProcessPoolExecutor(processes, context, initializer=_end_when_closed, initargs=(theirs,)) as pool:
        try:
            waiting = {pool.submit(_until_interrupted, work, job) for job in todo}
        except OSError as error:  # a process was killed while others were started: their pipes are closed by then
            raise BrokenProcessPool(str(error)) from None
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                tick()
                for one in done:
                    one.result()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                ours.close()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _until_interrupted(work: Callable[[J], None], job: J) -> None:
    """Ends this process where it is interrupted: a pool would have it begin the next job."""
    try:
        work(job)
    except KeyboardInterrupt:
        os._exit(130)


def _end_when_closed(pipe: Connection) -> None:
    """Ends this process when its parent is gone or interrupted, either of which closes the pipe: whoever resumes then
    finds nobody at work in the same folders."""

    def watch() -> None:
        pipe.poll(None)
        os._exit(1)

    if pipe.poll():
        os._exit(1)
    Thread(target=watch, daemon=True).start()
