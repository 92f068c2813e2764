"""What a page hands to its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report; `content` holds the names that `templates/ID.html` uses."""

    id: str
    title: str
    content: Mapping[str, object]
