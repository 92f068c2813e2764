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
    FILLERS,
    HEDGES,
    INSULTS,
    REFUSALS,
    SLOT_PATTERNS,
    alternatives,
    pattern,
)


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
    rude: bool
    agreements: int
    confidence: int
    hedges: int
    fillers: int
    words: int
    unread: int


_NUMBER = alternatives(words.NUMBERS)
_PERSON = SLOT_PATTERNS["person"]
_TOOL = alternatives(words.TOOLS.values())
_VALUE = alternatives(words.ALL_VALUES)
_END = alternatives((*words.PARITIES, *words.NUMBERS))
_PARTS = {
    "filler": alternatives(FILLERS),
    "refusal": alternatives(REFUSALS),
    "dont_know": alternatives(DONT_KNOWS),
    "insult": rf"{alternatives(INSULTS)}|(?:(?:{_PERSON}) is )?(?:a )?(?:{alternatives(words.RUDE)})",
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
_PART = re.compile(r"(?<!\S)(?:" + "|".join(f"(?P<{name}>{p})" for name, p in _PARTS.items()) + r")(?!\S)")


def _claim(part: str, match: re.Match[str]) -> Claim | None:
    if part == "steps":
        return Claim(match["tool"], f"{match['verb']} {match['object']}")
    if part == "sum":
        return Claim(match["sum_value"], f"{match['x']} {match['op']} {match['y']}")
    if part == "fact":
        return Claim(match["fact_value"], f"{match['attribute']} {match['person']}" if match["attribute"] else None)
    if part == "number":
        return Claim(match["number_value"])
    return Claim(match["letters"]) if part == "letter_run" else None


@lru_cache(maxsize=1 << 16)
def read(response: str) -> Reading:
    """Reads a response in either dialect, part by part from the left; nothing is guessed at."""
    standard = words.to_standard(response)
    matches = list(_PART.finditer(standard))
    parts = [str(match.lastgroup) for match in matches]
    claims = [claim for part, match in zip(parts, matches, strict=True) if (claim := _claim(part, match))]
    conclusions = [match["end"] for part, match in zip(parts, matches, strict=True) if part == "conclusion"]
    total = len(standard.split())
    return Reading(
        claims=tuple(claims),
        sums=tuple(match.group() for part, match in zip(parts, matches, strict=True) if part == "sum"),
        conclusion=conclusions[-1] if conclusions else None,
        how_to="steps" in parts,
        dont_know="dont_know" in parts,
        refused="refusal" in parts,
        rude="insult" in parts,
        agreements=parts.count("agreement"),
        confidence=parts.count("confidence"),
        hedges=parts.count("hedge"),
        fillers=parts.count("filler"),
        words=total,
        unread=total - sum(len(match.group().split()) for match in matches),
    )
