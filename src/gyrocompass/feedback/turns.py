"""Where a reply ends: models that continue transcripts go on past their own turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

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
OWN_LABEL = re.compile(r"\A[\s*#_]*(?:critique|revision|revised (?:response|answer))\b[\s*_]*:[\s*_]*", re.IGNORECASE)


def read_reply(step: Step, text: str, ended: bool = True) -> tuple[str, tuple[str, ...]]:
    """The reply up to where it begins another turn, without a label of its own; and its marks.

    `empty STEP`: nothing is left; `STEP ran on`: it begins another turn, or didn't end before the token limit.
    """
    own = text if step == "response" else OWN_LABEL.sub("", text)
    said, *rest = NEXT_TURN[step].split(own, maxsplit=1)
    marks = {f"empty {step}": not said.strip(), f"{step} ran on": bool(rest) or not ended}
    return said.strip(), tuple(mark for mark, holds in marks.items() if holds)
