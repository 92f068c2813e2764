"""How likely a model is to give the first of two short answers to a question.

Read from the log-probabilities of both answers, where the model tells those of a given text; else from the likeliest
tokens where its own reply decides between them, where a server tells these; else from votes. Nothing stands in for a
way that is lacking but the next one, and the way that was taken is told with the numbers. All are read at temperature
1: how a model samples turns, thoughts or responses is none of what it believes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from scipy.special import expit

from ..config import Sampling
from ..errors import InputError, Unsupported
from ..models.endpoint import EndpointPolicy
from ..models.likeliest import TellsLikeliest, Token
from ..models.policy import LocalPolicy, with_room
from ..protocols import Floats, Policy
from ..records import Example, Prompt
from .grader import DECORATION, Line, mean_readable

Answers = tuple[str, str]
Means = Literal["log-probabilities", "likeliest tokens", "votes"]

ALONE = "Answer with {} or {} alone."
ANSWER_TOKENS = 8
"""What a short answer takes at most, its decoration included."""


@runtime_checkable
class TellsOpenings(Protocol):
    """A policy that tells how likely a response is to begin with a given text, whatever comes then."""

    def opening_logprobs(self, examples: Sequence[Example]) -> Floats: ...


class Choices(NamedTuple):
    """The probability of the first answer to each question, NaN where it can't be told, and what it was read from."""

    p_first: Floats
    by: Means


def chosen(policy: Policy, questions: Sequence[Prompt], answers: Answers, votes: int = 8, seed: int = 0) -> Choices:
    """The probability of the first answer among the two, (len(questions),), by the best means that the policy has.

    `votes` and `seed` matter where replies are sampled. Raises InputError if `votes` is below 1, or as the policy does.
    """
    return _best_told(WAYS, policy, questions, answers, votes, seed)


def begun(policy: Policy, questions: Sequence[Prompt], openings: Answers, votes: int = 8, seed: int = 0) -> Choices:
    """As `chosen`, of replies that begin with the first or the second of two texts and then go on as they like.

    Of votes a half is added to either side, so that a few that agree aren't taken for certainty.
    """
    return _best_told(OPENING_WAYS, policy, questions, openings, votes, seed)


Way = Callable[[Policy, Sequence[Prompt], Answers, int, int], Floats]


def _best_told(
    ways: Mapping[Means, Way], policy: Policy, questions: Sequence[Prompt], answers: Answers, votes: int, seed: int
) -> Choices:
    if votes < 1:
        raise InputError(f"votes is {votes}; ask for at least one")
    if not questions:
        return Choices(np.empty(0), "log-probabilities")
    policy = policy.at_one if isinstance(policy, LocalPolicy | EndpointPolicy) else policy
    for by, ask in ways.items():
        try:
            return Choices(ask(policy, questions, answers, votes, seed), by)
        except Unsupported:
            continue
    raise AssertionError


def _by_logprobs(policy: Policy, questions: Sequence[Prompt], answers: Answers, votes: int, seed: int) -> Floats:
    """P(first) / (P(first) + P(second)), each answer's end token included. NaN where a question leaves no room."""
    return _from_logprobs(policy.logprobs, policy, questions, answers)


def _by_openings(policy: Policy, questions: Sequence[Prompt], openings: Answers, votes: int, seed: int) -> Floats:
    if not isinstance(policy, TellsOpenings):
        raise Unsupported("the policy tells no log-probabilities of openings; sample votes")
    return _from_logprobs(policy.opening_logprobs, policy, questions, openings)


def _from_logprobs(
    told_by: Callable[[Sequence[Example]], Floats], policy: Policy, questions: Sequence[Prompt], answers: Answers
) -> Floats:
    kept = with_space(policy, questions, ANSWER_TOKENS)
    told = told_by([Example(questions[i], answer) for i in kept for answer in answers])
    first, second = told.reshape(-1, 2).T
    p = np.full(len(questions), np.nan)
    with np.errstate(invalid="ignore"):  # of two impossible answers neither is the likelier one
        p[kept] = expit(first - second)
    return p


def with_space(policy: Policy, questions: Sequence[Prompt], new_tokens: int | None = None) -> list[int]:
    """Places of the questions after which so many tokens, by default the longest response, fit the context.

    All of them where the context isn't known. Raises InputError if a local model has room after none.
    """
    if not (questions and isinstance(policy, LocalPolicy)):
        return list(range(len(questions)))
    sampling = Sampling(max_new_tokens=new_tokens) if new_tokens else policy.sampling
    return with_room(policy.network, questions, sampling)[0]


def _by_likeliest(policy: Policy, questions: Sequence[Prompt], answers: Answers, votes: int, seed: int) -> Floats:
    if not isinstance(policy, TellsLikeliest):
        raise Unsupported("the policy tells no likeliest tokens; sample votes")
    replies = policy.likeliest(questions, ANSWER_TOKENS, seed=seed)
    return np.array([share_of_first(tokens, answers) for tokens in replies], dtype=np.float64)


def _by_votes(policy: Policy, questions: Sequence[Prompt], answers: Answers, votes: int, seed: int) -> Floats:
    """The share of readable replies that give the first answer."""
    first, second = map(bare, answers)
    line = Line("answer", {first: 1.0, second: 0.0})
    replies = policy.sample(questions, votes, seed=seed)
    return np.array([mean_readable(map(line.read, drawn)) for drawn in replies], dtype=np.float64)


def _by_opening_votes(policy: Policy, questions: Sequence[Prompt], openings: Answers, votes: int, seed: int) -> Floats:
    """The share of readable replies that begin with the first text."""
    replies = policy.sample(questions, votes, seed=seed)
    read = [[place for reply in drawn if (place := _opening(reply, openings)) is not None] for drawn in replies]
    return np.array([places.count(0) / len(places) if places else math.nan for places in read])


def _opening(reply: str, openings: Answers) -> int | None:
    """Which of the texts a reply begins with, whole words only; None for neither."""
    found = (bool(re.match(rf"{re.escape(bare(text))}(?!\w)", bare(reply))) for text in openings)
    return next((place for place, holds in enumerate(found) if holds), None)


WAYS: Mapping[Means, Way] = {
    "log-probabilities": _by_logprobs,
    "likeliest tokens": _by_likeliest,
    "votes": _by_votes,
}
"""From the best to the poorest; each raises Unsupported where the policy has no such thing."""
OPENING_WAYS: Mapping[Means, Way] = {
    "log-probabilities": _by_openings,
    "likeliest tokens": _by_likeliest,
    "votes": _by_opening_votes,
}
"""The same of replies that go on after the answer."""


def share_of_first(tokens: Sequence[Token], answers: Answers) -> float:
    """P(first) / (P(first) + P(second)) at the first token that decides between the answers.

    What comes before it may be decoration, or what both answers begin with. An answer that isn't among the likeliest
    tokens there counts with the most it can have: the least of theirs, or all that they leave. NaN if the reply begins
    otherwise, or ends before it decides.
    """
    said = ""
    for token in tokens:
        possible = _possible(said + token.text, answers)
        if len(possible) == 1:
            return _share(said, token, answers)
        if not possible:
            break
        said += token.text
    return math.nan


def _share(said: str, token: Token, answers: Answers) -> float:
    p = {text: math.exp(logprob) for text, logprob in token.likeliest.items()}
    meant = {text: _possible(said + text, answers) for text in p}
    listed = [sum(p[text] for text in p if meant[text] == [answer]) for answer in answers]
    if not any(listed):
        return math.nan
    most = min(*p.values(), max(1 - sum(p.values()), 0.0)) if len(p) > 1 else max(1 - sum(p.values()), 0.0)
    first, second = (share or most for share in listed)
    return first / (first + second)


def _possible(text: str, answers: Answers) -> list[str]:
    """The answers that a reply which begins so may still come to."""
    return [answer for answer in answers if bare(answer).startswith(bare(text))]


def bare(text: str) -> str:
    """A text without case, brackets, emphasis, quotes and final stops."""
    return " ".join(text.translate(DECORATION).split()).rstrip(".!").lower()
