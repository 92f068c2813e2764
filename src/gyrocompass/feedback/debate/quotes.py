"""Quotes, held against the passage: verified if they stand in it word for word, white space aside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

OPEN, CLOSE = "<quote>", "</quote>"
TAGGED = r"<quote>(.*?)</quote>"
"""How a quote is found in a turn: its text is the pattern's first group."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What was said to stand in the passage, and whether it does."""

    text: str
    verified: bool


class Checked(NamedTuple):
    """A turn's quotes in their order, and the turn in pieces: plain text between the quotes, one more than these."""

    quotes: tuple[Quote, ...]
    between: tuple[str, ...]


def check(text: str, passage: str, pattern: str = TAGGED, *, trusted: bool = False) -> Checked:
    """The quotes of a turn. A blank quote is never verified; `trusted` ones always are, unless blank."""
    quotes, between, end = [], [], 0
    for found in re.finditer(pattern, text, flags=re.DOTALL):
        quoted = " ".join(found[1].split())
        quotes.append(Quote(quoted, bool(quoted) and (trusted or stands(quoted, passage))))
        between.append(text[end : found.start()])
        end = found.end()
    return Checked(tuple(quotes), (*between, text[end:]))


def marked(checked: Checked, verified: str, unverified: str) -> str:
    """The turn with each quote as it is shown: `verified` and `unverified` hold `{quote}`."""
    forms = [(verified if quote.verified else unverified).replace("{quote}", quote.text) for quote in checked.quotes]
    pieces = [checked.between[0]]
    for form, after in zip(forms, checked.between[1:], strict=True):
        pieces += [form, after]
    return "".join(pieces)


def pieces(text: str, quotes: Sequence[Quote]) -> list[tuple[str, bool | None]]:
    """A turn to be read: its text in pieces, each with None or, for a quote, whether it is verified. No tags."""
    found: list[tuple[str, bool | None]] = []
    left = " ".join(text.split())
    for quote in quotes:
        if not quote.text:
            continue
        before, said, after = left.partition(quote.text)
        found += [(before, None), (quote.text, quote.verified)]
        left = after if said else left
    told = [(piece.replace(OPEN, "").replace(CLOSE, ""), mark) for piece, mark in [*found, (left, None)]]
    return [(piece, mark) for piece, mark in told if piece.strip()]


def cut(text: str, words: int) -> tuple[str, bool]:
    """The first `words` words with what stands between them, and whether anything was cut."""
    starts = [found.end() for found in re.finditer(r"\S+", text)]
    if len(starts) <= words:
        return text.strip(), False
    return text[: starts[words - 1]].strip(), True


def stands(quoted: str, passage: str) -> bool:
    """Whether it stands in the passage as whole words, white space aside: `one` doesn't stand in `someone`."""
    text = " ".join(passage.split())
    start = text.find(quoted)
    while quoted and start >= 0:
        around = text[max(start - 1, 0) : start] + text[start + len(quoted) : start + len(quoted) + 1]
        if not any(map(_of_a_word, around)):
            return True
        start = text.find(quoted, start + 1)
    return False


def _of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"
