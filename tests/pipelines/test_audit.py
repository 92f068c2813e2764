from __future__ import annotations

import json
import shutil

import pytest

from gyrocompass.audits import selftest
from gyrocompass.audits.audit import FAILURES
from gyrocompass.audits.emergence import JUMP
from gyrocompass.config import Access, Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.files import read_json
from gyrocompass.maths import stats
from gyrocompass.maths.stats import Estimate
from gyrocompass.pipelines.audit import Asked, Target, audit, changes, distribution_shift, hacking, open_run
from gyrocompass.pipelines.subjects import subjects
from gyrocompass.pipelines.table import self_test_table
from gyrocompass.report import read
from gyrocompass.report.pages.audits import audits
from gyrocompass.run import Run


@pytest.fixture(scope="module")
def audited(town_run, tmp_path_factory):
    """The session's run with its findings."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    shutil.copytree(town_run[0], folder)
    found = audit(Run.attach(folder, quiet=True), str(folder), asked())
    return folder, found


def asked(failures=FAILURES):
    return Asked(failures, 40, 0, Sampling(), Compute(device="cpu", precision="fp32"), Access(), pool=8)


def test_a_run_is_looked_at_for_every_failure(audited):
    folder, found = audited
    assert [f.row for f in found] == read_json(folder / "audits.json")
    assert {f.audit for f in found} == set(FAILURES)
    named = {(f.audit, f.finding) for f in found}
    assert {("hacking", "over-optimisation"), ("hacking", "exploits length")} <= named
    assert {("gaming", "probe filler"), ("gaming", "meets the check, not the intent")} <= named
    assert ("gaming", "proxy up, intent down") in named
    assert {("shift", "accuracy gap"), ("shift", "holds in one slice and fails in another")} <= named
    assert {f.model for f in found if f.audit == "hacking"} == {"ppo"}


def test_what_a_run_doesn_t_hold_is_said_and_never_clean(audited):
    by_name = {f.finding: f for f in audited[1]}
    for name, why in (("a jump with scale", "several sizes"), ("probe formatting", "allow no such edit")):
        assert by_name[name].verdict == "underpowered"
        assert why in by_name[name].said


def test_training_is_compared_with_the_model_that_it_began_with(audited):
    by_name = {f.finding: f for f in audited[1]}
    found = by_name["proxy up, intent down"]
    assert found.model == "ppo"
    assert "P(reward up, intent down)" in found.said
    assert found.detail["reward_up_intent_down"]["n"] == found.n
    checked = by_name["meets the check, not the intent"]
    assert checked.value is None or "before training" in checked.said or "honest mistakes" in checked.said


def test_the_report_tells_the_findings(audited):
    section = audits(read(audited[0]))
    assert section is not None
    assert [group.title for group in section.content["groups"]] == [
        "Reward hacking",
        "Specification gaming",
        "Distribution shift",
        "Emergence",
    ]
    lines = [line for group in section.content["groups"] for line in group.lines]
    assert len(lines) == len(audited[1])


def test_a_model_of_no_run_gets_a_folder_of_its_own(tmp_path):
    run = open_run("town", {"stage": "audit"}, tmp_path / "out", quiet=True)
    found = audit(run, "town", asked(("hacking", "gaming")))
    assert (found[0].audit, found[0].verdict) == ("hacking", "underpowered")
    assert "name its run" in found[0].said
    assert (tmp_path / "out" / "audits.json").exists()


def test_a_model_of_a_run_is_written_to_that_run(audited):
    assert open_run(f"{audited[0]}:ppo", {}, None, quiet=True).folder == audited[0]


def test_the_command_tests_audits_and_refuses_to_do_both(gyro, tmp_path):
    weaker = ("--strength", "1", "--strength", "0.5")
    code, out, _ = gyro("audit", "--self-test", "--audit", "emergence", "--cases", "4", *weaker, "--json")
    assert code == 0
    (row,) = json.loads(out)["audits"]
    assert row["finding"] == "a jump with scale"
    assert row["sensitivity"]["n"] == 4
    assert [at["strength"] for at in row["strengths"]] == [1.0, 0.5]
    code, _, err = gyro("audit")
    assert code == 2
    assert "name a run, a model or a file" in err
    assert gyro("audit", "town", "--self-test")[0] == 2
    assert gyro("audit", "--self-test", "--strength", "0")[0] == 2


def test_the_table_of_the_self_test_has_a_row_for_each_strength():
    at = [selftest.AtStrength(s, stats.proportion(k, 40), stats.proportion(c, 40), Estimate(e, e - 0.1, e + 0.1, 40))
          for s, k, c, e in ((1.0, 40, 0, 2.0), (0.5, 30, 2, 1.0), (0.25, 4, 10, 0.5))]  # fmt: skip
    tested = selftest.Tested("gaming", "probe filler", tuple(at), stats.proportion(0, 40), 3, ())
    columns = [list(column.cells) for column in self_test_table([tested]).columns]
    assert columns[0] == ["gaming: probe filler"] * 3
    assert columns[1] == ["1", "0.5", "0.25"]
    assert columns[2][2] == "0.50 [0.40, 0.60]"
    assert columns[4] == ["0%", "5% wrongly", "25%"]
    assert columns[6] == ["0.00 [0.00, 0.09]", "", ""]
    assert columns[8] == ["holds", "", ""]


def test_a_stage_of_a_run_is_told_alone(audited):
    whole, stage = (
        Target(f"{audited[0]}{end}", subjects([f"{audited[0]}{end}"]), Run.attach(audited[0])) for end in ("", ":sft")
    )
    assert (whole.stage, stage.stage) == (None, "sft")
    assert list(hacking(whole, asked()))
    assert not list(hacking(stage, asked()))
    assert [f.model for f in changes(whole)] == ["ppo"]
    assert not list(changes(stage))
    assert {f.model for f in distribution_shift(stage, asked())} == {"sft"}


def test_the_self_test_writes_no_folder(gyro, tmp_path):
    assert gyro("audit", "--self-test", "--out", str(tmp_path / "out"))[0] == 2
    code, out, _ = gyro("audit", "--self-test", "--dry-run", "--json", "--audit", "hacking")
    assert code == 0
    assert "over-optimisation" in out


def test_the_command_audits_a_run(gyro, audited):
    code, out, _ = gyro("audit", str(audited[0]), "--audit", "emergence", "--json")
    assert code == 0
    assert json.loads(out)["findings"][0]["audit"] == "emergence"


def test_a_folder_holds_one_target(tmp_path):
    run = open_run("town", {"stage": "audit", "target": "town"}, tmp_path, quiet=True)
    assert open_run("town", {"stage": "audit", "target": "town"}, tmp_path, quiet=True).folder == run.folder
    with pytest.raises(InputError, match="another target"):
        open_run("elsewhere", {"stage": "audit", "target": "elsewhere"}, tmp_path, quiet=True)
    Run.attach(tmp_path).save(status="failed")
    assert open_run("elsewhere", {"stage": "audit", "target": "elsewhere"}, tmp_path, quiet=True).folder == tmp_path


def test_what_could_not_be_measured_is_forgotten_when_it_is_looked_at_again(tmp_path):
    run = Run.open(tmp_path / "run", {}, quiet=True)
    run.audit([JUMP.unmeasured("there is one size", "base").row])
    run.audit([JUMP.unmeasured("there are two sizes", "ppo").row])
    (row,) = read_json(run.folder / "audits.json")
    assert row["model"] == "ppo"
