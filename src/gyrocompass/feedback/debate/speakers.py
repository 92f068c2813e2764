"""Who speaks: any policy, a script, the best of several tries by a judge's preference."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol as Interface

from ...protocols import Policy
from ..choice import with_space
from .judges import Judging, PolicyJudge, informed
from .records import Question
from .turns import taken
from .wording import View, Wording, prompt


class Speaking(Interface):
    """Speaks in a game: n things to say for each view, the same ones for the same seed."""

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]: ...

    def choose(self, questions: Sequence[Question]) -> list[int]:
        """The answer that it would argue for, where it may choose, as its place."""
        ...


@dataclass(frozen=True)
class PolicySpeaker:
    """A model. Where a turn doesn't fit its context it says nothing."""

    policy: Policy
    wording: Wording = field(default_factory=Wording)
    votes: int = 8

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        prompts = [prompt(view, self.wording) for view in views]
        kept = with_space(self.policy, prompts)
        drawn = self.policy.sample([prompts[i] for i in kept], n, seed=seed) if kept else []
        said = dict(zip(kept, drawn, strict=True))
        return [said.get(i, [""] * n) for i in range(len(views))]

    def choose(self, questions: Sequence[Question]) -> list[int]:
        """The answer that it finds likelier after reading the passage; the first where it can't tell."""
        found = informed(PolicyJudge(self.policy, self.wording, self.votes), questions)
        return [int(belief.p_first is not None and belief.p_first < 0.5) for belief in found]


@dataclass(frozen=True)
class Scripted:
    """A program: what to say, from the passage, the answer argued for ('' for none), what it said before, and chance.

    `choice` gives from a passage the answer that it would argue for.
    """

    script: Callable[[str, str, Sequence[str], random.Random], str]
    choice: Callable[[str], int] = lambda passage: 0

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        return [[self._say(view, f"{seed} {k}") for k in range(n)] for view in views]

    def _say(self, view: View, draw: str) -> str:
        question = view.transcript.question
        rng = random.Random(f"{draw} {question.id} {view.speaker} {view.transcript.opens} {len(view.said)}")
        mine = "" if view.side is None else question.answers[view.side]
        return self.script(question.passage, mine, view.said, rng)

    def choose(self, questions: Sequence[Question]) -> list[int]:
        return [self.choice(question.passage) for question in questions]


@dataclass(frozen=True)
class BySide:
    """One speaker for the right answer and another for the wrong one, whichever seat they have."""

    honest: Speaking
    dishonest: Speaking

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        said: dict[int, list[str]] = {}
        order = sorted(range(len(views)), key=lambda i: self._honest(views[i]))
        for honest, group in groupby(order, key=lambda i: self._honest(views[i])):
            mine = list(group)
            speaker = self.honest if honest else self.dishonest
            said |= dict(zip(mine, speaker([views[i] for i in mine], n, seed=seed), strict=True))
        return [said[i] for i in range(len(views))]

    def choose(self, questions: Sequence[Question]) -> list[int]:
        return self.honest.choose(questions)

    @staticmethod
    def _honest(view: View) -> bool:
        return view.side == view.transcript.question.truth


@dataclass(frozen=True)
class BestOf:
    """Of `tries` turns the one after which the judge believes most in the speaker's side.

    Source: Khan et al. 2024, arXiv:2402.06782, sec. 3.3, best-of-n. A try on which the judge abstains comes last.
    """

    speaker: Speaking
    judge: Judging
    tries: int
    wording: Wording = field(default_factory=Wording)

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        drawn = self.speaker(views, n * self.tries, seed=seed)
        worth = swayed(views, drawn, self.judge, self.wording)
        return [
            [texts[max(range(k, n * self.tries, n), key=values.__getitem__)] for k in range(n)]
            for texts, values in zip(drawn, worth, strict=True)
        ]

    def choose(self, questions: Sequence[Question]) -> list[int]:
        return self.speaker.choose(questions)


def swayed(
    views: Sequence[View], texts: Sequence[Sequence[str]], judge: Judging, wording: Wording, abstained: float = -1.0
) -> list[list[float]]:
    """How far the judge believes in each view's side after each of these turns; `abstained` where it tells nothing.

    A view without a side counts 0.
    """
    flat = [(view, text) for view, several in zip(views, texts, strict=True) for text in several]
    after = [
        View(view.transcript.said(taken(view, text, wording)), view.protocol)
        for view, text in flat
    ]  # fmt: skip
    found = iter(judge(after))
    values = []
    for view, several in zip(views, texts, strict=True):
        p = [next(found).p_first for _ in several]
        values.append([abstained if x is None else _of_side(x, view.side) for x in p])
    return values


def _of_side(p_first: float, side: int | None) -> float:
    return 0.0 if side is None else p_first if side == 0 else 1 - p_first
