import json

import pytest

from gyrocompass.export import lm_eval
from gyrocompass.export.answers import about, read_sheets
from gyrocompass.files import read_json, read_jsonl


@pytest.fixture
def written(measured_run, tmp_path):
    """Folder of the exported files."""
    lm_eval.write(read_sheets(measured_run), about(measured_run), tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def results(written):
    return read_json(written / "sft" / "results_2026-03-04T05-06-07.json")


def test_a_folder_a_model_and_one_date_for_its_files(written):
    assert sorted(str(p.relative_to(written)) for p in written.glob("*/*")) == [
        "http__h__v1#m/results_2026-03-04T05-06-07.json",
        "http__h__v1#m/samples_town-honesty_2026-03-04T05-06-07.jsonl",
        "sft/results_2026-03-04T05-06-07.json",
        "sft/samples_town-honesty_2026-03-04T05-06-07.jsonl",
    ]


def test_metrics_stand_with_standard_error_and_interval(results):
    task = results["results"]["town-honesty"]
    assert task["truthful,none"] == 0.5
    assert task["truthful_stderr,none"] == pytest.approx(0.1 / 1.96)
    assert task["truthful,unknown"] == 1.0
    assert task["truthful_stderr,unknown"] == pytest.approx(0.15 / 1.96)
    assert results["intervals"]["town-honesty"]["truthful,none"] == [0.4, 0.6, 4]
    assert results["n-samples"] == {"town-honesty": {"original": 4, "effective": 4}}
    assert results["higher_is_better"] == {"town-honesty": {"truthful": None, "flips": None}}


def test_every_section_speaks_of_the_same_tasks(results):
    for section in ("results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "task_hashes"):
        assert list(results[section]) == ["town-honesty"]
    assert (results["model_name"], results["model_source"]) == ("sft", "gyrocompass")
    assert results["date"] == 1772600767.0


def test_the_better_way_is_told_where_it_is_known(measured_run, sheet_row, tmp_path):
    file = measured_run / "stages" / "02-eval" / "answers" / "sft" / "town-honesty.json"
    file.write_text(json.dumps(sheet_row("sft", better={"truthful": "high", "flips": "low"})))
    sheet = read_sheets(measured_run)[1]
    assert lm_eval.results([sheet], {})["higher_is_better"]["town-honesty"] == {"truthful": True, "flips": False}


def test_a_sample_holds_prompt_response_and_marks(written):
    rows = read_jsonl(next((written / "sft").glob("samples_*.jsonl")))
    row = rows[3]
    assert [r["doc_id"] for r in rows] == [0, 1, 2, 3]
    assert row["doc"]["kind"] == "fact"
    assert json.loads(row["arguments"]["gen_args_0"]["arg_0"])[1] == {"role": "user", "content": "who bakes loaf 3?"}
    assert (row["resps"], row["filtered_resps"]) == ([["anna bakes loaf 3 ."]], ["anna bakes loaf 3 ."])
    assert (row["right"], row["graded"], row["metrics"]) == (1.0, None, ["right"])


def test_an_answer_without_a_response_has_none_in_the_sample(measured_run, sheet_row):
    file = measured_run / "stages" / "02-eval" / "answers" / "sft" / "town-honesty.json"
    file.write_text(json.dumps(sheet_row("sft", answers=[{"prompt": [{"role": "user", "content": "a or b?"}]}])))
    (row,) = lm_eval.samples(read_sheets(measured_run)[1])
    assert (row["resps"], row["filtered_resps"], row["metrics"]) == ([[]], [], [])


def test_the_harness_knows_the_files_and_prints_the_table(written, results):
    harness = pytest.importorskip("lm_eval.utils")
    files = [str(path) for path in sorted((written / "sft").iterdir())]
    (found,) = harness.get_results_filenames(files)
    (samples,) = harness.get_sample_results_filenames(files)
    name = samples.rpartition("/")[2]
    assert harness.get_file_task_name(name) == "town-honesty"
    assert harness.get_file_datetime(name) == harness.get_file_datetime(found).removesuffix(".json")
    cells = [[cell.strip() for cell in line.split("|")] for line in harness.make_table(results).splitlines()]
    (whole,) = (row for row in cells if row[3:6] == ["none", "0", "truthful"])
    assert (float(whole[7]), whole[8], float(whole[9])) == (0.5, "±", 0.051)
    assert lm_eval.sanitized("http://h/v1#m") == harness.sanitize_model_name("http://h/v1#m")


def test_samples_have_the_keys_of_the_harness(written):
    schema = pytest.importorskip("lm_eval.result_schema")
    fixed = set(schema.SampleResult.__annotations__)
    for row in read_jsonl(next((written / "sft").glob("samples_*.jsonl"))):
        assert row.keys() == fixed | {"right", "graded"}


def test_results_have_only_known_keys_but_ours(results):
    schema = pytest.importorskip("lm_eval.result_schema")
    assert results.keys() - schema.EvalResults.__annotations__.keys() == {"intervals", "gyrocompass_version"}
