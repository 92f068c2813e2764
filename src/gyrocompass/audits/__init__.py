"""Audits of the failure modes, each of which is itself tested on planted and clean cases."""

from __future__ import annotations

from typing import Any

from .audit import FAILURES, Audit, Finding
from .emergence import JUMP
from .gaming import GAMING
from .hacking import HACKING
from .shift import SHIFT

AUDITS: tuple[Audit[Any], ...] = (*HACKING, *GAMING, *SHIFT, JUMP)
"""Every audit, failure by failure."""

__all__ = ["AUDITS", "FAILURES", "Audit", "Finding"]
