"""Where a reply ends: models that continue transcripts go on past their own turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

Step = Literal["response", "critique", "revision"]
LABEL = r"[ \t*#_]*(?:{})\b[ \t*_]*:"
"""One of the labels, with whatever emphasis."""
REVISED = "revision|revised (?:response|answer)"
ANY_TURN = "human|user|critique ?request|revision ?request"
OTHER_TURNS: Mapping[Step, str] = {
    "response": ANY_TURN,
    "critique": f"{ANY_TURN}|{REVISED}",
    "revision": f"{ANY_TURN}|critique",
}
"""The labels of turns that aren't of this step; one at the start of a paragraph begins such a turn."""
OWN_TURN: Mapping[Step, str] = {"response": "(?!)", "critique": "critique", "revision": REVISED}
"""The labels that a reply may begin its own turn with."""


class Said(NamedTuple):
    """What a reply says in its turn, and what went wrong in it."""

    text: str
    marks: tuple[str, ...]


def read_reply(step: Step, text: str, ended: bool = True) -> Said:
    """The reply up to where it begins another turn, without a label of its own; and its marks.

    `empty STEP`: nothing is left; `STEP ran on`: it begins another turn, or didn't end before the token limit.
    """
    own, others = (LABEL.format(labels[step]) for labels in (OWN_TURN, OTHER_TURNS))
    text = re.sub(rf"\A{own}[\s*_]*", "", text.strip(), flags=re.IGNORECASE)
    said, *rest = re.split(rf"(?:\A|\n[ \t]*\n){others}", text, maxsplit=1, flags=re.IGNORECASE)
    marks = {f"empty {step}": not said.strip(), f"{step} ran on": bool(rest) or not ended}
    return Said(said.strip(), tuple(mark for mark, holds in marks.items() if holds))
