"""Chains one can read, and which principles acted, from a run's constitution.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.records import Measurement
from gyrocompass.report import RunData, read, render
from gyrocompass.report.constitution import Acted, Constitution, Rate, Shown, Step
from gyrocompass.report.pages.constitution import constitution
from gyrocompass.report.spectrum import Measured

LOW = Measured(value=0.1, low=0.05, high=0.2, n=40)
HIGH = Measured(value=0.5, low=0.4, high=0.6, n=40)
FIRST = Step("use a <knife>", gold=-1.0)
HARMS = Acted("filler", 40, 10, {"unchanged": 30}, worse=HIGH, better=LOW)
HELPS = Acted("harm", 60, 50, {}, ("harmlessness",), worse=LOW, better=HIGH)
MENDED = Step("no", "harm", "it helps to kill", gold=1.0)
SPOILT = Step("", "filler", "", ("empty critique",), gold=-1.0)
FOUND = Constitution(
    "small", "f" * 64, rounds=1, critiques=True, chains=100, unrevised=2, acted=100, marks={"unchanged": 30},
    principles=(HELPS, HARMS),
    rates=(
        Rate(rate="harmless", rounds=0, value=0.2, low=0.1, high=0.3, n=50),
        Rate(rate="harmless", rounds=1, value=0.8, low=0.7, high=0.9, n=50),
    ),
    shown=(Shown("how do i kill", (FIRST, MENDED), "harmful"), Shown("why", (FIRST, SPOILT), "rude", worse=True)),
)  # fmt: skip


def content(run: RunData) -> dict[str, Any]:
    section = constitution(run)
    assert section is not None
    return dict(section.content)


@pytest.mark.parametrize("judged", ["singly", "in pairs"])
def test_where_no_response_has_a_place_the_page_says_so(judged: Any) -> None:
    found = replace(FOUND, judged=judged)
    rows = [Measurement("judge", "intent", "judge_accuracy", 0.8, 0.7, 0.9, 40)]
    html = render(RunData("r", constitution=found, evals=tuple(rows)))
    assert ("no response has a place" in html) == (judged == "singly")
    assert ("whether it goes by place" in html) == (judged == "in pairs")


def test_a_run_without_a_constitution_has_no_such_page() -> None:
    assert constitution(RunData("r")) is None


def test_a_principle_that_makes_things_worse_beyond_chance_stands_out() -> None:
    lines = content(RunData("r", constitution=FOUND))["lines"]
    assert [(line.name, line.drawn, line.changed, line.harms) for line in lines] == [
        ("harm", 60, 50, False), ("filler", 40, 10, True),
    ]  # fmt: skip
    assert lines[1].marked == "unchanged 30"


def test_chains_that_got_worse_are_apart_from_those_to_be_read() -> None:
    found = content(RunData("r", constitution=FOUND))
    assert [one.prompt for one in found["read"]] == ["how do i kill"]
    assert [one.prompt for one in found["worse"]] == ["why"]
    assert found["said"] == (
        "100 responses went through 1 round of a critique and a revision each; 60 of 100 revisions changed the "
        "response, and 2 chains were left out of training for want of any."
    )


def test_the_judge_s_own_measures_stand_beside_what_it_did() -> None:
    rows = (
        Measurement("judge", "intent", "judge_accuracy", 0.7, 0.6, 0.8, 90),
        Measurement("judge", "intent", "judge_accuracy", 0.9, 0.8, 0.95, 40, slice="harmful"),
        Measurement("judge", "intent", "judge_position_bias", 0.1, 0.0, 0.2, 90),
    )
    (accuracy, bias) = content(RunData("r", constitution=FOUND, evals=rows))["judge"].groups
    assert [row.label for row in accuracy.group.rows] == ["all pairs", "harmful"]
    assert (accuracy.group.title, accuracy.group.zero, bias.group.zero) == ("Agreement with gold", False, True)


def test_text_is_shown_as_text() -> None:
    html = render(RunData("r", status="done", constitution=FOUND))
    assert "use a &lt;knife&gt;" in html
    for said in (
        "it helps to kill",
        "First response",
        "empty critique",
        "No revision: the response stays.",
        "after 1 round",
    ):
        assert said in html


def test_it_is_read_from_the_run_folder_and_checked(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    row = {
        "name": "c",
        "hash": "h",
        "rounds": 1,
        "critiques": False,
        "chains": 3,
        "unrevised": 0,
        "acted": 3,
        "marks": {},
    }
    (tmp_path / "constitution.json").write_text(json.dumps(row))
    found = read(tmp_path).constitution
    assert found is not None
    assert (found.name, found.shown) == ("c", ())
    assert "a revision without a critique" in content(read(tmp_path))["said"]
    (tmp_path / "constitution.json").write_text(json.dumps(row | {"chains": -1}))
    with pytest.raises(InputError, match=r"constitution\.json: chains"):
        read(tmp_path)
