"""Rates over seeds, from a run's cai_study.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import RunData, read, render
from gyrocompass.report.cai_study import Apart, CAIStudy, Rated, Revised
from gyrocompass.report.pages.cai_study import cai_study

SHARE: dict[str, Any] = {"value": 0.5, "low": 0.2, "high": 0.8, "n": 3}
FOUND = CAIStudy(
    (0, 1, 2), 400,
    revisions=tuple(
        Revised(critiques=c, rounds=n, rate="harmless", **SHARE) for c in (True, False) for n in (0, 1)
    ),
    models=(
        Rated(model="sft", rate="harmless", **SHARE),
        Rated(model="rl-rules", rate="harmless", kind="rude", **SHARE),
    ),
    differences=(Apart(model="rl-rules", against="sft", rate="helpful", value=-0.1, low=-0.3, high=0.1, n=3),),
)  # fmt: skip


def test_a_run_that_is_no_study_has_no_such_page() -> None:
    assert cai_study(RunData("r")) is None


def test_rates_by_round_stand_beside_those_without_critiques() -> None:
    section = cai_study(RunData("r", cai_study=FOUND))
    assert section is not None
    groups = [one.group for one in section.content["revisions"].groups]
    assert [(group.title, group.notes) for group in groups] == [
        ("Harmless", ("with critiques",)), ("Harmless", ("without critiques",)),
    ]  # fmt: skip
    assert [row.label for row in groups[0].rows] == ["first response", "after 1 round"]


def test_models_are_shown_whole_and_by_kind_and_set_apart() -> None:
    html = render(RunData("r", cai_study=FOUND))
    assert 'id="cai-study"' in html
    assert "of rude prompts" in html
    assert "Less SFT" in html
    assert "400 held-out prompts" in html


def test_it_is_read_from_the_run_folder_and_checked(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    rows = [{"model": "sft", "rate": "harmless", "kind": None, "by_seed": [0.5], **SHARE}]
    (tmp_path / "cai_study.json").write_text(json.dumps({"seeds": [0], "prompts": 4, "models": rows, "judges": []}))
    found = read(tmp_path).cai_study
    assert found is not None
    assert found.models[0].estimate.n == 3
    (tmp_path / "cai_study.json").write_text(json.dumps({"seeds": [0]}))
    with pytest.raises(InputError, match=r"cai_study\.json: prompts"):
        read(tmp_path)
