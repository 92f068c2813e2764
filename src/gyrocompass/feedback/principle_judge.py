"""A model asked which of two responses keeps better to a principle: AI feedback. Bai et al. 2022, arXiv:2212.08073.

For each pair a principle is drawn: the same one whenever seed and pair come again, in whichever order. Its comparison
question is asked with the responses in both orders, and the two probabilities are averaged. Or, where the constitution
has verdicts, either response is criticised on its own, and the one less likely at fault is the better one: a rule put
to each response, as in Sparrow (Glaese et al. 2022, arXiv:2209.14375), and scored directly (arXiv:2309.00267).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..protocols import Pair, Policy
from ..records import Message, Prompt, user
from .choice import ALONE, begun, chosen, with_space
from .constitution import Constitution, Principle, Verdicts, draw
from .constitution.principles import TEMPLATE
from .grader import fenced, transcript
from .judge import Verdict, turned
from .rulings import Alone, Label, Ruling, RulingJudge, clamped, comparable, soft

THINK = "Before you answer, think it through step by step. Leave the answer itself for your next turn."


@dataclass(frozen=True)
class PrincipleJudge(RulingJudge):
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
    def source(self) -> str:
        return f"constitution {self.constitution.name}"

    @property
    def tags(self) -> Mapping[str, tuple[str, ...]]:
        return {principle.id: principle.tags or ("untagged",) for principle in self.constitution.principles}

    @property
    def shape(self) -> Label:
        return self.label or (clamped() if self.reasoning else soft)

    @property
    def singly(self) -> bool:
        return self.constitution.verdicts is not None

    def drawn(self, pairs: Sequence[Pair]) -> list[Principle]:
        """Each pair's principle, by weight. Raises InputError if none has what a judge asks by."""
        able = self.constitution.having(self.constitution.judged_by)
        keys = (repr((pair.prompt, *sorted((pair.first, pair.second)))) for pair in pairs)
        return [draw(able, self.seed, key) for key in keys]

    def judged(self, pairs: Sequence[Pair], like: Sequence[Ruling] | None = None) -> list[Ruling]:
        """Each pair's ruling, by the principles drawn unless rulings `like` it are given.

        A pair is asked about as it stands or turned about, whichever comes first in the alphabet: so to swap its
        responses turns its ruling and changes nothing else. A pair with a blank response, or with two equal ones, isn't
        asked about. Raises InputError as the policy does.
        """
        by_id = {principle.id: principle for principle in self.constitution.principles}
        principles = self.drawn(pairs) if like is None else [by_id[ruling.principle] for ruling in like]
        asked = [i for i, pair in enumerate(pairs) if comparable(pair)]
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
        found = [Alone(float(first), float(second)) for first, second in p_fault.reshape(-1, 2)]
        p_first = [less_at_fault(*alone) for alone in found]
        return [
            Ruling(principle.id, Verdict(p, p), by, alone=alone)
            for principle, p, alone in zip(principles, p_first, found, strict=True)
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


def less_at_fault(first: float, second: float) -> float:
    """(1 + second - first) / 2, given how likely either is at fault: that the second alone is, a tie counted half.

    NaN if either is.
    """
    return (1 + second - first) / 2


def _thinking(question: Prompt) -> Prompt:
    *before, asked = question
    return (*before, Message(asked.role, f"{asked.content}\n\n{THINK}"))
