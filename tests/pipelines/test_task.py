from gyrocompass.pipelines import task
from gyrocompass.run import Run


def test_a_run_warns_of_contradictions_and_of_nothing_else(tmp_path):
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    row = '{"prompt": "Hi", "chosen": "%s", "rejected": "%s"}\n'
    for name, rows in {"same": [("a", "b")] * 2, "both": [("a", "b"), ("b", "a")]}.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(row % pair for pair in rows))
        assert len(task.read_preferences(str(file), run)) == 2
    [warning] = run.state["warnings"]
    assert warning.startswith(f"{tmp_path / 'both.jsonl'}: 1 of 1 pairs are labelled more than once, 1 of them in opp")
