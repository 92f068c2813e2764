"""Debates one can read, and how often the judge was right, from a run's debate.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import RunData, read, render
from gyrocompass.report.pages.debate import debate

HOSTILE = "<script>alert(1)</script>"


def measured(value: float, half: float = 0.05, n: int = 40) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def turn(side: int | None, *said: tuple[str, bool | None], **more: Any) -> dict[str, Any]:
    pieces = [{"text": text, "verified": verified} for text, verified in said]
    return {"speaker": {0: "A", 1: "B", None: "judge"}[side], "side": side, "said": pieces, **more}


SHOWN = {
    "game": "debate", "question": f"Who ran? {HOSTILE}", "answers": ["fox", "hen"], "truth": 0,
    "passage": "The fox ran.",
    "beliefs": [0.5, 0.8, None],
    "groups": [
        [turn(0, ("See: ", None), ("The fox ran.", True)), turn(1, ("It flew.", False), marks=["unverified quote"])],
        [turn(None, ("Who flew?", None))],
    ],
}  # fmt: skip
CONTENT: dict[str, Any] = {
    "judge": "a small model",
    "questions": 40,
    "seeds": [0, 1],
    "games": [
        {"name": "blind", "kind": "blind", "games": 40, "accuracy": measured(0.5), "course": [measured(0.5)]},
        {"name": "consultancy", "kind": "consultancy", "games": 80, "accuracy": measured(0.7),
         "course": [measured(0.5), measured(0.7)], "quotes": measured(3.9), "honest": measured(0.9),
         "dishonest": measured(0.5), "marks": {"cut": 2, "abstained": 1}},
        {"name": "unknown", "kind": "debate", "games": 3, "accuracy": None},
    ],
    "gains": [{"better": "consultancy", "worse": "blind", **measured(0.2, 0.3, 2), "seeds": [0.1, 0.3]}],
    "persuaders": [{"name": "thorough", "rating": measured(1.2), "accuracy": measured(0.8)}],
    "learnt": {"Share of games won": measured(0.6)},
    "references": [{"source": "Khan et al. 2024", "arxiv": "2402.06782", "accuracies": {"blind": 0.48}}],
    "shown": [SHOWN],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps({"name": "d", "status": "done", "summary": ["Debate helps."]}))
    (tmp_path / "debate.json").write_text(json.dumps(CONTENT))
    return tmp_path


def test_a_run_without_debates_has_no_such_page() -> None:
    assert debate(RunData("r")) is None


def test_each_game_has_its_course_or_its_verdict(folder: Path) -> None:
    section = debate(read(folder))
    assert section is not None
    content: dict[str, Any] = dict(section.content)
    drawn = {one.group.title: [row.label for row in one.group.rows] for one in content["accuracies"].groups}
    assert drawn == {"Blind": ["verdict"], "Consultancy": ["before a word", "after turn 1"]}
    assert [line.marks for line in content["lines"]] == ["", "cut 2, abstained 1", ""]
    assert [line.quotes.value if line.quotes else None for line in content["lines"]] == [None, 3.9, None]
    (gain,) = content["gains"].groups
    assert [(row.label, row.estimate.n) for row in gain.group.rows] == [("verdict", 2)]


def test_the_page_says_what_its_intervals_hold_for(folder: Path) -> None:
    assert "over seeds: each has a judge" in render(read(folder))
    (folder / "debate.json").write_text(json.dumps(CONTENT | {"seeds": [0]}))
    text = render(read(folder))
    assert "over questions, which n counts" in text
    assert "over seeds" not in text


def test_turns_stand_in_two_columns_with_the_belief_after_each_exchange(folder: Path) -> None:
    section = debate(read(folder))
    assert section is not None
    content: dict[str, Any] = dict(section.content)
    (game,) = content["reads"]
    first, second = game.groups
    assert [(len(g.first), len(g.second), len(g.others)) for g in game.groups] == [(1, 1, 0), (0, 0, 1)]
    assert game.before.percent == 50
    assert game.before.right is None
    assert first.belief.percent == pytest.approx(20)
    assert first.belief.right is True
    assert second.belief.percent is None


def test_the_document_marks_quotes_and_escapes_what_was_said(folder: Path) -> None:
    text = render(read(folder))
    assert '<q class="verified" title="stands in the passage">The fox ran.</q>' in text
    assert '<q class="invented"' in text
    assert "The judge abstained." in text
    assert HOSTILE not in text
    assert "arXiv:2402.06782" in text


def test_beliefs_that_do_not_fit_the_turns_are_refused(folder: Path) -> None:
    (folder / "debate.json").write_text(json.dumps(CONTENT | {"shown": [SHOWN | {"beliefs": [0.5]}]}))
    with pytest.raises(InputError, match=r"debate\.json: shown\.0: .*1 beliefs about 2 groups"):
        read(folder)


def test_people_and_those_who_read_the_passage_are_told_of_as_what_they_are(folder: Path) -> None:
    plain = render(read(folder))
    assert "the two beliefs are averaged" in plain
    assert "The passage, which the judge doesn’t see" in plain
    games = [*CONTENT["games"], {"name": "informed", "kind": "informed", "games": 3, "accuracy": None}]
    told = {**CONTENT, "judge": "people", "games": games, "shown": [{**SHOWN, "game": "informed"}]}
    (folder / "debate.json").write_text(json.dumps(told))
    html = render(read(folder))
    assert "in one order of the answers alone" in html
    assert "the two beliefs are averaged" not in html
    assert "But for informed, it can’t read the passage" in html
    assert "which the judge doesn’t see" not in html


def test_a_step_without_a_number_keeps_the_names_of_the_others(folder: Path) -> None:
    course = {"name": "debate", "kind": "debate", "games": 9, "accuracy": measured(0.7),
              "course": [None, measured(0.6), measured(0.7)]}  # fmt: skip
    (folder / "debate.json").write_text(json.dumps({**CONTENT, "games": [course]}))
    html = render(read(folder))
    assert "after turn 2" in html
    assert "before a word" not in html.split("Share of questions")[0]
