from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.weak_to_strong import weak_to_strong

HOSTILE = "<script>alert('x')</script>"


def estimate(value: float, half: float = 0.03, n: int = 400) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def student(name: str, accuracy: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "control": False, "supervisor": estimate(0.7), "accuracy": estimate(accuracy),
        "gap": estimate(0.2), "gained": estimate(accuracy - 0.7), "pgr": estimate((accuracy - 0.7) / 0.2, 0.1),
        "agreement": estimate(0.8), "repeated": estimate(0.5), "repeated_by_ceiling": estimate(0.15), **more,
    }  # fmt: skip


def content(**changes: Any) -> dict[str, Any]:
    students = [
        student("naive", 0.78), student("confidence", 0.7, pgr=None), student("iid", 0.86, control=True, repeated=None)
    ]  # fmt: skip
    models = {"weak": 0.7, "naive": 0.78, "confidence": 0.7, "iid": 0.86, "ceiling": 0.9}
    kinds = [
        {"kind": kind, "accuracies": {name: estimate(a) for name, a in models.items()}} for kind in ("fact", "sum")
    ]
    case = {
        "kind": "fact",
        "prompt": HOSTILE,
        "responses": ["a", HOSTILE],
        "gold": True,
        "p_yes": dict.fromkeys(models, 0.2),
    }
    whole = {
        "task": "preferred", "seeds": 3, "train": 4000, "test": 1500, "weak": estimate(0.7),
        "ceiling": estimate(0.9), "students": students, "kinds": kinds, "cases": [case],
    }  # fmt: skip
    return whole | changes


@pytest.fixture
def section(run_folder: Path) -> Callable[..., str]:
    """section(**changes) -> the page's HTML."""

    def make(**changes: Any) -> str:
        (run_folder / "weak_to_strong.json").write_text(json.dumps(content(**changes)), encoding="utf-8")
        html = render(read(run_folder))
        return html[html.index('<section id="weak-to-strong"') :].split("</section>")[0]

    return make


def test_there_is_no_page_without_students(run_folder: Path) -> None:
    assert weak_to_strong(read(run_folder)) is None


def test_it_says_who_came_out_above_and_what_was_not_measured(section: Callable[..., str]) -> None:
    html = section()
    assert "above its supervisor with naive training." in html
    assert "Every case asks: Is the first of these two responses the better one?" in html
    assert "Not measured, for want of a gap: confidence loss." in html
    assert "not measured" in html


def test_every_number_has_its_interval(section: Callable[..., str]) -> None:
    html = section()
    values = len(re.findall(r'class="value"', html))
    assert values == len(re.findall(r'class="interval"', html)) > 20
    assert html.count("<figure") == 4
    assert html.count("<td>400</td>") == len(content()["kinds"])


def test_cases_are_shown_as_text_and_wrong_verdicts_marked(section: Callable[..., str]) -> None:
    html = section()
    assert HOSTILE not in html
    assert html.count('<td class="over">the second, 0.80</td>') == 5


def test_one_seed_and_one_kind_are_told_as_such(section: Callable[..., str]) -> None:
    html = section(seeds=1, kinds=content()["kinds"][:1], cases=[])
    assert "One seed shows no spread" in html
    assert "Accuracy by kind" not in html
    assert "Cases that the weak" not in html


def test_a_broken_file_is_named(run_folder: Path) -> None:
    (run_folder / "weak_to_strong.json").write_text(json.dumps(content(seeds=0)), encoding="utf-8")
    with pytest.raises(InputError, match=r"weak_to_strong\.json: seeds"):
        read(run_folder)
