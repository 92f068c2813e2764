"""From a row's columns to a record: one small function per shape, and the table that recognises them.

A shape's function takes from the row the columns it knows; what is left becomes the record's `meta`.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..errors import InputError
from ..records import Example, Preference, Prompt, Record, Steps
from . import conversation
from .conversation import Unusable, last_turn, split_pair
from .step_shapes import prm800k, process_bench

Row = dict[str, Any]


def pair(row: Row) -> Preference:
    """prompt/chosen/rejected: a prompt and two responses, or two conversations that begin with it."""
    row.pop("messages", None)
    prompt = conversation.prompt(row.pop("prompt"))
    chosen = conversation.response(row.pop("chosen"), prompt, "chosen")
    rejected = conversation.response(row.pop("rejected"), prompt, "rejected")
    return _preference(row, prompt, chosen, rejected)


def pair_without_prompt(row: Row) -> Preference:
    """chosen/rejected: two whole conversations; the prompt is what they share."""
    row.pop("messages", None)
    return _preference(row, *split_pair(row.pop("chosen"), row.pop("rejected")))


def own_pair(row: Row) -> Preference:
    """prompt/first/second: a Preference as `records.to_row` writes it."""
    prompt = conversation.prompt(row.pop("prompt"))
    first = conversation.response(row.pop("first"), prompt, "first")
    return _preference(row, prompt, first, conversation.response(row.pop("second"), prompt, "second"))


def completion(row: Row) -> Example:
    """prompt/completion: a prompt and the response to learn."""
    prompt = conversation.prompt(row.pop("prompt"))
    response = conversation.response(row.pop("completion"), prompt, "completion")
    return Example(prompt, response, meta=_meta(row))


def labelled_completion(row: Row) -> Example:
    """prompt/completion/label: unpaired; the label is true for a desirable response."""
    label = row.pop("label")
    example = completion(row)
    if label is None:
        return example
    truth = {"true": True, "1": True, "false": False, "0": False}.get(str(label).lower())
    if truth is None:
        raise InputError(f"label {label!r:.60} is neither true nor false; rename the column if it means another thing")
    return Example(example.prompt, example.response, truth, example.meta)


def chat(row: Row) -> Example:
    """messages: the last turn is the response if it is the assistant's; otherwise all turns are a prompt."""
    row.pop("prompt", None)
    turns = conversation.messages(row.pop("messages"), "messages")
    prompt, response = last_turn(turns) if turns and turns[-1].role == "assistant" else (turns, None)
    if not prompt:
        raise Unusable("an empty prompt")
    return Example(prompt, response, meta=_meta(row))


def prompt_only(row: Row) -> Example:
    """prompt: with a response and a true/false label if there are any, as `records.to_row` writes it.

    The response may be empty here, since a policy's may be.
    """
    prompt = conversation.prompt(row.pop("prompt"))
    response = row.pop("response", None)
    label = row.pop("label", None) if isinstance(row.get("label"), bool | None) else None
    if isinstance(response, str):
        response = conversation.text(response, "response")
    elif response is not None:
        response = conversation.response(response, prompt, "response")
    return Example(prompt, response, label, _meta(row))


def chain(row: Row) -> Steps:
    """prompt/completions/labels: a chain of steps with a label for each."""
    return _steps(row, "completions")


def own_chain(row: Row) -> Steps:
    """prompt/steps/labels: Steps as `records.to_row` writes them."""
    return _steps(row, "steps")


Columns = tuple[str, ...]
SHAPES: dict[Columns, Callable[[Row], Record]] = {
    ("prompt", "chosen", "rejected"): pair,
    ("chosen", "rejected"): pair_without_prompt,
    ("prompt", "first", "second"): own_pair,
    ("prompt", "completions", "labels"): chain,
    ("prompt", "steps", "labels"): own_chain,
    ("problem", "steps", "label"): process_bench,
    ("question", "label"): prm800k,
    ("prompt", "completion", "label"): labelled_completion,
    ("prompt", "completion"): completion,
    ("messages",): chat,
    ("prompt",): prompt_only,
}
"""From the columns a shape must have to its function; the first whose columns are all there is taken."""


def recognise(row: Mapping[str, Any]) -> Columns:
    """The columns of the shape that the row has. Raises InputError if it has none."""
    for columns in SHAPES:
        if all(column in row for column in columns):
            return columns
    wanted = ("chosen", "rejected") if {"chosen", "rejected"} & row.keys() else ("prompt",)
    raise InputError(lacking(row, wanted))


def lacking(row: Collection[str], wanted: Columns) -> str:
    """Says which of the wanted columns the row lacks, and which of its own may have been meant."""
    missing = next((column for column in wanted if column not in row), wanted[0])
    spelt = {name.lower(): name for name in row if name not in wanted}
    near = difflib.get_close_matches(missing, spelt, 1, cutoff=0.5)
    remedy = f"rename {spelt[near[0]]!r} if it is meant" if near else "rename the one that holds it, or add it"
    found = " ".join(", ".join(row).split()) or "none"
    return f"no column {missing!r} among {found}; {remedy}"


def _preference(row: Row, prompt: Prompt, first: str, second: str) -> Preference:
    if first == second:
        raise Unusable("chosen equal to rejected")
    p_first = _number(row, "p_first") if "p_first" in row else 1.0
    if p_first is None:
        raise Unusable("no p_first")
    rater = next((row.pop(name) for name in ("rater", "annotator") if row.get(name) is not None), None)
    source = row.pop("source") if isinstance(row.get("source"), str) else None
    return Preference(
        prompt,
        first,
        second,
        p_first=p_first,
        strength=_strength(row),
        rater=None if rater is None else str(rater),
        source=source,
        meta=_meta(row),
    )


def _strength(row: Row) -> float | None:
    """A stated strength or margin, or else by how much the chosen response scored above the rejected."""
    strength = _number(row, "strength" if row.get("strength") is not None else "margin")
    if strength is None and {"score_chosen", "score_rejected"} <= row.keys():
        chosen, rejected = _number(row, "score_chosen"), _number(row, "score_rejected")
        strength = None if chosen is None or rejected is None else chosen - rejected
    if strength is not None and strength < 0:
        raise Unusable("a margin or score difference below 0")
    return strength


def _steps(row: Row, column: str) -> Steps:
    prompt = conversation.prompt(row.pop("prompt"))
    steps, labels = row.pop(column), row.pop("labels")
    for name, value in ((column, steps), ("labels", labels)):
        if not isinstance(value, list | tuple):
            raise InputError(f"{name!r} is {value!r:.40}; write it as a list, one value a step")
    if not steps:
        raise Unusable("an empty chain of steps")
    return Steps(
        prompt,
        tuple(conversation.text(step, column) for step in steps),
        tuple(_as_number(label, "labels") for label in labels),
        _meta(row),
    )


def _number(row: Row, column: str) -> float | None:
    """Takes a column that holds a number; None where it is absent, null or NaN."""
    value = row.pop(column, None)
    number = None if value is None else _as_number(value, column)
    return None if number is None or math.isnan(number) else number


def _as_number(value: Any, column: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{column!r} holds {value!r:.60}, not a number; write it as one") from error


def _meta(row: Row) -> dict[str, Any]:
    """What is left of the row, as JSON holds it; a `meta` column (an object, or its JSON) is spread out."""
    meta = row.pop("meta", None)
    rest = {column: _as_json(value) for column, value in row.items() if value is not None}
    if isinstance(meta, str) and meta.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            meta = json.loads(meta)
    if isinstance(meta, Mapping):
        return {**meta, **rest}
    return rest if meta is None else {**rest, "meta": _as_json(meta)}


def _as_json(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    return json.loads(json.dumps(value, default=str))
