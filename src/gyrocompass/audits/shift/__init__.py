"""Distribution shift: does what holds on one distribution hold on another."""

from __future__ import annotations

from typing import Any

from ..audit import Audit
from .drift import DRIFT
from .gains import GAINS
from .out_of_distribution import ACCURACY, CALIBRATION
from .slices import GAP
from .twosample import OUTPUTS, PROMPTS

SHIFT: tuple[Audit[Any], ...] = (GAP, GAINS, ACCURACY, CALIBRATION, OUTPUTS, PROMPTS, DRIFT)
