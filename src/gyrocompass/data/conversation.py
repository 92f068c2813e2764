"""From the values people store (text, role/content lists, transcripts) to prompts and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby, takewhile
from typing import Any

from ..errors import InputError
from ..records import Message, Prompt, Role, user

TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
SPEAKERS: dict[str, Role] = {"Human": "user", "Assistant": "assistant"}

NO_PROMPT = "chosen and rejected share no beginning that could be their prompt; add a 'prompt' column"


class Unusable(Exception):
    """A row that is dropped and counted; the message is the reason, as in 'a row with ...'."""


def text(value: Any, column: str) -> str:
    """The value as text; None is empty text. Raises InputError if it is neither, Unusable if it can't be
    written as Unicode (half of a surrogate pair, left where text was cut)."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{column!r} is {value!r:.40}, not text; put it in quotes")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unusable("text that is not valid Unicode") from error
    return value


def nonempty(response: str) -> str:
    """The response itself. Raises Unusable if it is blank."""
    if not response.strip():
        raise Unusable("an empty response")
    return response


def messages(value: Any, column: str) -> Prompt:
    """The messages of a list of role/content objects, unchanged. Raises InputError if it is none."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{column!r} is {value!r:.40}, not a list of role/content turns; rewrite it as one")
    for turn in value:
        if not isinstance(turn, Mapping) or not {"role", "content"} <= turn.keys():
            raise InputError(f"a turn of {column!r} lacks 'role' or 'content'; rename its keys to these")
    return tuple(Message(turn["role"], text(turn["content"], column)) for turn in value)


def prompt(value: Any) -> Prompt:
    """A prompt from text (one user turn), a transcript, or a list of role/content turns."""
    if not isinstance(value, str | None):
        turns = messages(value, "prompt")
    elif is_transcript(words := text(value, "prompt")):
        turns = transcript(words)
        turns = turns[:-1] if turns[-1] == Message("assistant", "") else turns
    else:
        turns = user(words) if words.strip() else ()
    if not turns:
        raise Unusable("an empty prompt")
    return turns


def response(value: Any, before: Prompt, column: str) -> str:
    """The response that a column holds: text, or one assistant turn, alone or after the turns `before`."""
    if isinstance(value, str | None):
        return nonempty(text(value, column))
    turns = messages(value, column)
    if len(turns) > 1 and turns[: len(before)] == before:
        turns = turns[len(before) :]
    if len(turns) > 1:
        raise Unusable("a response that does not continue its prompt")
    return last_turn(turns)[1]


def last_turn(turns: Prompt) -> tuple[Prompt, str]:
    """The turns before the last, and the last as the response. Raises Unusable if it is no assistant's."""
    if not turns or turns[-1].role != "assistant":
        raise Unusable("no response")
    return turns[:-1], nonempty(turns[-1].content)


def is_transcript(value: str) -> bool:
    """Whether text is in hh-rlhf's form (arXiv:2204.05862): turns that open with `\\n\\nHuman:` or
    `\\n\\nAssistant:`, the first of them a Human's."""
    if value.startswith("\n\nHuman:"):
        return True
    return value.lstrip().startswith("Human:") and "\n\nAssistant:" in value


def transcript(value: str) -> Prompt:
    """The turns of a transcript, stripped of outer whitespace. What one speaker says in consecutive turns is
    one message, as chat templates want roles to alternate."""
    pieces = TURN.split(value.strip())[1:]
    turns = [(SPEAKERS[name], said.strip()) for name, said in zip(pieces[::2], pieces[1::2], strict=True)]
    return tuple(
        Message(role, "\n\n".join(said for _, said in group if said))
        for role, group in groupby(turns, key=lambda turn: turn[0])
    )


def split_pair(chosen: Any, rejected: Any) -> tuple[Prompt, str, str]:
    """The prompt that two whole conversations share, and the response of each.

    Of turns (lists, transcripts) all but the last are the prompt; of other text, the longest common
    beginning that ends at whitespace. Raises InputError if that is empty, Unusable if the prompts differ.
    """
    if chosen == rejected:
        raise Unusable("chosen equal to rejected")
    if isinstance(chosen, str | None) and isinstance(rejected, str | None):
        first, second = text(chosen, "chosen"), text(rejected, "rejected")
        if not (is_transcript(first) and is_transcript(second)):
            return _split_text(nonempty(first), nonempty(second))
        turns = transcript(first), transcript(second)
    else:
        turns = messages(chosen, "chosen"), messages(rejected, "rejected")
    (prompt, chosen), (other, rejected) = last_turn(turns[0]), last_turn(turns[1])
    if prompt != other:
        raise Unusable("different prompts for chosen and rejected")
    if not prompt:
        raise InputError(NO_PROMPT)
    return prompt, chosen, rejected


def _split_text(first: str, second: str) -> tuple[Prompt, str, str]:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
    end = next((at for at in range(same, 0, -1) if first[at - 1].isspace()), 0)
    shared = first[:end].strip()
    if not shared:
        raise InputError(NO_PROMPT)
    return user(shared), nonempty(first[end:]), nonempty(second[end:])
