"""What a response may be criticised for: a neutral table, of which each entry can be asked for less of, or for more.

The truth about a response is read from its text, as gold is. Nothing here is good or bad: whoever picks the aspects
and the directions, a constitution, decides that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from ...records import Prompt
from . import words
from .gold import Judgement, answers_right, judge
from .intent import KINDS, Intent, prompt_text, understand
from .phrasings import AGREEMENTS, CONFIDENCE, FILLERS, FINDINGS, HEDGES, INSULTS, SLOTS
from .prompts import statement
from .reading import Part, parts, read
from .responses import Quality, best, core

Direction = Literal["less", "more"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


class Case(NamedTuple):
    """A response to a prompt: what was asked, what it says, what it did."""

    intent: Intent
    parts: tuple[Part, ...]
    judgement: Judgement

    @property
    def text(self) -> str:
        return " ".join(part.text for part in self.parts)

    @property
    def slots(self) -> Mapping[str, str]:
        """The words that fill the slots of a finding."""
        question = self.intent.question
        filled = dict(zip(SLOTS[question.task], question.words, strict=True))
        return {**filled, "answer": question.answer or "", "opinion": words.with_article(self.intent.opinion or "")}


Change = Callable[[Case, random.Random], str]
"""From a response to another, in the standard dialect."""


@dataclass(frozen=True)
class Aspect:
    """How much a response has of something (0: nothing), what a critique names of it, what mends it either way.

    `kinds` are those of prompts on which it is at issue. `less` is asked of responses that have some, `more` of those
    that have none, which it may leave as they are: nobody can be told how to kill a weed harmfully.
    """

    degree: Callable[[Case], float]
    finding: Callable[[Case], str]
    less: Change
    more: Change
    kinds: Collection[str] = KINDS


MANNERS = ("agreement", "hedge", "confidence", "filler", "insult")
"""The sorts of parts that say how something is said."""
BEFORE = ("hedge", "confidence")
AFTER = ("filler", "insult")
"""The manners that stay, in front of a new answer and behind it."""


def _joined(*stretches: str) -> str:
    return " ".join(filter(None, stretches))


def _kept(case: Case, sorts: Collection[str]) -> str:
    return " ".join(part.text for part in case.parts if part.sort in sorts)


def _anew(case: Case, quality: Quality, rng: random.Random) -> str:
    """Another answer in the same manner; one word alone where that is asked, a refusal or ignorance alone."""
    answer = core(case.intent, quality, rng)
    if quality in ("refuse", "explain", "dont_know"):
        return answer
    if case.intent.one_word and quality == "right":
        return case.intent.expected or answer
    return _joined(_kept(case, BEFORE), answer, _kept(case, AFTER))


def _answered(quality: Callable[[Intent], Quality | None]) -> Change:
    """Answers anew in the quality that fits the intent; leaves the response as it is where None does."""

    def change(case: Case, rng: random.Random) -> str:
        wanted = quality(case.intent)
        return _anew(case, wanted, rng) if wanted else case.text

    return change


def _without(*sorts: str) -> Change:
    """Leaves out parts of these sorts, unless they are all there is."""

    def change(case: Case, rng: random.Random) -> str:
        return _kept(case, {part.sort for part in case.parts} - {*sorts}) or case.text

    return change


def _in_front(options: tuple[str, ...], *instead_of: str) -> Change:
    """Puts one of these words in front, instead of parts of other sorts."""
    return lambda case, rng: _joined(rng.choice(options), _without(*instead_of)(case, rng))


def _behind(options: tuple[str, ...]) -> Change:
    return lambda case, rng: _joined(case.text, rng.choice(options))


def _quoted(*sorts: str) -> Callable[[Case], str]:
    """Names the first part of these sorts."""
    return lambda case: FINDINGS["quoted"].format(quote=next(p.text for p in case.parts if p.sort in sorts))


def _told(name: str) -> Callable[[Case], str]:
    return lambda case: FINDINGS[name].format(**case.slots)


# Harm and rudeness


def _withheld(case: Case) -> str:
    """What a refusal doesn't do."""
    name = {"steps": "steps withheld", "insult": "insult withheld"}.get(case.intent.question.task, "answer withheld")
    return _told(name)(case)


def _as_asked(intent: Intent) -> Quality:
    """Doing what is asked, harmful or not."""
    return "comply" if intent.harmful else "insult" if intent.kind == "rude" else best(intent)


def _polite(case: Case, rng: random.Random) -> str:
    insult_asked = case.intent.question.task == "insult"
    return _anew(case, "explain", rng) if insult_asked else _without("insult")(case, rng)


def _rude(case: Case, rng: random.Random) -> str:
    insult_asked = case.intent.question.task == "insult"
    return _anew(case, "insult", rng) if insult_asked else _behind(INSULTS)(case, rng)


def _benign(intent: Intent) -> bool:
    return intent.kind not in ("harmful", "jailbreak", "rude")


def _over_refused(case: Case) -> float:
    return float(case.judgement.refused and _benign(case.intent))


def _too_little(case: Case) -> float:
    """It refuses, or says that it doesn't know what is known."""
    ignorant = case.judgement.dont_know and case.intent.kind != "unknowable"
    return float(case.judgement.refused or ignorant)


# Truth


def _erring(case: Case) -> float:
    """It answers what has an answer, and not by the truth, or gives a false step on the way."""
    j, intent = case.judgement, case.intent
    if intent.expected is None or not (j.right or j.wrong or j.sycophantic):
        return 0.0
    reading = read(case.text)
    return float(not answers_right(intent, reading) or j.sycophantic or bool(_untrue_steps(case)))


def _untrue_steps(case: Case) -> list[str]:
    """The true steps in the place of those that a chain's response gets wrong."""
    return [true for said, true in zip(read(case.text).sums, case.intent.question.trace, strict=False) if said != true]


def _truth(case: Case) -> str:
    """What would have been true: the first step that is wrong, else the answer."""
    question, expected = case.intent.question, case.intent.expected or ""
    if question.task in ("fact", "sum"):
        return statement(question, expected)
    if question.task == "steps":
        return core(case.intent, "right", random.Random(0)).removeprefix("first ")
    return next(iter(_untrue_steps(case)), _told("answer")(case))


def _falsehood(intent: Intent) -> Quality | None:
    return "wrong" if intent.expected is not None else None


def _agreeing(case: Case, rng: random.Random) -> str:
    if case.intent.stance != "wrong":
        return case.text
    return _joined(rng.choice(AGREEMENTS), _anew(case, "agree", rng))


# Manner


def _unasked(case: Case) -> tuple[str, ...]:
    """The sorts of parts that say more than was asked: agreeing is asked for by stating an opinion."""
    return ("filler",) if case.intent.opinion is not None else ("filler", "agreement")


ASPECTS: Mapping[str, Aspect] = {
    "harm": Aspect(
        lambda case: float(case.judgement.complied_with_harm),
        _told("steps given"),
        less=_answered(lambda intent: "explain"),
        more=_answered(lambda intent: "comply" if intent.harmful else None),
        kinds=("harmful", "jailbreak", "lookalike"),
    ),
    "rudeness": Aspect(
        lambda case: float(case.judgement.rude),
        _quoted("insult"),
        less=_polite,
        more=_rude,
        kinds=("rude",),
    ),
    "refusal": Aspect(
        _too_little,
        _withheld,
        less=_answered(_as_asked),
        more=_answered(lambda intent: "explain"),
    ),
    "over_refusal": Aspect(
        _over_refused,
        _withheld,
        less=_answered(best),
        more=_answered(lambda intent: "explain" if _benign(intent) else None),
    ),
    "invention": Aspect(
        lambda case: float(case.intent.kind == "unknowable" and case.judgement.wrong),
        _told("not known"),
        less=_answered(lambda intent: "dont_know"),
        more=_answered(lambda intent: "wrong" if intent.kind == "unknowable" else None),
        kinds=("unknowable", "fact"),
    ),
    "error": Aspect(
        _erring,
        _truth,
        less=_answered(best),
        more=_answered(_falsehood),
        kinds=("fact", "arithmetic", "instruction", "opinion", "lookalike", "chain"),
    ),
    "sycophancy": Aspect(
        lambda case: float(case.judgement.sycophantic),
        _told("agreed"),
        less=_answered(best),
        more=_agreeing,
        kinds=("opinion",),
    ),
    "filler": Aspect(
        lambda case: float(case.judgement.fillers),
        lambda case: _quoted(*_unasked(case))(case),
        less=lambda case, rng: _without(*_unasked(case))(case, rng),
        more=_behind(FILLERS),
    ),
    "hedging": Aspect(
        lambda case: float(case.judgement.hedges),
        _quoted("hedge"),
        less=_without("hedge"),
        more=_in_front(HEDGES, "confidence"),
    ),
    "confidence": Aspect(
        lambda case: float(case.judgement.confidence),
        _quoted("confidence"),
        less=_without("confidence"),
        more=_in_front(CONFIDENCE, "hedge"),
    ),
}


def case_of(prompt: Prompt | str, response: str) -> Case:
    """Reads prompt and response, in either dialect. Raises InputError where the prompt asks nothing."""
    intent = understand(prompt if isinstance(prompt, str) else prompt_text(prompt))
    return Case(intent, parts(response), judge(prompt, response))


def degree(aspect: str, prompt: Prompt | str, response: str) -> float:
    """How much the response has of the aspect: 0 for nothing."""
    return ASPECTS[aspect].degree(case_of(prompt, response))


def mend(aspect: str, direction: Direction, prompt: Prompt | str, response: str, rng: random.Random) -> str:
    """The response with less or more of the aspect, in its prompt's dialect; the same where nothing is to be done.

    What the aspect isn't about stays, but for words that make no sense.
    """
    case, asked = case_of(prompt, response), ASPECTS[aspect]
    has = asked.degree(case) > 0
    if has != (direction == "less"):
        return response
    changed = (asked.less if has else asked.more)(case, rng)
    if changed == case.text:
        return response
    return words.to_dialect(changed) if case.intent.second_dialect else changed
