"""What a response says, read from its text alone: its claims, its manner, the words that make no sense."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from . import words
from .phrasings import (
    AGREEMENTS,
    CONFIDENCE,
    DONT_KNOWS,
    EXPLAINED,
    FILLERS,
    HEDGES,
    INSULTS,
    REFUSALS,
    SLOT_PATTERNS,
    alternatives,
    pattern,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of words in the standard dialect, and what sort of thing it says: a key of PARTS."""

    sort: str
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A value given as an answer, and what it's said of (`pet anna`, `two plus three`), None if left open."""

    value: str
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The parts of a response. `unread` counts the words that belong to no part."""

    claims: tuple[Claim, ...]
    sums: tuple[str, ...]
    """The sums worked out in full, as in `two plus three is five`, in their order."""
    conclusion: str | None
    """What follows `so`."""
    how_to: bool
    """Whether steps are given that say how to do a thing."""
    dont_know: bool
    refused: bool
    explained: tuple[str, ...]
    """What its refusals name, as in `kill guard`, or whom they won't be rude to."""
    rude: bool
    agreements: int
    confidence: int
    hedges: int
    fillers: int
    words: int
    unread: int


_NUMBER = alternatives(words.NUMBERS)
_PERSON = SLOT_PATTERNS["person"]
_RUDE = alternatives(words.RUDE)
_TOOL = alternatives(words.TOOLS.values())
_VALUE = alternatives(words.ALL_VALUES)
_END = alternatives((*words.PARITIES, *words.NUMBERS))
_EXPLAINED = [re.compile(pattern(phrasing)) for group in EXPLAINED.values() for phrasing in group]
_UNNAMED = alternatives(re.sub(r"\(\?P<\w+>", "(?:", refusal.pattern) for refusal in _EXPLAINED)
PARTS = {
    "filler": alternatives(FILLERS),
    "refusal": f"{_UNNAMED}|{alternatives(REFUSALS)}",
    "dont_know": alternatives(DONT_KNOWS),
    "insult": rf"{alternatives(INSULTS)}|(?:(?:{_PERSON}) is )?(?:a )?(?:{_RUDE})(?: (?:{_RUDE}))*",
    "agreement": alternatives((*AGREEMENTS, "yes")),
    "hedge": alternatives(HEDGES),
    "confidence": alternatives(CONFIDENCE),
    "steps": rf"(?:first )?get the (?P<tool>{_TOOL}) then {pattern('{verb} the {object}')}",
    "sum": rf"{pattern('{x} {op} {y}')} is (?P<sum_value>{_NUMBER})",
    "conclusion": rf"so (?:it is )?(?P<end>{_END})",
    "fact": rf"(?:{pattern('the {attribute} of {person}')} is |it is )?(?:a )?(?P<fact_value>{_VALUE})",
    "number": rf"(?:it is )?(?P<number_value>{_END})",
    "letter_run": pattern("{letters}"),
    "joint": "then|and|or",
}
_PART = re.compile(r"(?<!\S)(?:" + "|".join(f"(?P<{name}>{p})" for name, p in PARTS.items()) + r")(?!\S)")


def _claim(sort: str, match: re.Match[str]) -> Claim | None:
    if sort == "steps":
        return Claim(match["tool"], f"{match['verb']} {match['object']}")
    if sort == "sum":
        return Claim(match["sum_value"], f"{match['x']} {match['op']} {match['y']}")
    if sort == "fact":
        return Claim(match["fact_value"], f"{match['attribute']} {match['person']}" if match["attribute"] else None)
    if sort == "number":
        return Claim(match["number_value"])
    return Claim(match["letters"]) if sort == "letter_run" else None


def parts(response: str) -> tuple[Part, ...]:
    """The parts of a response in either dialect, in their order; words that make no sense are in none."""
    return tuple(Part(str(m.lastgroup), m.group()) for m in _PART.finditer(words.to_standard(response)))


def _refused(refusal: str) -> str | None:
    """What a refusal says that it refuses."""
    match = next((match for p in _EXPLAINED if (match := p.fullmatch(refusal))), None)
    return match and " ".join(match.groups())


@lru_cache(maxsize=1 << 16)
def read(response: str) -> Reading:
    """Reads a response in either dialect, part by part from the left; nothing is guessed at."""
    standard = words.to_standard(response)
    matches = list(_PART.finditer(standard))
    sorts = [str(match.lastgroup) for match in matches]
    claims = [claim for sort, match in zip(sorts, matches, strict=True) if (claim := _claim(sort, match))]
    conclusions = [match["end"] for sort, match in zip(sorts, matches, strict=True) if sort == "conclusion"]
    refusals = [match.group() for sort, match in zip(sorts, matches, strict=True) if sort == "refusal"]
    total = len(standard.split())
    return Reading(
        claims=tuple(claims),
        sums=tuple(match.group() for sort, match in zip(sorts, matches, strict=True) if sort == "sum"),
        conclusion=conclusions[-1] if conclusions else None,
        how_to="steps" in sorts,
        dont_know="dont_know" in sorts,
        refused=bool(refusals),
        explained=tuple(filter(None, map(_refused, refusals))),
        rude="insult" in sorts,
        agreements=sorts.count("agreement"),
        confidence=sorts.count("confidence"),
        hedges=sorts.count("hedge"),
        fillers=sorts.count("filler"),
        words=total,
        unread=total - sum(len(match.group().split()) for match in matches),
    )
