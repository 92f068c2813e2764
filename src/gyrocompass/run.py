"""A run is a folder: config, seed, metrics and artefacts. Whatever a job writes goes through it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .errors import GyroError, InputError
from .files import read_json, read_jsonl, write_json, write_text
from .records import Measurement
from .terminal import Tick, console, progress
from .tracking import Sink, sinks

RECORDED_PACKAGES = (
    "gyrocompass",
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "datasets",
    "numpy",
    "scipy",
    "gymnasium",
)

FREE_KEYS = ("device", "micro_batch_tokens", "gradient_checkpointing", "checkpoint_every", "processes")
"""Settings that results don't depend on: a run may be resumed with others."""


def stage_title(folder: str) -> str:
    """What a stage is called, from its folder's name: `ppo` from `03-ppo`."""
    return folder.partition("-")[2]


@dataclass
class Run:
    """A run folder, new or resumed. `state` is what run.json holds."""

    folder: Path
    state: dict[str, Any]
    quiet: bool = False
    started: float = field(default_factory=time.monotonic)
    sinks: list[Sink] = field(init=False)

    def __post_init__(self) -> None:
        self.sinks = sinks(self.folder)

    @classmethod
    def open(cls, folder: Path, config: Mapping[str, Any], *, quiet: bool = False) -> Run:
        """The run in `folder`, created if it isn't there.

        Raises InputError if the folder holds a run of other settings, or something that is no run.
        """
        path = folder / "run.json"
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file, not a folder; name another with --out")
        if path.exists():
            state = read_json(path)
            _check_state(state, path)
            if state["stages"]:
                return cls(folder, _resumed(state, config, folder), quiet)
        elif folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty and not a run; name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder, _new_state(folder.name, config), quiet)
        run.save()
        return run

    @classmethod
    def attach(cls, folder: Path, *, quiet: bool = False) -> Run:
        """The run in `folder` as it is, to add to what is known of it. Raises InputError if there is none."""
        state = read_json(folder / "run.json")
        _check_state(state, folder / "run.json")
        return cls(folder, state, quiet)

    @property
    def done(self) -> bool:
        return bool(self.state["status"] == "done")

    @property
    def seed(self) -> int:
        return int(self.state["seed"])

    def save(self, **changes: Any) -> None:
        """Writes run.json with these changes."""
        now = time.monotonic()
        changed = {**self.state, **changes, "seconds": round(self.state["seconds"] + now - self.started, 2)}
        write_json(self.folder / "run.json", changed)
        self.state.update(changed)
        self.started = now

    def warn(self, message: str) -> None:
        """Keeps a warning in run.json, once, and shows it."""
        if message not in self.state["warnings"]:
            self.state["warnings"].append(message)
            self.say(f"warning: {message}", style="yellow")

    def say(self, message: str, style: str | None = None) -> None:
        """One line for the person at the terminal, as it is: brackets are no markup. Nothing when quiet."""
        if not self.quiet:
            console().print(message, highlight=False, markup=False, style=style)

    def stage_folder(self, name: str) -> Path:
        """`stages/NN-name`, numbered in order of first use."""
        entry = self._stage(name)
        path: Path = self.folder / "stages" / entry["name"]
        path.mkdir(parents=True, exist_ok=True)
        return path

    def stage_done(self, name: str) -> bool:
        return any(stage_title(s["name"]) == name and s["status"] == "done" for s in self.state["stages"])

    @contextmanager
    def stage(self, name: str) -> Iterator[Path]:
        """Runs a stage in its folder and marks it done, or failed if an error leaves it."""
        entry, begin = self._stage(name), time.monotonic()
        entry["status"] = "running"
        self.save()
        try:
            yield self.stage_folder(name)
        except BaseException:
            entry["status"] = "failed"
            raise
        else:
            entry["status"] = "done"
        finally:
            entry["seconds"] = round(entry["seconds"] + time.monotonic() - begin, 2)
            self.save()
        shutil.rmtree(self.stage_folder(name) / "checkpoint", ignore_errors=True)

    def _stage(self, name: str) -> dict[str, Any]:
        stages: list[dict[str, Any]] = self.state["stages"]
        for entry in stages:
            if stage_title(entry["name"]) == name:
                return entry
        entry = {"name": f"{len(stages) + 1:02d}-{name}", "status": "new", "seconds": 0.0}
        stages.append(entry)
        return entry

    def progress(self, title: str, total: int, start: int = 0) -> AbstractContextManager[Tick]:
        """A bar with the time left; `tick(done, note=...)` moves it."""
        return progress(title, total, start, quiet=self.quiet)

    def log(self, stage: str, step: int, **values: Any) -> None:
        """Appends one row to metrics.jsonl."""
        row = {"stage": stage, "step": step, **values}
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        for sink in self.sinks:
            sink.log(stage, step, values)

    def rewind(self, stage: str, step: int) -> None:
        """Forgets this stage's rows of metrics.jsonl after `step`: they will be written again."""
        path = self.folder / "metrics.jsonl"
        if path.exists():
            rows = [row for row in read_jsonl(path) if row["stage"] != stage or row["step"] <= step]
            write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
            for sink in self.sinks:
                sink.rewind(stage, step)

    def measure(self, rows: Sequence[Measurement]) -> None:
        """Puts rows into evals.json; a row of the same model, property, metric and slice is replaced."""
        self._merge("evals.json", list(map(asdict, rows)), ("model", "property", "metric", "slice"))

    def audit(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Puts findings into audits.json; one of the same audit, finding and model is replaced.

        What the same audits could not measure before is forgotten.
        """
        again = {row["audit"] for row in rows}
        self._merge(
            "audits.json", rows, ("audit", "finding", "model"),
            keep=lambda row: row["value"] is not None or row["audit"] not in again,
        )  # fmt: skip

    def _merge(
        self,
        name: str,
        rows: Sequence[Mapping[str, Any]],
        identity: Sequence[str],
        keep: Callable[[Mapping[str, Any]], bool] = lambda row: True,
    ) -> None:
        path = self.folder / name
        old = filter(keep, read_json(path) if path.exists() else [])
        write_json(path, list({tuple(row[key] for key in identity): row for row in [*old, *rows]}.values()))

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Whatever ends the run early is written down as its reason, and the folder stays resumable."""
        try:
            yield
        except KeyboardInterrupt:
            self.save(status="failed", error="interrupted")
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, GyroError) else f"{type(error).__name__}: {error}"
            self.save(status="failed", error=reason)
            raise
        finally:
            for sink in self.sinks:
                sink.close()


def _new_state(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "status": "running",
        "seed": config.get("seed", 0),
        "config": dict(config),
        "versions": _versions(),
        "commit": _commit(),
        "data": {},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "stages": [],
        "warnings": [],
        "summary": [],
        "gold_name": None,
        "proxy_name": None,
        "peak": None,
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The commit of the project's own checkout, None when installed from a wheel."""
    here = Path(__file__).resolve()
    if len(here.parents) < 3 or not (here.parents[2] / ".git").exists():
        return None
    ask = ["git", "-C", str(here.parent), "rev-parse", "HEAD"]
    answer = subprocess.run(ask, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _resumed(state: dict[str, Any], config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The state of a run that goes on: another reason to stop may come, the old one is past."""
    _check_same(state["config"], config, folder)
    state.pop("error", None)
    state["config"] = dict(config)
    if state["status"] == "failed":
        state["status"] = "running"
    return state


def _check_state(state: Any, path: Path) -> None:
    if not isinstance(state, dict) or not {"config", "status", "stages"} <= state.keys():
        raise InputError(f"{path}: not written by this program; name another folder with --out")


def _check_same(old: Mapping[str, Any], new: Mapping[str, Any], folder: Path) -> None:
    flat_old, flat_new = _flatten(old), _flatten(new)
    different = [
        key
        for key in flat_old.keys() | flat_new.keys()
        if flat_old.get(key) != flat_new.get(key) and key.rpartition(".")[2] not in FREE_KEYS
    ]
    if different:
        key = min(different)
        raise InputError(
            f"{folder}: holds a run with {key} = {flat_old.get(key)!r}, not {flat_new.get(key)!r}; "
            "name another folder with --out, or keep the settings to resume"
        )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
