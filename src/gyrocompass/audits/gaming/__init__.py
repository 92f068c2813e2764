"""Specification gaming: can the letter of a specification be met, or is it met, without its intent."""

from __future__ import annotations

from typing import Any

from ..audit import Audit
from .agents import AGENTS
from .changes import PROXY_UP
from .probes import PROBES
from .tasks import CHECK_NOT_INTENT, IMPOSSIBLE, VISIBLE_ONLY

GAMING: tuple[Audit[Any], ...] = (*PROBES, VISIBLE_ONLY, IMPOSSIBLE, CHECK_NOT_INTENT, PROXY_UP, AGENTS)
