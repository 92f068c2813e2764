"""Distribution shift in a file of one's own."""

import csv
import json
import random

import pytest

from gyrocompass.data import write
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, write_jsonl
from gyrocompass.pipelines.answers import Wanted, findings, is_table, read_table, scores
from gyrocompass.records import Example, user
from gyrocompass.run import Run
from gyrocompass.worlds import town

TOPICS = {
    "cooking": "how long does one boil {}",
    "law": "which court hears a case about {}",
    "sums": "what is {} plus {}",
}


def row(i, score, **columns):
    topic = sorted(TOPICS)[i % 3]
    text = TOPICS[topic].format(f"item{i}", i) + " please" * (i % 4)
    return {"id": i, "prompt": text, "response": f"so {i}", "topic": topic, "score": score, **columns}


def poor_at_law(n=240, **columns):
    rng = random.Random(0)
    return [row(i, float(rng.random() < (0.4 if i % 3 == 1 else 0.9)), **columns) for i in range(n)]


@pytest.fixture
def table(tmp_path):
    """table(rows) -> what a file of them is read as."""

    def make(rows):
        path = tmp_path / "answers.jsonl"
        write_jsonl(path, rows)
        return read_table(str(path), Run.open(tmp_path / "run", {}, quiet=True))

    return make


def named(found):
    return {f.finding: f for f in found}


def test_a_slice_that_falls_behind_is_found_by_its_column_and_by_others(table):
    found = named(findings(table(poor_at_law()), Wanted(metrics=["score"])))
    assert set(found) == {f"slice gap: score by {by}" for by in ("length", "cluster", "topic")}
    worst = found["slice gap: score by topic"]
    assert (worst.verdict, worst.model, worst.detail["worst"]) == ("flagged", "answers", "law")
    assert found["slice gap: score by cluster"].verdict == "flagged"


def test_a_loss_is_the_better_the_lower(table):
    rows = [{**r, "toxic": r["score"] == 0, "seconds": 1 - r["score"] + r["id"] % 2} for r in poor_at_law()]
    found = named(findings(table(rows), Wanted(losses=["toxic", "seconds"], by=["topic"])))
    assert found["slice gap: 1 - toxic by topic"].detail["worst"] == "law"
    assert found["slice gap: -seconds by topic"].detail["worst"] == "law"


def test_of_several_models_the_gain_is_told(table):
    rng = random.Random(1)
    before = [row(i, rng.gauss(0, 1), model="v1") for i in range(300)]
    after = [{**r, "model": "v2", "score": r["score"] + (r["topic"] != "law") + rng.gauss(0, 0.3)} for r in before]
    rng.shuffle(after)
    found = named(findings(table([*before, *after]), Wanted(metrics=["score"])))
    gap = found["slice gap: the gain in score by topic"]
    assert (gap.verdict, gap.model, gap.detail["worst"], gap.detail["gap"]["value"]) == (
        "flagged", "v2", "law", pytest.approx(1, abs=0.15),
    )  # fmt: skip
    assert found["outputs differ"].verdict == "clean"


def test_a_column_of_the_answer_says_nothing_of_what_was_gained_on_its_prompt(table):
    rows = [row(i, i % 5, model=model, tone=f"{model} {i % 2}") for model in ("v1", "v2") for i in range(60)]
    case = table([{**r, "score": r["score"] + (r["model"] == "v2") * r["id"] % 7} for r in rows])
    assert "slice gap: the gain in score by tone" not in named(findings(case, Wanted(metrics=["score"])))
    with pytest.raises(InputError, match="tone differs between rows of one prompt"):
        list(findings(case, Wanted(metrics=["score"], by=["tone"])))


def test_prompts_are_compared_with_known_ones(tmp_path):
    run = Run.open(tmp_path / "run", {}, quiet=True)
    tables = []
    for name, dialect in (("train", False), ("deployed", True)):
        write(town.prompts(300, 1 + dialect, dialect=dialect), tmp_path / f"{name}.jsonl")
        tables.append(read_table(str(tmp_path / f"{name}.jsonl"), run))
    known, deployed = tables
    (found,) = findings(deployed, Wanted(), known)
    assert (found.finding, found.model, found.verdict) == ("prompts differ", "deployed", "flagged")


def test_numbers_of_csv_are_numbers(tmp_path):
    path = tmp_path / "answers.csv"
    with path.open("w", newline="") as file:
        sheet = csv.DictWriter(file, ["prompt", "score", "right", "year"])
        sheet.writeheader()
        sheet.writerows({"prompt": f"p {i}", "score": i / 2, "right": i % 2 == 0, "year": 2000 + i} for i in range(4))
    case = read_table(str(path), Run.open(tmp_path / "run", {}, quiet=True))
    assert case.numeric == ["score", "right"]
    assert scores(case, "score").tolist() == [0, 0.5, 1, 1.5]
    assert scores(case, "right").tolist() == [1, 0, 1, 0]


def test_a_label_judges_too(table):
    case = table([{"prompt": f"p {i}", "completion": "c", "label": i % 2 == 0} for i in range(4)])
    assert scores(case, "label").tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (float("nan"), "answers.jsonl:3: score is nan, not a finite number"),
        (None, "answers.jsonl:3: score is None, not"),
        ("good", "answers.jsonl:3: score is 'good', not"),
    ],
)
def test_a_score_that_is_no_number_is_told_with_its_line(table, bad, said):
    rows = poor_at_law(6)
    rows[2]["score"] = bad
    with pytest.raises(InputError, match=said):
        scores(table(rows), "score")
    with pytest.raises(InputError, match=said):
        scores(table([{"prompt": r["prompt"], "meta": {"score": r["score"]}} for r in rows]), "score")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "which column judges an answer.* of numbers there are score, even$"),
        ({"metrics": ["quality"]}, "no column 'quality'.*--metric.* there are score, flat, even"),
        ({"metrics": ["flat"]}, "flat is 1 in each of 12 rows and says nothing"),
        ({"metrics": ["score"], "by": ["split"]}, "by split each of 12 rows is 'test'; slice by another"),
        ({"metrics": ["score"], "by": ["colour"]}, "no prompt has such a column; there are .*length.*topic"),
    ],
)
def test_what_cannot_be_looked_at_is_told_in_one_line(table, wanted, said):
    case = table([{**r, "flat": 1, "even": r["id"] % 2, "split": "test"} for r in poor_at_law(12)])
    case = case if "metrics" in wanted else table([{**r, "even": r["id"] % 2} for r in poor_at_law(12)])
    with pytest.raises(InputError, match=said) as raised:
        list(findings(case, Wanted(**wanted)))
    assert "\n" not in str(raised.value)


def test_rows_that_are_all_alike_are_told(table):
    with pytest.raises(InputError, match="no column cuts its rows in two"):
        list(findings(table([{"prompt": "p", "score": i} for i in range(9)]), Wanted(metrics=["score"])))


def test_too_few_rows_say_the_smallest_effect_that_could_be_seen(table):
    found = named(findings(table(poor_at_law(9)), Wanted(metrics=["score"], by=["topic"])))
    assert found["slice gap: score by topic"].verdict == "underpowered"
    assert "standard deviations would mostly go unseen" in found["slice gap: score by topic"].said


@pytest.mark.parametrize(
    ("target", "is_one"),
    [("a.jsonl", True), ("a/b.CSV.gz", True), ("c.parquet", True), ("town", False), ("org/model", False),
     ("http://localhost:8000/v1#a", False), ("runs/a:ppo", False)],
)  # fmt: skip
def test_a_table_is_told_by_its_suffix(target, is_one):
    assert is_table(target) == is_one


def test_the_command_audits_a_file(gyro, tmp_path):
    answers, known, out = tmp_path / "answers.jsonl", tmp_path / "train.parquet", tmp_path / "out"
    write_jsonl(answers, poor_at_law())
    write([Example(user(f"tell me of {i} things")) for i in range(200)], known)
    code, said, _ = gyro("audit", str(answers), "--metric", "score", "--by", "topic", "--known", str(known),
                         "--out", str(out), "--json")  # fmt: skip
    assert code == 0
    assert [f["verdict"] for f in json.loads(said)["findings"]] == ["flagged", "flagged"]
    assert read_json(out / "audits.json") == json.loads(said)["findings"]
    assert set(read_json(out / "run.json")["data"]) == {str(answers), str(known)}
    assert "slice gap: score by topic" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["town", "--metric", "score"], "--metric, --loss, --by and --known are for a file"),
        (["answers.jsonl", "--audit", "hacking"], "a file is looked at for shift alone"),
        (["anwsers.jsonl", "--metric", "score"], "no such file or folder; did you mean"),
    ],
)
def test_the_command_refuses_what_does_not_go_together(gyro, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "answers.jsonl", poor_at_law(6))
    code, _, err = gyro("audit", *arguments)
    assert code == 2
    assert said in err
