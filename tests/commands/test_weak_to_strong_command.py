import json


def test_flags_become_settings_and_a_list_s_flag_is_given_once_for_each(gyro, tmp_path):
    code, out, _ = gyro(
        "weak-to-strong", "--strong", "big", "--data", "rows.jsonl", "--weak", "small", "--between", "a", "--between",
        "b", "--methods", "bootstrap", "--seeds", "2", "--out", tmp_path / "run", "--dry-run", "--json",
    )  # fmt: skip
    config = json.loads(out)
    settings = config["weak_to_strong"]
    assert code == 0
    assert (config["model"], config["data"], config["pipeline"]) == ("big", "rows.jsonl", "weak_to_strong")
    assert (settings["weak"], settings["between"], settings["methods"]) == ("small", ["a", "b"], ["bootstrap"])
    assert settings["controls"] == ["iid"]
    assert not (tmp_path / "run").exists()


def test_without_a_supervisor_it_says_what_to_do(gyro, tmp_path):
    code, _, err = gyro("weak-to-strong", "--strong", "big", "--data", "rows.jsonl", "--out", tmp_path / "run")
    assert code == 2
    assert err.startswith("error: weak-to-strong needs a supervisor; set weak_to_strong.weak (--weak)")


def test_own_models_and_preferences_give_a_report(gyro, checkpoint, tmp_path):
    rows = [{"prompt": f"q{i}", "chosen": "good" * (1 + i % 2), "rejected": "evil" * (1 + i % 3)} for i in range(60)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    code, out, _ = gyro(
        "weak-to-strong", "--strong", checkpoint("llama"), "--weak", checkpoint("gpt2"), "--data",
        tmp_path / "pairs.jsonl", "--readout", "likelihood", "--seeds", "1", "--methods", "naive", "--learning-rate",
        "1e-3", "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    told = json.loads(out.splitlines()[-1])
    assert (code, told["status"]) == (0, "done")
    assert "Taught by a weaker model with naive training" in told["summary"][0]
    assert 'id="weak-to-strong"' in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
