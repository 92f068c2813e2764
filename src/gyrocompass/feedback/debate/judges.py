"""Who judges: any policy, any Judge of pairs, a script. Each is asked with the answers in both orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np

from ...protocols import Floats, Judge, Pair, Policy
from ..choice import chosen
from .protocol import PROTOCOLS
from .records import Belief, Question, Transcript
from .wording import View, Wording, prompt


class Judging(Interface):
    """Believes in the first answer of each view's question."""

    def __call__(self, views: Sequence[View]) -> list[Belief]: ...


@dataclass(frozen=True)
class PolicyJudge:
    """A model asked which answer is right; how its reply is read: `choice.chosen`, with `votes` where it samples."""

    policy: Policy
    wording: Wording = field(default_factory=Wording)
    votes: int = 8
    seed: int = 0

    def __call__(self, views: Sequence[View]) -> list[Belief]:
        """Raises InputError as the policy does; a reply that can't be read is an abstention."""
        asked = both_orders(views)
        p = np.full(len(asked), np.nan)
        names = [self.wording.names(view.transcript.question.answers) for view in asked]
        for answers in dict.fromkeys(names):
            mine = [i for i, name in enumerate(names) if name == answers]
            prompts = [prompt(asked[i], self.wording) for i in mine]
            distinct = list(dict.fromkeys(prompts))  # before a word many views read alike
            told = chosen(self.policy, distinct, answers, self.votes, self.seed).p_first
            found = dict(zip(distinct, told, strict=True))
            p[mine] = [found[one] for one in prompts]
        if self.wording.labels:
            p[len(views) :] = 1 - p[len(views) :]
        return beliefs(p)


@dataclass(frozen=True)
class PairJudge:
    """A Judge of pairs: the two answers are the responses to what the judge is told."""

    judge: Judge
    wording: Wording = field(default_factory=Wording)

    def __call__(self, views: Sequence[View]) -> list[Belief]:
        pairs = [Pair(prompt(view, self.wording), *view.answers) for view in both_orders(views)]
        p = np.asarray(self.judge(pairs), dtype=np.float64)
        p[len(views) :] = 1 - p[len(views) :]
        return beliefs(p)


@dataclass(frozen=True)
class ScriptedJudge:
    """Goes by the verified quotes alone: `weigh` gives from their texts the probability of the first answer."""

    weigh: Callable[[Sequence[str]], float]

    def __call__(self, views: Sequence[View]) -> list[Belief]:
        return [Belief(p, p) for p in (self.weigh(trusted(view.transcript)) for view in views)]


def trusted(transcript: Transcript) -> list[str]:
    """The texts of the quotes that are shown as verified, each once."""
    quotes = [quote for turn in transcript.turns for quote in turn.quotes if quote.verified]
    return list(dict.fromkeys(quote.text for quote in quotes))


def both_orders(views: Sequence[View]) -> list[View]:
    """All views with the first answer named first, then all with it named last."""
    return [View(view.transcript, view.protocol, view.speaker, order) for order in (False, True) for view in views]


def beliefs(p: Floats) -> list[Belief]:
    """From the probabilities of the first answers in both orders, (2 N,), where NaN is an abstention."""
    known = [None if np.isnan(x) else float(x) for x in p]
    return [Belief(*both) for both in zip(known[: len(p) // 2], known[len(p) // 2 :], strict=True)]


def informed(judge: Judging, questions: Sequence[Question]) -> list[Belief]:
    """What a judge believes that reads the passage itself."""
    return judge([View(Transcript(question, "informed", 0), PROTOCOLS["informed"]) for question in questions])
