import json

import pytest

from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.records import Measurement
from gyrocompass.run import Run

CONFIG = {"seed": 3, "ppo": {"kl_coef": 0.1}}


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run", CONFIG, quiet=True)


def test_a_new_run_writes_down_what_it_is(run):
    state = read_json(run.folder / "run.json")
    assert state["status"] == "running"
    assert state["seed"] == 3
    assert {"python", "torch", "transformers"} <= state["versions"].keys()
    assert state["config"] == CONFIG


def test_a_run_of_other_settings_is_refused_by_name(run):
    with run.stage("sft"):
        pass
    with pytest.raises(InputError, match=r"ppo\.kl_coef = 0\.1, not 0\.2; name another folder"):
        Run.open(run.folder, {"seed": 3, "ppo": {"kl_coef": 0.2}})


def test_settings_that_change_no_result_may_change(tmp_path):
    run = Run.open(tmp_path / "run", {"seed": 3, "compute": {"micro_batch_tokens": 8}}, quiet=True)
    with run.stage("sft") as folder:
        (folder / "checkpoint").mkdir()
    assert not (folder / "checkpoint").exists()
    again = Run.open(run.folder, {"seed": 3, "compute": {"micro_batch_tokens": 4}}, quiet=True)
    assert again.stage_done("sft")


def test_a_run_in_which_nothing_began_may_be_corrected(run):
    with pytest.raises(InputError), run.guard():
        raise InputError("no such file")
    assert Run.open(run.folder, {"seed": 4}, quiet=True).seed == 4


def test_a_file_and_a_foreign_run_json_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="a file, not a folder"):
        Run.open(tmp_path / "file", CONFIG)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="not written by this program"):
        Run.open(tmp_path, CONFIG)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and not a run"):
        Run.open(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_stages_are_numbered_in_order_and_stay_done(run):
    with run.stage("sft") as folder:
        assert folder.name == "01-sft"
    with pytest.raises(RuntimeError), run.stage("ppo"):
        raise RuntimeError
    again = Run.open(run.folder, CONFIG, quiet=True)
    assert again.stage_done("sft")
    assert not again.stage_done("ppo")
    assert again.stage_folder("ppo").name == "02-ppo"
    assert [s["status"] for s in again.state["stages"]] == ["done", "failed"]


def test_an_error_is_written_down_and_the_run_can_go_on(run):
    with run.stage("sft"):
        pass
    with pytest.raises(InputError), run.guard():
        raise InputError("no such file")
    assert read_json(run.folder / "run.json")["error"] == "no such file"
    again = Run.open(run.folder, CONFIG, quiet=True)
    assert again.state["status"] == "running"
    assert "error" not in again.state


def test_rewinding_forgets_only_this_stage_s_later_rows(run):
    for stage in ("sft", "ppo"):
        for step in (1, 2, 3):
            run.log(stage, step, loss=0.1)
    run.rewind("ppo", 1)
    rows = read_jsonl(run.folder / "metrics.jsonl")
    assert [(r["stage"], r["step"]) for r in rows] == [("sft", 1), ("sft", 2), ("sft", 3), ("ppo", 1)]


def test_a_row_cut_short_by_a_kill_is_left_out(run):
    run.log("sft", 1, loss=0.1)
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "sft", "st')
    assert len(read_jsonl(run.folder / "metrics.jsonl")) == 1


def test_measuring_again_replaces_a_row(run):
    for value in (0.1, 0.2):
        run.measure([Measurement("sft", "intent", "gold", value, 0.0, 0.5, 10)])
    run.measure([Measurement("sft", "intent", "gold", 0.3, 0.0, 0.5, 10, slice="fact")])
    rows = json.loads((run.folder / "evals.json").read_text())
    assert [row["value"] for row in rows] == [0.2, 0.3]
    assert set(rows[0]) == {"model", "property", "metric", "slice", "value", "low", "high", "n"}


def test_a_warning_is_kept_once(run):
    run.warn("twice")
    run.warn("twice")
    assert run.state["warnings"] == ["twice"]


def test_brackets_in_a_message_are_shown_as_they_are(run, capsys):
    run.quiet = False
    run.warn("data[/x].jsonl holds '[bold]'")
    assert "warning: data[/x].jsonl holds '[bold]'" in capsys.readouterr().err


def test_progress_and_words_are_silent_when_quiet(run, capsys):
    run.say("hello")
    with run.progress("sft", 3) as tick:
        tick(1, note="loss 1")
    assert capsys.readouterr() == ("", "")
