"""What a judge says of pairs of responses, before and after it becomes labels: the common part of AI feedback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ..errors import InputError
from ..protocols import Floats, Pair
from ..records import Preference
from .choice import Means
from .judge import Verdict, position_bias

Label = Callable[[Floats], Floats]
"""From the probabilities that the first response is the better one to labels; NaN stays NaN."""

TIED = 1e-9
"""Probabilities this close to 1/2 differ from it by rounding."""
UNASKED = Verdict(np.nan, np.nan)


def soft(p_first: Floats) -> Floats:
    """The probabilities themselves."""
    return p_first


def hard(p_first: Floats) -> Floats:
    """1 or 0 for the likelier response, 0.5 where neither is."""
    offset = p_first - 0.5
    return np.where(np.abs(offset) <= TIED, 0.5, 0.5 + 0.5 * np.sign(offset))


def clamped(low: float = 0.4, high: float = 0.6) -> Label:
    """The probabilities cut to [low, high]; by default to what the paper allows labels after chain of thought.

    Raises InputError unless 0 <= low < high = 1 - low: other bounds would favour a place.
    """
    if not (0 <= low < high and abs(low + high - 1) <= TIED):
        raise InputError(f"labels clamped to [{low:g}, {high:g}] favour a place; give high = 1 - low, as in [0.4, 0.6]")
    return lambda p_first: np.clip(p_first, low, high)


class Alone(NamedTuple):
    """What was read of a pair's two responses, each on its own: how likely it is at fault, or its reward."""

    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a judge said of a pair: by which principle, in each order, read from what (None: it wasn't asked).

    `reasoning`: what it thought aloud in the forward and in the backward order, where it was asked to. `alone`: what
    was read of either response, where no other one was in sight; `verdict` then is the same in both orders.
    """

    principle: str
    verdict: Verdict = UNASKED
    by: Means | Literal["rules"] | None = None
    reasoning: tuple[str, ...] = ()
    alone: Alone | None = None

    @property
    def p_first(self) -> float:
        """The mean of both orders; NaN, an abstention, unless both gave a probability."""
        return self.verdict.p_first

    @property
    def torn(self) -> bool:
        """Whether it prefers one response in one order and the other one in the other."""
        return (self.verdict.forward - 0.5) * (self.verdict.backward - 0.5) < 0

    def turned(self) -> Ruling:
        """The same ruling on the same responses in the other order."""
        verdict = Verdict(1 - self.verdict.backward, 1 - self.verdict.forward)
        alone = self.alone and Alone(*self.alone[::-1])
        return Ruling(self.principle, verdict, self.by, self.reasoning[::-1], alone)


class RulingJudge(ABC):
    """A Judge whose rulings are kept, and can be made labels of any shape.

    `source` names it in records, `tags` are those of each principle it rules by, `shape` is what labels are made by.
    """

    @property
    @abstractmethod
    def source(self) -> str: ...

    @property
    @abstractmethod
    def tags(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    @abstractmethod
    def shape(self) -> Label: ...

    @property
    @abstractmethod
    def singly(self) -> bool:
        """Whether it sees one response at a time, so that no response has a place."""

    @abstractmethod
    def judged(self, pairs: Sequence[Pair], like: Sequence[Ruling] | None = None) -> list[Ruling]:
        """Each pair's ruling, by the principles of the rulings `like`, or by its own choice."""

    def __call__(self, pairs: Sequence[Pair], /) -> Floats:
        """The label of each pair, (len(pairs),); NaN is an abstention."""
        return self.labels(self.judged(pairs))

    def labels(self, rulings: Sequence[Ruling]) -> Floats:
        """The label that each ruling comes to, (len(rulings),).

        A hard one is level where the two orders prefer different responses: a place would decide it.
        """
        labels = self.shape(probabilities(rulings))
        if self.shape is not hard:
            return labels
        return np.where([ruling.torn for ruling in rulings], 0.5, labels) if rulings else labels

    def preferences(self, pairs: Sequence[Pair], rulings: Sequence[Ruling]) -> list[Preference]:
        """The labels as records, each with its principle, what was said of it, and what that was read from.

        Pairs of which the judge said nothing are left out: abstentions, and those of which neither comes out ahead.
        """
        labels = self.labels(rulings)
        return [
            Preference(*pair, p_first=float(label), source=self.source, meta=_told(ruling))
            for pair, ruling, label in zip(pairs, rulings, labels, strict=True)
            if abs(label - 0.5) > TIED
        ]


def probabilities(rulings: Sequence[Ruling]) -> Floats:
    """Each ruling's probability that the first response is the better one, before any label, (len(rulings),)."""
    return np.array([ruling.p_first for ruling in rulings], dtype=np.float64)


def notes(rulings: Sequence[Ruling]) -> list[str]:
    """What a user should know of these rulings: what was left out, and whether the judge goes by place."""
    p, n = probabilities(rulings), len(rulings)
    silent, level = int(np.isnan(p).sum()), int((np.abs(p - 0.5) <= TIED).sum())
    found = []
    if silent:
        found.append(f"the judge abstained on {silent:,} of {n:,} pairs, where it wasn't asked or wasn't to be read")
    if level:
        found.append(f"on {level:,} of {n:,} pairs neither response comes out ahead, which says nothing")
    if silent < n and not any(ruling.alone for ruling in rulings):
        bias = position_bias([ruling.verdict for ruling in rulings])
        if abs(bias.value) > 0.5 and (bias.low > 0 or bias.high < 0):
            place = "first" if bias.value > 0 else "second"
            found.append(f"the judge prefers the {place} place whatever stands there: position bias {bias}")
    return found


def comparable(pair: Pair) -> bool:
    """Whether there is something to choose: two responses that aren't blank or equal."""
    return bool(pair.first.strip() and pair.second.strip()) and pair.first != pair.second


def _told(ruling: Ruling) -> dict[str, object]:
    said = ruling.alone or ruling.verdict
    told = {"principle": ruling.principle, **said._asdict(), "by": ruling.by}
    return told | ({"reasoning": list(ruling.reasoning)} if ruling.reasoning else {})
