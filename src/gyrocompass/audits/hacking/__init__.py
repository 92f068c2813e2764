"""Reward hacking: has a policy exploited its proxy, and through what."""

from __future__ import annotations

from typing import Any

from ..audit import Audit
from .exploits import EXPLOITS
from .overoptimisation import OVER_OPTIMISED

HACKING: tuple[Audit[Any], ...] = (OVER_OPTIMISED, *EXPLOITS)
