"""From what was said to a turn: private thoughts set apart, the rest cut to its limit, its quotes checked."""

from __future__ import annotations

import re

from .quotes import check, cut, marked
from .records import Turn
from .wording import THINK_CLOSE, THINK_OPEN, View, Wording

THOUGHT = re.compile(rf"{THINK_OPEN}(.*?)(?:{THINK_CLOSE}|\Z)", re.DOTALL)


def taken(view: View, said: str, wording: Wording) -> Turn:
    """The turn that a speaker makes by saying this. Nobody can mark a quote as verified by writing the mark."""
    speaker = view.speaker
    assert speaker is not None
    thought, public = _apart(said) if view.protocol.private else ("", said)
    for mark in wording.marks:
        public = public.replace(mark, " ")
    text, was_cut = cut(public, view.protocol.words)
    checked = check(text, view.transcript.question.passage, wording.quote, trusted=view.protocol.quotes == "trusted")
    quotes = checked.quotes
    marks = {
        "empty": not text,
        "cut": was_cut,
        "no quote": bool(text) and not quotes and speaker != "judge",
        "unverified quote": any(not quote.verified for quote in quotes),
    }
    shown = marked(checked, wording.verified, wording.unverified)
    return Turn(
        speaker, view.side, text, shown, len(public.split()), quotes, thought,
        tuple(mark for mark, holds in marks.items() if holds),
    )  # fmt: skip


def _apart(said: str) -> tuple[str, str]:
    """Private thoughts, and the rest; a thought without an end reaches to the end."""
    thoughts = [found.strip() for found in THOUGHT.findall(said)]
    return "\n".join(thoughts), THOUGHT.sub(" ", said)
