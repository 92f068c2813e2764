"""Rows of published step labels as records: PRM800K and ProcessBench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..records import SHORTENED, Steps, user
from .conversation import Unusable, text

ANSWERLESS = ("give_up", "bad_problem")
"""Finish reasons of PRM800K's chains that come to no answer."""
RATINGS = {-1: 0.0, 0: 1.0, 1: 1.0}
"""A neutral step counts as right. Source: Lightman et al. 2023, arXiv:2305.20050, app. F."""


def prm800k(row: dict[str, Any]) -> Steps:
    """question/label: the solution that was chosen, step by step; it ends with its first wrong step, or the answer.

    Where no completion was chosen and no person wrote one, the first completion is taken, and the chain ends there.
    Alternatives that were not chosen are left aside. A chain is kept up to a step without a rating; why it ends there
    is then in `meta`, as `shortened`. Source: Lightman et al. 2023, arXiv:2305.20050.
    """
    question, label = _mapping(row, "question"), _mapping(row, "label")
    problem = text(question.get("problem"), "problem")
    if not problem.strip():
        raise Unusable("an empty prompt")
    steps: list[str] = []
    ratings: list[int] = []
    shortened = None
    for number, step in enumerate(_list(label, "steps"), 1):
        try:
            said, rating, chosen = _completion(step, number)
        except Unusable as reason:
            if not steps:
                raise
            shortened = str(reason)
            break
        steps.append(said)
        ratings.append(rating)
        if not chosen or rating == -1:
            break
    if not steps:
        raise Unusable("an empty chain of steps")
    meta = {"answer": question.get("ground_truth_answer"), "finish_reason": label.get("finish_reason"),
            "ratings": ratings, SHORTENED: shortened}  # fmt: skip
    known = {name: value for name, value in meta.items() if value is not None}
    return Steps(user(problem), tuple(steps), tuple(RATINGS[rating] for rating in ratings), known)


def _completion(step: Any, number: int) -> tuple[str, int, bool]:
    """A step's text, its rating, and whether the chain went on from it."""
    if not isinstance(step, Mapping):
        raise InputError(f"step {number} is {step!r:.40}, not an object with completions; write it as one")
    human, chosen = step.get("human_completion"), step.get("chosen_completion")
    if chosen is None and human:
        return _step(human["text"] if isinstance(human, Mapping) else human, "human_completion"), 1, True
    completions = _list(step, "completions")
    if not completions:
        raise Unusable("a step without a completion")
    if chosen is not None and not 0 <= chosen < len(completions):
        raise InputError(f"step {number} chose completion {chosen} of {len(completions)}; correct chosen_completion")
    one = completions[chosen or 0]
    rating = one.get("rating")
    if rating is None:
        raise Unusable("a step without a rating")
    if rating not in RATINGS:
        raise InputError(f"step {number} is rated {rating!r}; a rating is -1, 0 or 1")
    return _step(one.get("text"), "text"), int(rating), chosen is not None


def process_bench(row: dict[str, Any]) -> Steps:
    """problem/steps/label: `label` is the earliest wrong step, counted from 0, -1 for none; from it on steps are 0.

    Source: Zheng et al. 2024, arXiv:2412.06559.
    """
    problem, steps, label = text(row.pop("problem"), "problem"), _list(row, "steps"), row.pop("label")
    row.pop("steps")
    if not problem.strip():
        raise Unusable("an empty prompt")
    if not steps:
        raise Unusable("an empty chain of steps")
    if isinstance(label, bool) or not isinstance(label, int) or not -1 <= label < len(steps):
        raise InputError(f"label {label!r} names none of {len(steps)} steps; write the earliest wrong one or -1")
    right = len(steps) if label == -1 else label
    labels = (1.0,) * right + (0.0,) * (len(steps) - right)
    return Steps(user(problem), tuple(_step(step, "steps") for step in steps), labels, row)


def _step(value: Any, column: str) -> str:
    said = text(value, column)
    if not said.strip():
        raise Unusable("an empty step")
    return said


def _mapping(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row[name]
    if not isinstance(value, Mapping):
        raise InputError(f"{name!r} is {value!r:.40}, not an object as in PRM800K; write it as one")
    return value


def _list(row: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = row.get(name)
    if not isinstance(value, list | tuple):
        raise InputError(f"{name!r} is {value!r:.40}; write it as a list, one value a step")
    return value
