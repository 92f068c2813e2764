"""The drift alarm: what a baseline must be, and what `gyro eval --baseline` writes and says."""

import json
import shutil
from dataclasses import asdict

import pytest

from gyrocompass.errors import InputError
from gyrocompass.maths import stats
from gyrocompass.pipelines.drift import drift, open_baseline
from gyrocompass.records import Measurement
from gyrocompass.run import Run


def row(hits, model="ppo", **columns):
    return Measurement(model, "honesty", "accuracy", *stats.proportion(hits, 200), **columns)


@pytest.fixture
def run(tmp_path):
    opened = Run.open(tmp_path / "run", {"stage": "eval"}, quiet=True)
    opened.measure([row(100), row(100, slice="hard")])
    return opened


def test_a_baseline_is_a_run_or_its_file(run):
    folder, file = (open_baseline(str(p), ["ppo"]) for p in (run.folder, run.folder / "evals.json"))
    assert folder == file
    assert folder.rows == (row(100), row(100, slice="hard"))


def test_what_changed_is_written_and_told(run):
    said = drift(run, open_baseline(str(run.folder), ["ppo"]), [row(150), row(100, slice="hard"), row(9, slice="new")])
    assert len(said) == 1
    assert "rose from 0.50" in said[0]
    found = {f["finding"]: f for f in json.loads((run.folder / "audits.json").read_text())}
    assert found["drift: accuracy (honesty)"]["verdict"] == "flagged"
    assert found["drift: accuracy (honesty, hard)"]["verdict"] != "flagged"
    assert {f["audit"] for f in found.values()} == {"shift"}
    assert len(found) == 2


def test_nothing_in_common_is_refused(run):
    with pytest.raises(InputError, match="no measurement in common"):
        drift(run, open_baseline(str(run.folder), ["ppo"]), [row(1, slice="other")])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("[", "not valid JSON"),
        ("{}", "it has measured nothing, and not ppo"),
        ('{"a": 1}', "not the evals.json of a run"),
        ('[{"model": "ppo"}]', "not the evals.json of a run"),
        ("[1]", "not the evals.json of a run"),
        ('[{"model": "m", "property": "p", "metric": "x", "value": 1, "low": 2, "high": 3, "n": 4}]', "lies outside"),
        ('[{"model": "m", "property": "p", "metric": "x", "value": 1, "low": 0, "high": 3, "n": 4}]',
         "it has measured m, and not ppo or sft"),
    ],
)  # fmt: skip
def test_a_bad_baseline_is_one_line(tmp_path, content, said):
    file = tmp_path / "evals.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=said) as error:
        open_baseline(str(file), ["ppo", "sft"])
    assert "\n" not in str(error.value)


def test_an_evaluation_is_compared_with_its_baseline(town_run, tmp_path, gyro):
    run, before = shutil.copytree(town_run[0], tmp_path / "run"), tmp_path / "before.json"
    call = ("eval", f"{run}:sft", "--prompts", "120", "--property", "instruction", "--json")
    assert gyro(*call)[0] == 0
    rows = json.loads((run / "evals.json").read_text())
    for r in rows:
        if r["metric"] == "well_formed":
            r |= {"value": 0.0, "low": 0.0, "high": 0.01}
    before.write_text(json.dumps(rows))
    code, out, error = gyro(*call, "--baseline", before)
    assert code == 0, error
    told = json.loads(out.splitlines()[-1])["drift"]
    assert len(told) == 1
    assert "well formed of sft rose" in told[0]
    found = {f["finding"]: f["verdict"] for f in json.loads((run / "audits.json").read_text())}
    assert found["drift: well_formed (instruction)"] == "flagged"
    assert "flagged" not in {v for name, v in found.items() if "well_formed" not in name}


def test_a_baseline_of_other_models_is_refused_before_anything_is_measured(town_run, tmp_path, gyro):
    baseline = tmp_path / "evals.json"
    baseline.write_text(json.dumps([asdict(row(100, "other"))]))
    code, _, error = gyro("eval", f"{town_run[0]}:sft", "--baseline", baseline, "--out", tmp_path / "out", "--json")
    assert code == 2
    assert "it has measured other, and not sft" in error.splitlines()[-1]
    assert not (tmp_path / "out").exists()
