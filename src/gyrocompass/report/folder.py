"""What a run folder holds, read and checked. Any part may be missing, since a run may be under way."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ..audits.audit import Finding
from ..errors import InputError
from ..files import read_json, read_jsonl
from ..records import Measurement
from .amplify import Amplify
from .cai_study import CAIStudy
from .constitution import Constitution
from .debate import Debate
from .emergence import Emergence
from .frontier import Frontier
from .grids import Grids
from .hacking import Hacking
from .notation import Estimate
from .process import Process
from .spectrum import Spectrum
from .weak_to_strong import WeakToStrong

Row = Mapping[str, Any]
FILES = ("run.json", "metrics.jsonl", "evals.json", "spectrum.json", "audits.json")
"""Any of these makes a folder a run's."""
PARTS: Mapping[str, type] = {
    "spectrum": Spectrum,
    "frontier": Frontier,
    "hacking": Hacking,
    "emergence": Emergence,
    "grids": Grids,
    "constitution": Constitution,
    "cai_study": CAIStudy,
    "debate": Debate,
    "amplify": Amplify,
    "process": Process,
    "weak_to_strong": WeakToStrong,
}
"""What roads leave beside the rest, each in a file and a field of its name."""
PROPERTIES = "properties"
"""The `probe` of rows that measure properties in step with training."""


@dataclass(frozen=True)
class Stage:
    """A stage as run.json lists it; `name` is its folder's, such as `01-sft`."""

    name: str
    status: str = ""
    seconds: float = 0.0

    @property
    def title(self) -> str:
        number, _, rest = self.name.partition("-")
        return rest if number.isdigit() and rest else self.name


@dataclass(frozen=True)
class Peak:
    """Where gold was highest on the way, and by how much it had fallen at the end (interval `drop_*`)."""

    step: int
    kl_nats: float
    gold: float
    last_gold: float
    drop: float
    drop_low: float
    drop_high: float
    n: int

    @property
    def distance(self) -> float:
        """sqrt(KL) from the reference policy, in root nats."""
        return root(self.kl_nats)


@dataclass(frozen=True)
class Sample:
    """One response of one model to a held-out prompt, with the scores it got."""

    model: str
    prompt: str
    response: str
    kind: str | None = None
    gold: float | None = None
    proxy: float | None = None
    rater_utility: float | None = None


@dataclass(frozen=True)
class Probe:
    """A policy measured against intent on its way: a checkpoint at `step`, or best-of-n at n = `step`."""

    method: str
    step: int
    kl_nats: float
    estimates: Mapping[str, Estimate]

    @property
    def distance(self) -> float:
        """sqrt(KL) from the reference policy, in root nats."""
        return root(self.kl_nats)

    @property
    def n(self) -> int:
        return max((e.n for e in self.estimates.values()), default=0)


@dataclass(frozen=True)
class RunData:
    """A run folder's contents. `gold_name` is None where no gold reward is known."""

    name: str
    status: Literal["running", "done", "failed", "unknown"] = "unknown"
    error: str | None = None
    seed: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    started: str | None = None
    seconds: float | None = None
    stages: tuple[Stage, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()
    gold_name: str | None = None
    proxy_name: str | None = None
    peak: Peak | None = None
    metrics: tuple[dict[str, Any], ...] = ()
    evals: tuple[Measurement, ...] = ()
    samples: tuple[Sample, ...] = ()
    spectrum: Spectrum | None = None
    frontier: Frontier | None = None
    hacking: Hacking | None = None
    emergence: Emergence | None = None
    grids: Grids | None = None
    constitution: Constitution | None = None
    cai_study: CAIStudy | None = None
    debate: Debate | None = None
    amplify: Amplify | None = None
    process: Process | None = None
    weak_to_strong: WeakToStrong | None = None
    audits: tuple[Finding, ...] = ()

    def of_frontier(self, row: Measurement) -> bool:
        """Whether a row of evals.json is a comparison's: of best-of-n, or cut by setting or by mitigation and not by
        kind of prompt."""
        best = self.frontier is not None and row.model.startswith("best-of-")
        return best or any(found and row.slice in found.slices for found in (self.frontier, self.hacking))

    @property
    def target(self) -> str:
        """The metric that stands for intent: gold, or a held-out reward model where gold is unknown."""
        known = self.gold_name or any("gold" in probe.estimates for probe in self.probes)
        return "gold" if known else "heldout_proxy"

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        """Measurements against intent at a known KL, in the order logged."""
        rows = [row for row in self.metrics if _against_intent(row)]
        found = [_probe(row) for row in rows if finite(row.get("step")) and finite(row.get("kl_nats"))]
        return tuple(probe for probe in found if probe.estimates)

    @cached_property
    def training(self) -> dict[str, tuple[Row, ...]]:
        """Stage name -> its training rows, stages in the order of run.json, then of first appearance."""
        rows = [row for row in self.metrics if not _against_intent(row)]
        listed = [stage.title for stage in self.stages]
        names = dict.fromkeys([*listed, *map(_group, rows)])
        grouped = {name: tuple(row for row in rows if _group(row) == name) for name in names}
        return {name: group for name, group in grouped.items() if group}


def estimate(row: Row, metric: str) -> Estimate | None:
    """The row's value of a metric, its interval and n (its own, or that of the row); None unless all are finite."""
    numbers = [row.get(key) for key in (metric, f"{metric}_low", f"{metric}_high")]
    numbers.append(row.get(f"{metric}_n", row.get("n")))
    if not all(finite(number) for number in numbers):
        return None
    value, low, high, n = (float(number) for number in numbers if number is not None)
    return Estimate(value, low, high, int(n))


def _against_intent(row: Row) -> bool:
    """Whether a row measures a policy on the held-out prompts, rather than training or a property on the way."""
    return "proxy_low" in row and row.get("probe") != PROPERTIES


def _group(row: Row) -> str:
    """The stage whose curves a row belongs to; properties measured on the way have curves of their own."""
    return f"{row.get('stage')}, {PROPERTIES}" if row.get("probe") == PROPERTIES else str(row.get("stage"))


def _probe(row: Row) -> Probe:
    metrics = [key.removesuffix("_low") for key in row if key.endswith("_low")]
    estimates = {key: e for key in metrics if (e := estimate(row, key))}
    return Probe(str(row.get("stage")), int(row["step"]), float(row["kl_nats"]), estimates)


def root(kl_nats: float) -> float:
    """sqrt(KL), 0 where an estimate of KL falls below 0."""
    return math.sqrt(max(0.0, kl_nats))


def finite(value: object) -> bool:
    """Whether this is a number, and one that can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100


def read(folder: Path) -> RunData:
    """The run in a folder.

    Raises InputError if the folder holds none of FILES, or one can't be read.
    """
    if not any((folder / name).exists() for name in FILES):
        raise InputError(f"{folder}: holds no run.json, so it is no run folder; name the folder given to --out")
    path = folder / "run.json"
    state = read_json(path) if path.exists() else {}
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds no JSON object; mend it or run the stage again")
    samples = sorted(folder.glob("stages/*-evaluation/samples.jsonl"))
    parts = {
        "metrics": _rows(folder / "metrics.jsonl"),
        "evals": _measurements(folder / "evals.json"),
        "samples": _checked(list[Sample], _rows(samples[-1]), samples[-1]) if samples else [],
        **{name: _part(folder, name, kind) for name, kind in PARTS.items()},
        "audits": _audits(folder / "audits.json"),
    }
    run: RunData = _checked(RunData, {"name": folder.name, **state, **parts}, path)
    return run


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return read_jsonl(path) if path.exists() else []
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSONL ({error.msg}); remove the broken line") from None


def _measurements(path: Path) -> list[Measurement]:
    try:
        return list(_checked(list[Measurement], read_json(path), path)) if path.exists() else []
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None


def _part(folder: Path, name: str, kind: type) -> Any:
    """What one road left in NAME.json; None where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    content = read_json(path)
    return _checked(kind, _with_episodes(content, folder) if kind is Grids else content, path)


def _with_episodes(content: Any, folder: Path) -> Any:
    """The grid worlds with their episodes, which lie in files that grids.json names."""
    worlds = content.get("worlds") if isinstance(content, dict) else None
    for world in worlds if isinstance(worlds, list) else []:
        if isinstance(world, dict):
            world["episodes"] = _rows(_within(folder, str(world.get("episodes"))))
    return content


def _within(folder: Path, name: str) -> Path:
    """A file that a run names. Raises InputError if it lies outside of the run's folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: grids.json names {name}, which is outside of the run folder")
    return path


def _audits(path: Path) -> list[Finding]:
    found: list[Finding] = _checked(list[Finding], read_json(path), path) if path.exists() else []
    return found


def _checked(kind: Any, value: object, path: Path) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{path}: {where}: {first['msg']}; mend it or run the stage again") from None
