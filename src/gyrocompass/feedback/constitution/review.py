"""What a constitution can be used for, and what about it is likely a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

from .principles import PARTS, Constitution, Part, Principle

SAME_FRACTION = 0.85
"""Share of two principles' words, in order, from which on they are nearly the same."""
RARE_FRACTION = 0.1
"""Of the mean weight: a principle below it is nearly never drawn."""


class Tagged(NamedTuple):
    """How many principles bear a tag, and their share of the weight of all."""

    principles: int
    weight_fraction: float


def by_tag(constitution: Constitution) -> dict[str, Tagged]:
    """Each tag's principles; a principle with several tags counts for each, one without any under `untagged`."""
    whole = sum(principle.weight for principle in constitution.principles)
    weights: dict[str, list[float]] = {}
    for principle in constitution.principles:
        for tag in principle.tags or ("untagged",):
            weights.setdefault(tag, []).append(principle.weight)
    return {tag: Tagged(len(borne), sum(borne) / whole) for tag, borne in weights.items()}


def lacks(constitution: Constitution) -> list[str]:
    """For each use, what keeps principles from it; nothing where all of them serve."""
    notes, n = [], len(constitution.principles)
    uses: dict[str, tuple[Part, ...]] = {
        "criticise and revise": ("critique", "revision"),
        "judge pairs": (constitution.judged_by,),
    }
    for use, parts in uses.items():
        able = sum(all(getattr(principle, part) for part in parts) for principle in constitution.principles)
        if not able:
            notes.append(f"it can't {use}: no principle has a {' and a '.join(parts)}")
        elif able < n:
            notes.append(f"only {able} of {n} principles are drawn to {use}; the others lack a {' or a '.join(parts)}")
    return notes


def warnings(constitution: Constitution) -> list[str]:
    """Principles that are nearly the same, and such as are nearly never drawn."""
    return [*_alike(constitution), *_rare(constitution)]


def _alike(constitution: Constitution) -> Iterator[str]:
    words = {principle.id: _words(principle) for principle in constitution.principles}
    for first, second in combinations(words, 2):
        same = SequenceMatcher(None, words[first], words[second], autojunk=False).ratio()
        if same >= SAME_FRACTION:
            yield f"{first!r} and {second!r} are nearly the same, {same:.0%} of their words; drop one, or part them"


def _rare(constitution: Constitution) -> Iterator[str]:
    weights = [principle.weight for principle in constitution.principles]
    least = RARE_FRACTION * sum(weights) / len(weights)
    rare = [repr(principle.id) for principle in constitution.principles if principle.weight < least]
    if rare:
        yield f"{', '.join(rare)}: nearly never drawn at a weight below a tenth of the mean; raise it, or drop them"


def _words(principle: Principle) -> list[str]:
    return re.findall(r"\w+", " ".join(getattr(principle, part) for part in PARTS).lower())
