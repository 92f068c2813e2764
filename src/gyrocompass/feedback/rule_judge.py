"""A judge by a rule-based reward, Bradley-Terry on its difference: labels of pairs that no model compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ..protocols import Pair, Scorer
from ..records import Example
from .judge import Verdict
from .rulings import Alone, Label, Ruling, RulingJudge, comparable, soft

RULES = "rules"
"""What stands in a ruling where others have a principle: every rule speaks in each."""


@dataclass(frozen=True)
class RuleJudge(RulingJudge):
    """A Judge: p_first = sigmoid(reward of the first - reward of the second), so that weights are log-odds.

    A pair is an abstention where either reward is NaN, a response is blank, or both are equal.
    """

    reward: Scorer
    name: str = RULES
    label: Label = soft

    @property
    def source(self) -> str:
        return f"rules {self.name}"

    @property
    def tags(self) -> Mapping[str, tuple[str, ...]]:
        return {RULES: ()}

    @property
    def shape(self) -> Label:
        return self.label

    @property
    def singly(self) -> bool:
        return True

    def judged(self, pairs: Sequence[Pair], like: Sequence[Ruling] | None = None) -> list[Ruling]:
        """Each pair's ruling: every rule speaks, whatever `like` says. Raises InputError as the reward does."""
        asked = [pair for pair in pairs if comparable(pair)]
        both = [Example(pair.prompt, text) for pair in asked for text in (pair.first, pair.second)]
        rewards = np.asarray(self.reward(both), dtype=np.float64).reshape(-1, 2)
        found = iter([_ruling(float(first), float(second)) for first, second in rewards])
        return [next(found) if comparable(pair) else Ruling(RULES) for pair in pairs]


def _ruling(first: float, second: float) -> Ruling:
    p_first = float(expit(first - second))
    return Ruling(RULES, Verdict(p_first, p_first), "rules", alone=Alone(first, second))
