from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import RunData, Stage, read
from gyrocompass.report.folder import estimate


def test_rows_are_probes_if_and_only_if_they_have_an_interval_of_the_proxy(run_folder: Path) -> None:
    run = read(run_folder)
    assert [probe.method for probe in run.probes] == ["ppo"] * 13 + ["best-of-n"] * 5
    assert {name: len(rows) for name, rows in run.training.items()} == {"sft": 400, "reward": 60, "ppo": 120}
    assert run.probes[0].distance == 0.0
    assert run.probes[-1].estimates.keys() == {"proxy", "rater_utility", "gold"}


def test_a_probe_of_unknown_kl_has_no_place_on_the_curve() -> None:
    row = {"stage": "ppo", "step": 1, "proxy": 0.0, "proxy_low": -1.0, "proxy_high": 1.0, "n": 9}
    known = {**row, "kl_nats": -0.01}
    run = RunData("r", metrics=(row, {**row, "kl_nats": float("nan")}, known))
    assert [probe.distance for probe in run.probes] == [0.0]


@pytest.mark.parametrize("broken", [{"n": None}, {"gold_low": None}, {"gold": float("nan")}, {"gold": True}])
def test_no_estimate_without_value_interval_and_n(broken: dict[str, object]) -> None:
    row = {"gold": 0.5, "gold_low": 0.4, "gold_high": 0.6, "n": 9}
    assert estimate(row, "gold") is not None
    assert estimate(row | broken, "gold") is None


def test_intent_is_gold_where_it_is_known() -> None:
    assert RunData("r").target == "heldout_proxy"
    assert RunData("r", gold_name="a program").target == "gold"


def test_a_stage_is_called_by_its_folder_without_the_number() -> None:
    assert [Stage(name).title for name in ("01-sft", "04-sl-cai", "odd")] == ["sft", "sl-cai", "odd"]


def test_a_last_line_cut_short_is_left_out(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"stage": "pp', encoding="utf-8")
    assert len(read(run_folder).metrics) == 598


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("run.json", "{", r"run\.json:1: not valid JSON"),
        ("run.json", "[]", r"run\.json: holds no JSON object"),
        ("run.json", '{"stages": [{"status": "done"}]}', r"run\.json: stages\.0\.name: Field required"),
        ("run.json", '{"seed": "zero"}', r"run\.json: seed: Input should be a valid integer"),
        ("metrics.jsonl", "{]\n", r"metrics\.jsonl: not valid JSONL"),
        ("evals.json", '[{"model": "base"}]', r"evals\.json: 0\.property: Field required"),
        ("stages/05-evaluation/samples.jsonl", '{"model": 3}\n', r"samples\.jsonl: 0\.model"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(run_folder: Path, name: str, text: str, said: str) -> None:
    (run_folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read(run_folder)
    assert re.search(said, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_number_without_data_is_refused(run_folder: Path) -> None:
    rows = json.loads((run_folder / "evals.json").read_text(encoding="utf-8"))
    rows[0]["n"] = 0
    (run_folder / "evals.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"evals\.json: gold of base: no number without data"):
        read(run_folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no run folder; name the folder given to --out"):
        read(tmp_path)
