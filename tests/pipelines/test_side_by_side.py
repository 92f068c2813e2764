from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gyrocompass.errors import GyroError
from gyrocompass.pipelines.side_by_side import complete_all

JOBS = 6


def begin(file: Path) -> None:
    file.touch()
    time.sleep(600)


def finish(file: Path) -> None:
    file.touch()


def die(file: Path) -> None:
    file.touch()
    os.kill(os.getpid(), signal.SIGKILL)


def jobs(folder: Path) -> list[Path]:
    return [folder / str(i) for i in range(JOBS)]


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started find this module by its name."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


@pytest.mark.parametrize("processes", [1, 2])
def test_every_job_is_done(tmp_path: Path, processes: int) -> None:
    ticks: list[int] = []
    complete_all(finish, jobs(tmp_path), processes, lambda: ticks.append(1), tmp_path, "a.processes")
    assert all(file.exists() for file in jobs(tmp_path))
    assert ticks


def test_a_killed_process_is_one_line_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(GyroError, match=r"a process was killed.*--set a\.processes=1"):
        complete_all(die, jobs(tmp_path), 2, lambda: None, tmp_path, "a.processes")
    assert any(file.exists() for file in jobs(tmp_path))


def test_after_an_interrupt_no_process_begins_another_job(tmp_path: Path) -> None:
    running = subprocess.Popen([sys.executable, __file__, str(tmp_path)], start_new_session=True)
    try:
        while not (begun := [file for file in jobs(tmp_path) if file.exists()]):
            assert running.poll() is None
            time.sleep(0.05)
        time.sleep(1)
        begun = [file for file in jobs(tmp_path) if file.exists()]
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(timeout=60) == 130
        assert [file for file in jobs(tmp_path) if file.exists()] == begun
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)


def test_a_process_that_misses_the_interrupt_ends_with_it(tmp_path: Path) -> None:
    """The parent alone is interrupted, as where a process was still starting."""
    running = subprocess.Popen([sys.executable, __file__, str(tmp_path)], start_new_session=True)
    try:
        while not any(file.exists() for file in jobs(tmp_path)):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 130
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background begins with it ignored
    folder = Path(sys.argv[1])
    try:
        complete_all(begin, jobs(folder), 2, lambda: None, folder, "a.processes")
    except KeyboardInterrupt:
        sys.exit(130)
