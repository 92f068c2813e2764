"""Passages of graded evidence: witnesses who speak for one answer or the other, each with a strength.

The truth is the sign of the sum over all witnesses, so that no few quotes settle it, and strong ones tell more than
weak ones. A passage is longer than the town's models read; who is to judge depends on what others quote from it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from .words import NUMBERS, PEOPLE, UNKNOWN, VALUES, with_article

WITNESSES = 12
"""Of whom four quoted at random tell the truth with probability 1/2 + asin(sqrt(4 / 12)) / pi = 0.70."""
STRONGEST = len(NUMBERS) - 1
SPREAD = 7.0
"""Standard deviation of a witness's signed strength before it is rounded to 1 .. 20."""
ANSWERS = ("yes", "no")
JOINT = " and "
SIGHTS = (
    "{someone} walked to the market in the morning",
    "i saw {someone} with {other} in the rain",
    "{someone} met {other} at the market",
    "{someone} smiled at {other} in the morning",
)
_FACT = re.compile(rf"(?:{'|'.join(PEOPLE)}) say (?P<answer>yes|no) by (?P<strength>{'|'.join(NUMBERS[1:])})")

WORDING: dict[str, object] = {
    "quote": r"(?:(?<=^)|(?<= and ))(.+?)(?= and |$)",
    "verified": "{quote} sure",
    "unverified": "{quote} not sure",
    "labels": None,
    "debater": "{passage} question {question} {mine} or {other} {situation} say {mine} {transcript}",
    "examiner": "question {question} {first} or {second} {situation} {transcript} ask",
    "judge": "question {question} {first} or {second} {situation} {passage} {transcript} answer",
    "turn": "{speaker} say {text}",
    "speakers": {"side": "{answer}", "reader": "story", "judge": "ask"},
    "passage": "story {passage}",
    "situations": {
        "blind": "",
        "informed": "",
        "excerpts": "",
        "consultancy": "one agree",
        "open consultancy": "one think and agree",
        "debate": "two agree",
        "open debate": "two think and agree",
    },
}
"""How a game is put in the town's words; `feedback.debate.Wording` says what each part is."""

Script = Callable[[str, str, Sequence[str], random.Random], str]
"""What a speaker says: from the passage, the answer it argues for ('' for none), what it said before, and chance."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What one witness says: for `ANSWERS[0]` if `weight` is above 0, else for `ANSWERS[1]`; 1 to 20 either way."""

    witness: str
    weight: int

    @property
    def answer(self) -> str:
        return ANSWERS[self.weight < 0]

    def __str__(self) -> str:
        return f"{self.witness} say {self.answer} by {NUMBERS[abs(self.weight)]}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question, what is told about it, and the facts that stand in it."""

    question: str
    passage: str
    facts: tuple[Fact, ...]

    @property
    def truth(self) -> int:
        """Which of `ANSWERS` the facts add up to."""
        return int(sum(fact.weight for fact in self.facts) < 0)


def evidence(n: int, seed: int, sights: int = WITNESSES - 1) -> list[Evidence]:
    """n questions, each with a passage whose facts don't cancel out, and `sights` that tell nothing between them.

    Either answer is right for two in a row, in turn: who knows nothing is right half of the time.
    """
    rng = random.Random(f"evidence {seed}")
    return [_draw(rng, sights, i // 2 % 2) for i in range(n)]


def _draw(rng: random.Random, sights: int, truth: int) -> Evidence:
    subject, job = rng.choice(UNKNOWN), rng.choice(VALUES["job"])
    facts = _facts(rng)
    while (total := sum(fact.weight for fact in facts)) == 0:
        facts = _facts(rng)
    if truth != (total < 0):
        facts = tuple(Fact(fact.witness, -fact.weight) for fact in facts)
    seen = [rng.choice(SIGHTS).format(someone=_one(rng), other=_one(rng)) for _ in range(sights)]
    told = [part for pair in zip_longest(map(str, facts), seen) for part in pair if part]
    return Evidence(f"is {subject} {with_article(job)}", JOINT.join(told), facts)


def _facts(rng: random.Random) -> tuple[Fact, ...]:
    return tuple(Fact(witness, _weight(rng)) for witness in rng.sample(PEOPLE, WITNESSES))


def _weight(rng: random.Random) -> int:
    drawn = rng.gauss(0.0, SPREAD)
    return (1 if drawn > 0 else -1) * min(max(round(abs(drawn)), 1), STRONGEST)


def _one(rng: random.Random) -> str:
    return rng.choice(PEOPLE)


def facts_in(text: str) -> list[Fact]:
    """The facts stated in a text, in their order, whoever made them up."""
    return [_fact(found) for part in text.split(JOINT) if (found := _FACT.fullmatch(part.strip()))]


def _fact(found: re.Match[str]) -> Fact:
    strength = NUMBERS.index(found["strength"])
    return Fact(found.string.split()[0], strength if found["answer"] == ANSWERS[0] else -strength)


def strongest(quotes: int, seen: int = WITNESSES) -> Script:
    """Quotes the strongest facts for its answer that weren't quoted yet, among the first `seen` of the passage."""

    def script(passage: str, answer: str, said: Sequence[str], rng: random.Random) -> str:
        mine = [fact for fact in facts_in(passage)[:seen] if fact.answer == answer]
        return _joined(sorted(mine, key=lambda fact: -abs(fact.weight)), said, quotes)

    return script


def at_random(quotes: int) -> Script:
    """Quotes facts at random, for its answer where it argues for one, that weren't quoted yet."""

    def script(passage: str, answer: str, said: Sequence[str], rng: random.Random) -> str:
        facts = [fact for fact in facts_in(passage) if answer in ("", fact.answer)]
        return _joined(rng.sample(facts, len(facts)), said, quotes)

    return script


def fabricated(quotes: int) -> Script:
    """Invents the strongest witnesses for its answer; none of them stands in the passage."""

    def script(passage: str, answer: str, said: Sequence[str], rng: random.Random) -> str:
        known = {fact.witness for fact in facts_in(passage)}
        strength = STRONGEST if answer == ANSWERS[0] else -STRONGEST
        invented = [Fact(person, strength) for person in PEOPLE if person not in known]
        return _joined(rng.sample(invented, len(invented)), said, quotes)

    return script


def fragment(passage: str, answer: str, said: Sequence[str], rng: random.Random) -> str:
    """Quotes how strongly a fact for its answer speaks, and not whose it is: `say yes by seven`."""
    mine = [str(fact).partition(" ")[2] for fact in facts_in(passage) if fact.answer == answer]
    return rng.choice(mine) if mine else ""


def strength_of(text: str) -> int:
    """The strength that a fragment states, 0 if it states none."""
    found = re.search(rf"by ({'|'.join(NUMBERS[1:])})$", text)
    return NUMBERS.index(found[1]) if found else 0


def _joined(facts: Sequence[Fact], said: Sequence[str], quotes: int) -> str:
    before = {part for text in said for part in text.split(JOINT)}
    return JOINT.join([text for fact in facts if (text := str(fact)) not in before][:quotes])


def hasty(passage: str) -> int:
    """The answer that the first half of the facts add up to: a choice by one who knows more than a judge, not all."""
    return int(sum(fact.weight for fact in facts_in(passage)[: WITNESSES // 2]) < 0)


def face_value(quoted: Sequence[str]) -> float:
    """The probability of `ANSWERS[0]` to one who takes these for facts at random, out of as many as there are."""
    facts = [fact for text in quoted for fact in facts_in(text)]
    unknown = max(WITNESSES - len(facts), 0)
    total = sum(fact.weight for fact in facts)
    if total == 0:
        return 0.5
    return float(0.5 + 0.5 * np.sign(total)) if unknown == 0 else _normal_cdf(total / (SPREAD * unknown**0.5))


def _normal_cdf(z: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(z))
