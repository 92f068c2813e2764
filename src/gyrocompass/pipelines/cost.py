"""What a stage costs: its time, without that of measuring, and the most memory held while it ran."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..config import Compute
from ..files import read_jsonl
from ..learn.loop import Look
from ..run import Run, stage_title

PROCESS = Path("/proc/self")
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of work; MiB held at the most, and how much of that was not held before; None where nothing tells."""

    seconds: float
    peak_mib: float | None
    added_mib: float | None


@contextmanager
def watched(run: Run, stage: str, compute: Compute) -> Iterator[None]:
    """Keeps under `costs` in run.json the most memory held by what runs inside: of the GPU, or of this process."""
    gpu = compute.device.startswith("cuda") or (compute.device == "auto" and torch.cuda.is_available())
    read = _gpu_peak_mib if gpu else _process_peak_mib
    held = read() if (_forget_gpu_peak() if gpu else _forget_process_peak()) else None
    try:
        yield
    finally:
        if held is not None:
            peak = read()
            _keep(run, stage, {"peak_mib": round(peak, 1), "added_mib": round(peak - held, 1)})


def _keep(run: Run, stage: str, found: dict[str, float]) -> None:
    """Of a stage that was resumed, the highest of its parts."""
    costs = run.state.get("costs", {})
    before = costs.get(stage, {})
    run.save(costs=costs | {stage: {key: max(mib, before.get(key, 0.0)) for key, mib in found.items()}})


def timed(look: Look) -> Look:
    """The same look, which also tells how long it took: `probe_seconds`."""

    def probe(step: int) -> dict[str, Any]:
        begin = time.monotonic()
        found = look.probe(step)
        return {**found, "probe_seconds": round(time.monotonic() - begin, 3)}

    return Look(probe, look.at)


def cost_of(run: Run, stages: Sequence[str]) -> Cost:
    """What these stages cost together: their seconds added up, without probes, and the most that one held."""
    path = run.folder / "metrics.jsonl"
    rows = read_jsonl(path) if path.exists() else []
    spent = sum(entry["seconds"] for entry in run.state["stages"] if stage_title(entry["name"]) in stages)
    probing = sum(row.get("probe_seconds", 0.0) for row in rows if row["stage"] in stages)
    costs = [run.state.get("costs", {}).get(stage, {}) for stage in stages]

    def most(key: str) -> float | None:
        return max(cost[key] for cost in costs) if all(key in cost for cost in costs) else None

    return Cost(round(max(0.0, spent - probing), 2), most("peak_mib"), most("added_mib"))


def _forget_gpu_peak() -> bool:
    torch.cuda.init()  # type: ignore[no-untyped-call]
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return True


def _gpu_peak_mib() -> float:
    return torch.cuda.max_memory_allocated() / MIB


def _forget_process_peak() -> bool:
    """Lets the process's high-water mark begin anew, at what is held now; False where there is none to be reset."""
    switch = PROCESS / "clear_refs"
    if not switch.exists():
        return False
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)  # what earlier stages freed isn't this one's
    try:
        switch.write_text("5")
    except OSError:
        return False
    return True


def _process_peak_mib() -> float:
    lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
