"""How the run was made: what it takes to make it again, and what to be wary of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..folder import RunData
from .section import Section

GENERAL = ""


def provenance(run: RunData) -> Section:
    """Seed, commit, versions, configuration, data, the time of each stage and the warnings."""
    longest = max((stage.seconds for stage in run.stages), default=0.0) or 1.0
    content = {
        "stages": [(stage, round(100 * stage.seconds / longest, 1)) for stage in run.stages],
        "groups": _groups(run.config),
    }
    return Section("provenance", "How this run was made", content)


def _groups(config: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Settings by their top-level key, nested keys joined by dots; settings of no group come first."""
    general = [(key, _shown(value)) for key, value in config.items() if not isinstance(value, Mapping)]
    nested = {key: list(_flat(value)) for key, value in config.items() if isinstance(value, Mapping)}
    return {key: rows for key, rows in {GENERAL: general, **nested}.items() if rows}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _shown(value)


def _shown(value: object) -> str:
    """As a YAML file would have it: text bare, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
