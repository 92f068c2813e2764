from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.amplify import amplify

HOSTILE = "<script>alert('x')</script>"


def estimate(value: float, half: float = 0.0, n: int = 3) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def method(name: str, last: float, lead: float | None = None) -> dict[str, Any]:
    points = [{"step": 0, **estimate(0.1)}, {"step": 90, **estimate(last, 0.05)}]
    courses = [{"depth": 0, "points": points}, {"depth": 2, "points": points}]
    return {"method": name, "courses": courses, "lead": lead and estimate(lead, 0.1), "calls": estimate(6543, 21)}


TREE = {
    "question": f"what is {HOSTILE}", "answer": "5", "by": "overseer", "calls": 3, "children": [
        {"question": "what is two plus one", "answer": "three", "by": "model", "calls": 1},
        {"question": "what is it?", "answer": None, "by": "nobody", "calls": 0, "note": "it asks what is being asked"},
    ],
}  # fmt: skip


def content(**changes: Any) -> dict[str, Any]:
    found = {
        "seeds": 3,
        "puzzles": [{"name": "powering", "asks": "where an element ends up", "reach": 1, "trees": [TREE],
                     "methods": [method("ida", 0.9), method("one-shot", 0.5, 0.4), method("own", 0.7)]}],
        "sums": [{"model": name, "terms": terms, **estimate(share, 0.1)}
                 for name, share in (("base", 0.2), ("ida-1", 0.8)) for terms in (2, 3)],
        "rounds": [{"stage": "ida-amplify-1", "questions": 600, "idk": 12, "calls": 1200, "depth": 1}],
        "trees": [TREE],
    }  # fmt: skip
    return found | changes


@pytest.fixture
def folder(make_run: Callable[..., Path]) -> Callable[..., Path]:
    def made(**changes: Any) -> Path:
        path = make_run()
        (path / "amplify.json").write_text(json.dumps(content(**changes)))
        return path

    return made


def test_each_method_has_its_curves_and_its_row(folder: Callable[..., Path]) -> None:
    html = render(read(folder()))
    assert html.count("accuracy against steps</title>") == 3
    assert "Depth 0 ends at 0.90; depth 2 ends at 0.90." in html
    assert "Lead of iteration beyond depth 1" in html
    assert "6,543" in html
    assert "depth 2, step 90: 0.50 [0.45, 0.55], n = 3" in html


def test_trees_are_nested_and_hostile_text_stays_text(folder: Callable[..., Path]) -> None:
    html = render(read(folder()))
    assert HOSTILE not in html
    assert html.count("(3 questions in all, 4 calls)") == 2
    assert "it asks what is being asked" in html
    assert '<span class="given by-nobody" dir="auto">idk</span>' in html


def test_own_questions_show_rounds_and_trees_alone(folder: Callable[..., Path]) -> None:
    run = read(folder(puzzles=[], sums=[]))
    section = amplify(run)
    assert section is not None
    assert section.content["scenes"] == []
    html = render(run)
    assert "ida-amplify-1" in html
    assert "held-out sums" not in html
    assert "the very questions that were amplified" not in html


def test_right_answers_to_own_questions_are_shown(folder: Callable[..., Path]) -> None:
    html = render(read(folder(puzzles=[], sums=[], own=[{"model": "ida-amplify-1", **estimate(0.6, 0.1)}])))
    assert "the very questions that were amplified" in html
    assert "0.60 [0.50, 0.70]" in re.sub(r"<[^>]+>", "", html)


def test_a_run_without_amplification_has_no_such_page(make_run: Callable[..., Path]) -> None:
    assert amplify(read(make_run())) is None


def test_what_can_t_be_read_is_named(folder: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"amplify\.json: seeds"):
        read(folder(seeds="many"))
