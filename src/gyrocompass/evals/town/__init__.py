"""The five properties on the town, where what is right is known."""

from __future__ import annotations

from ...feedback.judge import scored_judge
from ...worlds import town
from ..suite import Part, Suite
from .criticism import CRITICISM
from .harmlessness import HARMLESSNESS
from .honesty import CALIBRATION, KNOWLEDGE, SYCOPHANCY
from .instruction import INSTRUCTION
from .robustness import ATTACKS, GRADIENT_SEARCH, SEARCH
from .values import CONSISTENCY, MONITORING

__all__ = ["CRITICISM", "TOWN"]

TOWN = Suite(
    "town",
    (
        Part(INSTRUCTION, 0.10),
        Part(HARMLESSNESS, 0.16),
        Part(KNOWLEDGE, 0.12),
        Part(CALIBRATION, 0.05),
        Part(SYCOPHANCY, 0.14),
        Part(ATTACKS, 0.22),
        Part(SEARCH, 0.02),
        Part(GRADIENT_SEARCH, 0.01),
        Part(MONITORING, 0.12),
        Part(CONSISTENCY, 0.06),
    ),
    judge=scored_judge(town.gold),
    judge_name="the town's gold reward",
    compared=frozenset({INSTRUCTION.name, HARMLESSNESS.name, KNOWLEDGE.name}),
)
