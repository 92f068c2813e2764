"""The drift alarm: what an evaluation measured against what another one did before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..audits.shift.drift import Since, findings
from ..errors import InputError
from ..files import read_json
from ..records import Measurement
from ..run import Run


@dataclass(frozen=True)
class Baseline:
    """What was measured before, and where it is written."""

    path: Path
    rows: tuple[Measurement, ...]


def open_baseline(name: str, models: Sequence[str]) -> Baseline:
    """The evals.json of a run folder, or a file of its form.

    Raises InputError if it can't be read, or has measured none of these models.
    """
    path = Path(name) / "evals.json" if Path(name).is_dir() else Path(name)
    rows = read_json(path)
    try:
        measured = tuple(Measurement(**row) for row in rows)
    except (TypeError, InputError) as error:
        raise InputError(f"--baseline {path}: not the evals.json of a run ({error}); name one, or its folder") from None
    there = sorted({row.model for row in measured})
    if not set(there) & set(models):
        raise InputError(
            f"--baseline {path}: it has measured {', '.join(there) or 'nothing'}, and not {' or '.join(models)}; "
            "name a baseline of the same models"
        )
    return Baseline(path, measured)


def drift(run: Run, baseline: Baseline, measured: Sequence[Measurement]) -> list[str]:
    """Writes a finding for each measurement that the baseline has too; returns what is said of those that changed.

    Raises InputError if there is none.
    """
    found = findings(Since(measured, baseline.rows))
    if not found:
        raise InputError(
            f"--baseline {baseline.path}: no measurement in common, of the same model, property, metric and slice; "
            "evaluate both with the same suite"
        )
    run.audit([finding.row for finding in found])
    changed = [finding.said for finding in found if finding.verdict == "flagged"]
    unsure = sum(finding.verdict == "underpowered" for finding in found)
    run.say(
        f"drift: {len(changed)} of the {len(found)} measurements that {baseline.path} has too changed; "
        f"{unsure} of the others are too uncertain to tell"
    )
    return changed
