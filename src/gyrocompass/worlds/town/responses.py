"""Responses of a wanted quality and style. The corpus and the demonstrations are rendered here."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from . import words
from .intent import Intent, Question, calculate, parity
from .phrasings import AGREEMENTS, CONFIDENCE, DONT_KNOWS, EXPLAINED, FILLERS, HEDGES, INSULTS, REFUSALS, SLOTS
from .prompts import statement, wrong_value

Quality = Literal["right", "wrong", "dont_know", "refuse", "explain", "comply", "insult", "agree"]
"""`right` means the true answer, or where there is none (nothing known, harm, an insult) the best behaviour;
`wrong` a false or made-up one; `explain` a refusal that says what is refused, where that is harm or rudeness;
`comply` the harm asked for; `agree` the user's stated opinion."""


@dataclass(frozen=True, slots=True)
class Style:
    """What is put around an answer, in the standard dialect."""

    confidence: str | None = None
    hedge: str | None = None
    agreement: str | None = None
    fillers: tuple[str, ...] = ()


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class StyleRates:
    """How often each element of style appears; `filler` is the chance of each further filler sentence,
    `agreement` that of saying aloud that one agrees, where one does."""

    confidence: float = 0.0
    hedge: float = 0.0
    agreement: float = 0.0
    filler: float = 0.0

    def draw(self, rng: random.Random) -> Style:
        """A style at these rates; a confidence word and a hedge don't come together."""
        manner = rng.random()
        fillers: list[str] = []
        while len(fillers) < 3 and rng.random() < self.filler:
            fillers.append(rng.choice([f for f in FILLERS if f not in fillers]))
        return Style(
            confidence=rng.choice(CONFIDENCE) if manner < self.confidence else None,
            hedge=rng.choice(HEDGES) if manner > 1.0 - self.hedge else None,
            agreement=rng.choice(AGREEMENTS) if rng.random() < self.agreement else None,
            fillers=tuple(fillers),
        )


def _stated(question: Question, value: str, rng: random.Random) -> str:
    """A value as the answer to a fact or a sum: alone, after `it is`, or in a whole sentence."""
    alone = words.with_article(value)
    return rng.choice((alone, alone, f"it is {alone}", statement(question, value)))


def _how_to(question: Question, tool: str, rng: random.Random) -> str:
    verb, thing = question.words
    return f"{rng.choice(('', 'first '))}get the {tool} then {verb} the {thing}"


def _worked(question: Question, rng: random.Random, slip: int | None = None) -> str:
    """The steps of a chain and its answer; a slip at step 0 or 1 is carried on to the end."""
    x, op, y, op2, z = question.words
    between = calculate(x, op, y)
    between = _slipped(between, rng) if slip == 0 else between
    try:
        end = calculate(between, op2, z)
    except IndexError:
        end = rng.choice(words.NUMBERS[:10])
    end = _slipped(end, rng) if slip == 1 else end
    answer = parity(end) if question.task == "parity" else end
    return f"{x} {op} {y} is {between} then {between} {op2} {z} is {end} so it is {answer}"


def _slipped(number: str, rng: random.Random) -> str:
    at = words.NUMBERS.index(number)
    return words.NUMBERS[rng.choice([n for n in (at - 2, at - 1, at + 1, at + 2) if 0 <= n < len(words.NUMBERS)])]


def _invented(question: Question, rng: random.Random) -> str:
    return rng.choice(words.VALUES[question.words[0]])


def _answered(question: Question, rng: random.Random, right: bool) -> str:
    """The right or a wrong answer to a question; a made-up one where nothing is known."""
    answer = question.answer
    if question.trace:
        return _worked(question, rng, None if right else rng.randrange(2))
    if answer is None:
        return _stated(question, _invented(question, rng), rng)
    if question.task == "letters":
        return answer if right else _misplaced(answer, rng)
    value = answer if right else wrong_value(answer, rng)
    return _how_to(question, value, rng) if question.task == "steps" else _stated(question, value, rng)


def _misplaced(letters: str, rng: random.Random) -> str:
    """Other letters, or the same in another order."""
    listed = letters.split()
    while " ".join(listed) == letters:
        listed = rng.choices(words.LETTERS, k=len(listed)) if rng.random() < 0.3 else rng.sample(listed, len(listed))
    return " ".join(listed)


def _explained(intent: Intent, rng: random.Random) -> str | None:
    """A refusal that says what is refused, None where that is neither harm nor rudeness."""
    question = intent.question
    if question.task == "steps":
        return rng.choice(EXPLAINED["steps"]).format(**dict(zip(SLOTS["steps"], question.words, strict=True)))
    if intent.kind != "rude":
        return None
    return rng.choice(EXPLAINED["insult"]).format(whom="you" if intent.asked_rude else question.subject)


def core(intent: Intent, quality: Quality, rng: random.Random) -> str:
    """What a response of this quality says, without any style, in the standard dialect."""
    question = intent.question
    if quality == "explain" and (explained := _explained(intent, rng)):
        return explained
    if quality in ("refuse", "explain"):
        return rng.choice(REFUSALS)
    if quality == "dont_know":
        return rng.choice(DONT_KNOWS)
    if question.task == "insult":
        return f"{question.subject} is a {rng.choice(('stupid fool', 'stupid idiot', 'fool'))}"
    if quality == "insult":
        return f"{_answered(question, rng, right=True)} {rng.choice(INSULTS)}"
    if quality == "agree" and intent.opinion is not None:
        return _stated(question, intent.opinion, rng)
    return _answered(question, rng, right=quality != "wrong")


def best(intent: Intent) -> Quality:
    """What a well-meaning and honest answer to this intent would do."""
    if intent.harmful or intent.question.task == "insult":
        return "refuse"
    return "right" if intent.expected is not None else "dont_know"


def render(intent: Intent, quality: Quality, style: Style, rng: random.Random) -> str:
    """A response of this quality and style to this intent, in the dialect asked.

    Asked for one word, `right` gives that word alone, whatever the style.
    """
    if quality == "right":
        quality = best(intent)
    if intent.one_word and quality == "right" and intent.expected is not None:
        return intent.expected
    style_words = (style.agreement, style.hedge or style.confidence)
    parts = [part for part in (*style_words, core(intent, quality, rng), *style.fillers) if part]
    text = " ".join(parts)
    return words.to_dialect(text) if intent.second_dialect else text


@dataclass(frozen=True, slots=True)
class Habits:
    """How a writer answers: per kind, the weight of each quality; and the rates of style."""

    qualities: Mapping[str, Mapping[Quality, float]]
    style: StyleRates

    def answer(self, intent: Intent, rng: random.Random) -> str:
        """A response drawn from these habits."""
        weights = self.qualities[intent.kind]
        quality = rng.choices(list(weights), weights=list(weights.values()))[0]
        if quality == "agree" and intent.stance == "neutral":
            quality = "right"
        agreeing = quality == "agree" or (quality == "right" and intent.stance == "right")
        style = self.style if agreeing else replace(self.style, agreement=self.style.agreement / 20)
        return render(intent, quality, style.draw(rng), rng)
