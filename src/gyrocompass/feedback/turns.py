"""Where a reply ends: models that continue transcripts go on past their own turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Step = Literal["response", "critique", "revision"]
TURN = r"human|user|critique ?request|revision ?request"
NEXT_TURN: Mapping[Step, re.Pattern[str]] = {
    step: re.compile(rf"(?:\A|\n\s*\n)[\s*#_]*(?:{labels})\b[\s*_]*:", re.IGNORECASE)
    for step, labels in {
        "response": TURN,
        "critique": rf"{TURN}|revision|revised (?:response|answer)",
        "revision": rf"{TURN}|critique",
    }.items()
}
"""How a reply begins a turn that isn't its own: a label at the start of a paragraph."""
OWN_LABEL: Mapping[Step, re.Pattern[str]] = {
    step: re.compile(rf"\A[\s*#_]*(?:{labels})\b[\s*_]*:[\s*_]*", re.IGNORECASE)
    for step, labels in {"critique": "critique", "revision": "revision|revised (?:response|answer)"}.items()
}
"""How a reply may begin its own turn."""


class Said(NamedTuple):
    """What a reply says in its turn, and what went wrong in it."""

    text: str
    marks: tuple[str, ...]


def read_reply(step: Step, text: str, ended: bool = True) -> Said:
    """The reply up to where it begins another turn, without a label of its own; and its marks.

    `empty STEP`: nothing is left; `STEP ran on`: it begins another turn, or didn't end before the token limit.
    """
    own = OWN_LABEL[step].sub("", text) if step in OWN_LABEL else text
    said, *rest = NEXT_TURN[step].split(own, maxsplit=1)
    marks = {f"empty {step}": not said.strip(), f"{step} ran on": bool(rest) or not ended}
    return Said(said.strip(), tuple(mark for mark, holds in marks.items() if holds))
