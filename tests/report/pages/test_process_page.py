from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.process import process

HOSTILE = "<script>alert('x')</script>"


def estimate(value: float, half: float = 0.02, n: int = 3) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def errors(answer: float, trace: float) -> dict[str, Any]:
    return {"answer_error": estimate(answer), "trace_error": estimate(trace)}


def content(**changes: Any) -> dict[str, Any]:
    points = [{"n": n, **errors(0.2 / n, 0.1)} for n in (1, 2, 4)]
    chain = {"prompt": "one plus one", "right": True, "traced": False, "count": 3, "steps": ["two", HOSTILE],
             "scores": {"checker": [1.0, 0.0], "orm": [0.7], "prm": [0.9, 0.1]}}  # fmt: skip
    policies = [{"model": name, "seeds": [errors(0.1, 0.1)] * 3, **errors(0.1, 0.1)} for name in ("sft", "process-rl")]
    return {
        "seeds": 3, "slips": 0.05, "habits": 0.2, "rewards": "checker", "aggregate": "min", "policies": policies,
        "differences": [{"model": "process-rl", "over": "outcome-rl", **errors(0.0, -0.1)}],
        "best_of": {"sizes": [1, 2, 4], "curves": [{"scorer": "prm", "points": points}]},
        "located": [{"scorer": "prm", "error_f1": estimate(0.7)}], "shown": [chain],
    } | changes  # fmt: skip


@pytest.fixture
def folder(make_run: Callable[..., Path]) -> Path:
    made = make_run()
    (made / "process.json").write_text(json.dumps(content()), encoding="utf-8")
    return made


def test_the_page_tells_errors_and_shows_chains(folder: Path) -> None:
    html = render(read(folder))
    assert "process RL minus outcome RL" in html
    assert "Right answer, wrong steps" in html
    assert "Answer error of the best of n" in html
    assert HOSTILE not in html


def test_each_step_has_its_numbers(folder: Path) -> None:
    section = process(read(folder))
    assert section is not None
    shown = section.content["shown"]
    assert isinstance(shown, list)
    assert [(line.right, line.scores) for line in shown[0].lines] == [(True, ("0.90",)), (False, ("0.10",))]
    assert shown[0].outcome == "0.70"


def test_a_run_without_the_study_has_no_page(make_run: Callable[..., Path]) -> None:
    assert process(read(make_run())) is None


def test_an_interval_that_doesn_t_hold_its_number_is_refused(folder: Path) -> None:
    broken = content(located=[{"scorer": "prm", "error_f1": {"value": 2, "low": 0, "high": 1, "n": 3}}])
    (folder / "process.json").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(InputError, match=r"process\.json"):
        read(folder)


def test_what_was_not_measured_leaves_a_gap(folder: Path) -> None:
    lacking = {"answer_error": estimate(1.0), "trace_error": None}
    points = [{"n": n, **(lacking if n < 2 else errors(0.5, 0.1))} for n in (1, 2, 4)]
    changes = {
        "policies": [{"model": "sft", "seeds": [], **lacking}],
        "differences": [{"model": "mona", "over": "outcome-rl", **lacking}],
        "best_of": {"sizes": [1, 2, 4], "curves": [{"scorer": "prm", "points": points}]},
    }
    (folder / "process.json").write_text(json.dumps(content(**changes)), encoding="utf-8")
    html = render(read(folder))
    assert "not measured" in html
    assert "prm, n = 2: 0.100" in html
    assert "prm, n = 1: 0" not in html.split("Trace error among right answers of the best of n")[1]
