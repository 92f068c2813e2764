import json

import pytest

GOOD = """\
name: two
principles:
  - id: kind
    tags: [tone]
    critique: is it unkind?
    revision: make it kind
  - id: sure
    critique: does it sound unsure of what is plain?
    revision: say plainly what is plain
    weight: 0.01
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(GOOD)
    return path


def test_check_says_what_a_constitution_holds(gyro, file):
    code, out, _ = gyro("constitution", "check", file)
    assert code == 0
    assert "two: 2 principles, read as gyrocompass" in out
    assert "lack: it can't judge pairs" in out
    assert "warning: 'sure': nearly never drawn" in out
    code, out, _ = gyro("constitution", "check", file, "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["name"], told["form"], told["examples"], len(told["hash"])) == ("two", "gyrocompass", 0, 64)
    assert told["tags"]["tone"]["principles"] == 1
    assert [principle["id"] for principle in told["principles"]] == ["kind", "sure"]
    assert (len(told["lacks"]), len(told["warnings"])) == (1, 1)


def test_check_says_how_a_constitution_with_verdicts_judges(gyro, file):
    file.write_text(GOOD.replace("principles:", 'verdicts: {fault: "yes", fine: "no"}\nprinciples:'))
    _, out, _ = gyro("constitution", "check", file)
    assert "judges each response on its own: 'yes' begins a fault, 'no' none" in out
    assert "lack:" not in out
    _, out, _ = gyro("constitution", "check", file, "--json")
    assert json.loads(out)["verdicts"] == {"fault": "yes", "fine": "no"}


def test_check_names_the_line_at_fault(gyro, file):
    file.write_text(GOOD.replace("    revision: make it kind\n", ""))
    code, out, error = gyro("constitution", "check", file)
    assert (code, out) == (2, "")
    assert error.splitlines() == [f"error: {file}:3: the principle 'kind' has no revision request; add `revision:`"]


def test_show_prints_the_parts(gyro, file):
    code, out, _ = gyro("constitution", "show", file, "--tag", "tone")
    assert code == 0
    assert "critique request: is it unkind?" in out
    assert "sure" not in out
    _, out, _ = gyro("constitution", "show", file, "--tag", "tone", "--json")
    assert [principle["id"] for principle in json.loads(out)["principles"]] == ["kind"]


def test_a_shipped_one_by_name(gyro):
    code, out, _ = gyro("constitution", "check", "assistant")
    assert code == 0
    assert "assistant: 13 principles" in out
    assert gyro("constitution", "check", "nowhere")[0] == 2
