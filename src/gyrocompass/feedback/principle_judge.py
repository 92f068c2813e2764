"""A model asked which of two responses keeps better to a principle: AI feedback. Bai et al. 2022, arXiv:2212.08073.

For each pair a principle is drawn: the same one whenever seed and pair come again, in whichever order. Its comparison
question is asked with the responses in both orders, and the two probabilities are averaged. Or, where the constitution
has verdicts, either response is criticised on its own, and the one less likely at fault is the better one: a rule put
to each response, as in Sparrow (Glaese et al. 2022, arXiv:2209.14375), and scored directly (arXiv:2309.00267).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from ..errors import InputError
from ..protocols import Floats, Pair, Policy
from ..records import Message, Preference, Prompt, user
from .choice import ALONE, Means, begun, chosen, with_space
from .constitution import Constitution, Principle, Verdicts, draw
from .constitution.principles import TEMPLATE
from .grader import fenced, transcript
from .judge import Verdict, position_bias, turned

Label = Callable[[Floats], Floats]
"""From the probabilities that the first response is the better one to labels; NaN stays NaN."""

THINK = "Before you answer, think it through step by step. Leave the answer itself for your next turn."
TIED = 1e-9
"""Probabilities this close to 1/2 differ from it by rounding."""
UNASKED = Verdict(np.nan, np.nan)
CERTAIN = 1e-12
"""Probabilities this close to 0 or 1 are taken for it: beyond, their odds are rounding."""


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


class Faults(NamedTuple):
    """How likely the judge finds a pair's first and second response at fault, each asked about on its own."""

    first: float
    second: float

    @property
    def p_first(self) -> float:
        """sigmoid(log-odds of a fault in the second - those in the first): Bradley-Terry on minus the log-odds."""
        first, second = np.clip(self, CERTAIN, 1 - CERTAIN)
        return float(expit(logit(second) - logit(first)))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a judge said of a pair: by which principle, in each order, read from what (None: it wasn't asked).

    `reasoning`: what it thought aloud in the forward and in the backward order, where it was asked to. `faults`: what
    it said of either response, where it was asked about them singly; `verdict` then is the same in both orders.
    """

    principle: str
    verdict: Verdict = UNASKED
    by: Means | None = None
    reasoning: tuple[str, ...] = ()
    faults: Faults | None = None

    @property
    def p_first(self) -> float:
        """The mean of both orders; NaN, an abstention, unless both gave a probability."""
        return self.verdict.p_first

    def turned(self) -> Ruling:
        """The same ruling on the same responses in the other order."""
        verdict = Verdict(1 - self.verdict.backward, 1 - self.verdict.forward)
        faults = self.faults and Faults(*self.faults[::-1])
        return Ruling(self.principle, verdict, self.by, self.reasoning[::-1], faults)


@dataclass(frozen=True)
class PrincipleJudge:
    """A Judge by the principles of a constitution that have a comparison question, or with verdicts a critique request.

    With `reasoning` it thinks aloud before each answer. `label` is by default soft, and with reasoning clamped to
    [0.4, 0.6]. `votes` are replies an order, or a response, drawn only where the policy tells no log-probabilities
    (`choice.chosen`). Raises InputError for reasoning where the constitution has verdicts.
    """

    policy: Policy
    constitution: Constitution
    label: Label | None = None
    reasoning: bool = False
    votes: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reasoning and self.singly:
            raise InputError(
                f"the constitution {self.constitution.name!r} has verdicts, which a critique begins with, so that no "
                "reasoning comes before them; take out its verdicts, or judge without reasoning"
            )

    @property
    def singly(self) -> bool:
        """Whether it is asked about each response on its own, so that no response has a place."""
        return self.constitution.verdicts is not None

    def __call__(self, pairs: Sequence[Pair], /) -> Floats:
        """The label of each pair, (len(pairs),); NaN is an abstention."""
        return self.labels(self.judged(pairs))

    def labels(self, rulings: Sequence[Ruling]) -> Floats:
        """The label that each ruling comes to, (len(rulings),)."""
        label = self.label or (clamped() if self.reasoning else soft)
        return label(probabilities(rulings))

    def drawn(self, pairs: Sequence[Pair]) -> list[Principle]:
        """Each pair's principle, by weight. Raises InputError if none has what a judge asks by."""
        able = self.constitution.having(self.constitution.judged_by)
        keys = (repr((pair.prompt, *sorted((pair.first, pair.second)))) for pair in pairs)
        return [draw(able, self.seed, key) for key in keys]

    def judged(self, pairs: Sequence[Pair], principles: Sequence[Principle] | None = None) -> list[Ruling]:
        """Each pair's ruling, by the principles drawn unless these are given.

        A pair is asked about as it stands or turned about, whichever comes first in the alphabet: so to swap its
        responses turns its ruling and changes nothing else. A pair with a blank response, or with two equal ones, isn't
        asked about. Raises InputError as the policy does.
        """
        principles = self.drawn(pairs) if principles is None else principles
        asked = [i for i, pair in enumerate(pairs) if _comparable(pair)]
        flipped = {i for i in asked if pairs[i].second < pairs[i].first}
        ordered = [turned(pairs[i]) if i in flipped else pairs[i] for i in asked]
        found = dict(zip(asked, self._ruled(ordered, [principles[i] for i in asked]), strict=True))
        rulings = [found.get(i, Ruling(principle.id)) for i, principle in enumerate(principles)]
        return [ruling.turned() if i in flipped else ruling for i, ruling in enumerate(rulings)]

    def _ruled(self, pairs: Sequence[Pair], principles: Sequence[Principle]) -> list[Ruling]:
        verdicts = self.constitution.verdicts
        return self._singly(pairs, principles, verdicts) if verdicts else self._in_both_orders(pairs, principles)

    def _singly(self, pairs: Sequence[Pair], principles: Sequence[Principle], verdicts: Verdicts) -> list[Ruling]:
        asked = [
            self.constitution.about(pair.prompt, response, principle.critique)
            for pair, principle in zip(pairs, principles, strict=True)
            for response in (pair.first, pair.second)
        ]
        p_fault, by = begun(self.policy, asked, verdicts, self.votes, self.seed)
        found = [Faults(float(first), float(second)) for first, second in p_fault.reshape(-1, 2)]
        return [
            Ruling(principle.id, Verdict(faults.p_first, faults.p_first), by, faults=faults)
            for principle, faults in zip(principles, found, strict=True)
        ]

    def _in_both_orders(self, pairs: Sequence[Pair], principles: Sequence[Principle]) -> list[Ruling]:
        shown = zip([*pairs, *map(turned, pairs)], [*principles, *principles], strict=True)
        questions = [self.question(pair, principle) for pair, principle in shown]
        thoughts = self._thoughts(questions) if self.reasoning else {}
        asked = dict(enumerate(questions))
        if self.reasoning:
            asked = {i: self._concluding(questions[i], thought) for i, thought in thoughts.items()}
        p, by = chosen(self.policy, list(asked.values()), self.constitution.answers, self.votes, self.seed)
        first_place = dict(zip(asked, map(float, p), strict=True))
        orders = [(i, len(pairs) + i) for i in range(len(pairs))]
        return [
            Ruling(
                principle.id,
                Verdict(first_place.get(one, np.nan), 1 - first_place.get(other, np.nan)),
                by,
                tuple(thoughts.get(i, "") for i in (one, other)) if self.reasoning else (),
            )
            for principle, (one, other) in zip(principles, orders, strict=True)
        ]

    def _thoughts(self, questions: Sequence[Prompt]) -> dict[int, str]:
        """What the model thinks aloud, by the question's place; none where it has no room to, or says nothing."""
        thinking = list(map(_thinking, questions))
        kept = with_space(self.policy, thinking)
        drawn = self.policy.sample([thinking[i] for i in kept], seed=self.seed) if kept else []
        return {i: texts[0].strip() for i, texts in zip(kept, drawn, strict=True) if texts[0].strip()}

    def _concluding(self, question: Prompt, thought: str) -> Prompt:
        closing = Message("user", ALONE.format(*self.constitution.answers))
        return (*_thinking(question), Message("assistant", thought), closing)

    def question(self, pair: Pair, principle: Principle) -> Prompt:
        """What the model is asked about the pair as it stands, the texts fenced off as in `grader`.

        A template other than the default one is taken to be for a model of few words, which has none for fences.
        """
        constitution = self.constitution
        if constitution.template != TEMPLATE:
            alone = len(pair.prompt) == 1
            conversation = pair.prompt[0].content if alone else transcript(pair.prompt)
            return user(constitution.compared(principle, conversation, pair.first, pair.second))
        first, second = (f"response {answer}" for answer in constitution.answers)
        texts = {"conversation": transcript(pair.prompt), first: pair.first, second: pair.second}
        rule, blocks = fenced(texts, self.seed)
        return user(f"{rule}\n\n{constitution.compared(principle, *blocks)}")

    def preferences(self, pairs: Sequence[Pair], rulings: Sequence[Ruling]) -> list[Preference]:
        """The labels as records, each with its principle, what was said of it, and what that was read from.

        Pairs of which the judge said nothing are left out: abstentions, and those of which neither comes out ahead.
        """
        labels = self.labels(rulings)
        return [
            Preference(*pair, p_first=float(label), source=f"constitution {self.constitution.name}", meta=_told(ruling))
            for pair, ruling, label in zip(pairs, rulings, labels, strict=True)
            if abs(ruling.p_first - 0.5) > TIED
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
    if silent < n and not any(ruling.faults for ruling in rulings):
        bias = position_bias([ruling.verdict for ruling in rulings])
        if abs(bias.value) > 0.5 and (bias.low > 0 or bias.high < 0):
            place = "first" if bias.value > 0 else "second"
            found.append(f"the judge prefers the {place} place whatever stands there: position bias {bias}")
    return found


def _comparable(pair: Pair) -> bool:
    return bool(pair.first.strip() and pair.second.strip()) and pair.first != pair.second


def _thinking(question: Prompt) -> Prompt:
    *before, asked = question
    return (*before, Message(asked.role, f"{asked.content}\n\n{THINK}"))


def _told(ruling: Ruling) -> dict[str, object]:
    said = ruling.faults or ruling.verdict
    told = {"principle": ruling.principle, **said._asdict(), "by": ruling.by}
    return told | ({"reasoning": list(ruling.reasoning)} if ruling.reasoning else {})
