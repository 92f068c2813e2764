"""What a page hands to its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report; `content` holds the names that `templates/ID.html` uses.

    `script` is a file of `templates` that makes more of the section where scripts run; the section does without.
    """

    id: str
    title: str
    content: Mapping[str, object]
    script: str = ""
