from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gyrocompass.config import Recipe
from gyrocompass.errors import InputError
from gyrocompass.files import read_json, read_jsonl, write_jsonl
from gyrocompass.models.cases import Case
from gyrocompass.pipelines import weak_to_strong_material
from gyrocompass.pipelines.weak_to_strong import Round, weak_to_strong
from gyrocompass.pipelines.weak_to_strong_findings import Study
from gyrocompass.pipelines.weak_to_strong_material import (
    Material,
    as_sure,
    gold,
    open_material,
    split,
    wrong_anywhere,
    wrong_kinds,
)
from gyrocompass.recipe import load, recipe_path
from gyrocompass.records import Preference, user
from gyrocompass.report import read, render
from gyrocompass.run import Run
from gyrocompass.worlds.town.labelled import labelled, preferred

METHODS = ("naive", "confidence", "bootstrap")
SMALL = {
    "weak": "town", "between": ["town"], "methods": METHODS, "controls": ["iid", "slice"], "readout": "likelihood",
    "learning_rate": 3e-4, "cases": 100, "seeds": 2, "batch_size": 32, "checkpoint_every": 2,
}  # fmt: skip


def recipe(model: str = "town", data: str = "town", **changes: Any) -> Recipe:
    settings = SMALL | changes
    return Recipe.model_validate(
        {"pipeline": "weak_to_strong", "model": model, "data": data, "weak_to_strong": settings}
    )


def go(folder: Path, made: Recipe) -> Run:
    run = Run.open(folder, made.model_dump(mode="json"), quiet=True)
    with run.guard():
        weak_to_strong(made, run)
    return run


@pytest.fixture(scope="module", autouse=True)
def _small_models() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weak_to_strong_material, "WEAK", weak_to_strong_material.Small(16, 1, 2, 4_000))
        patch.setattr(weak_to_strong_material, "MIDDLE", weak_to_strong_material.Small(16, 2, 2, 4_000))
        patch.setattr(weak_to_strong_material, "TEST_CASES", 60)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weak") / "run"
    go(folder, recipe())
    return folder


def test_every_number_has_its_row(done: Path) -> None:
    rows = read_json(done / "evals.json")
    measured = {(row["model"], row["metric"]) for row in rows}
    students = {*METHODS, "iid", "slice"}
    assert {(who, "accuracy") for who in {*students, "weak", "ceiling", "iid-supervisor"}} <= measured
    assert {(who, "agreement") for who in students} <= measured
    assert all(row["low"] <= row["value"] <= row["high"] and row["n"] > 5 for row in rows)


def test_planted_errors_are_as_many_as_the_rate_says() -> None:
    assert wrong_anywhere(120, 0.3, 1).sum() == 36
    kinds = [kind for kind in "abcde" for _ in range(20)]
    assert len(wrong_kinds(kinds, 0.41, 3)) == 2
    assert len(wrong_kinds(kinds, 0.01, 3)) == 1
    assert len(wrong_kinds(kinds, 1.0, 3)) == 4
    with pytest.raises(InputError, match="two kinds"):
        wrong_kinds(["a"] * 9, 0.3, 0)


def test_a_killed_run_ends_where_the_whole_one_does(done: Path, tmp_path: Path) -> None:
    half = tmp_path / "run"
    shutil.copytree(done, half)
    state = read_json(half / "run.json")
    last = state["stages"][-1]
    last["status"], state["status"] = "failed", "failed"
    (half / "run.json").write_text(json.dumps(state), encoding="utf-8")
    (half / "stages" / last["name"] / "test.jsonl").unlink()
    run = go(half, recipe())
    assert read_json(half / "weak_to_strong.json") == read_json(done / "weak_to_strong.json")
    assert run.done


def test_weak_labels_are_kept_and_the_first_seed_s_models(done: Path) -> None:
    weak = next(done.glob("stages/*-weak-0"))
    labels = read_jsonl(weak / "transfer.jsonl")
    train = read_jsonl(next(done.glob("stages/*-cases")) / "train.jsonl")
    assert 25 < len(labels) < 75
    assert len(train) == 100
    assert all(0 <= row["p_yes"] <= 1 for row in labels)
    assert (next(done.glob("stages/*-bootstrap-0")) / "model" / "model.safetensors").exists()
    assert not (next(done.glob("stages/*-bootstrap-1")) / "model").exists()


def test_the_summary_and_the_page_tell_the_same(done: Path) -> None:
    run = read(done)
    assert run.summary[0].startswith("Taught by a weaker model with naive training")
    assert run.weak_to_strong is not None
    assert [s.name for s in run.weak_to_strong.students] == [*METHODS, "iid", "slice"]
    html = render(run)
    assert 'id="weak-to-strong"' in html
    assert html.count("Wrong on whole kinds") > 1


def test_own_models_and_labels_take_the_same_road(checkpoint: Any, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"q{i % 40}", "completion": "good" if i % 2 else "evil", "label": bool(i % 2)} for i in range(80)
    ]
    write_jsonl(tmp_path / "data.jsonl", [*rows, {"prompt": "q", "completion": "a", "label": None}])
    made = recipe(
        str(checkpoint("llama")), str(tmp_path / "data.jsonl"), weak=str(checkpoint("gpt2")), between=[],
        methods=["naive", "confidence"], controls=["iid"], readout="head", seeds=1, learning_rate=3e-3,
    )  # fmt: skip
    run = go(tmp_path / "run", made)
    content = read_json(tmp_path / "run" / "weak_to_strong.json")
    assert (content["task"], content["seeds"], content["train"] + content["test"]) == ("acceptable", 1, 80)
    assert "1 of 81 rows have no response, no label or a tie" in run.state["warnings"][0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weak": None}, "needs a supervisor"),
        ({"between": []}, "goes through other models"),
        ({"data": "x.jsonl"}, "town is none of them"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    made = recipe(**changes)
    with pytest.raises(InputError, match=message):
        open_material(made, Run.open(tmp_path / "run", {}, quiet=True))


PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": f"q{i}", "completion": "a"} for i in range(30)], "no row has a label"),
        ([{"prompt": f"q{i}", "completion": "a", "label": True} for i in range(30)], "all 30 labels are the same"),
        ([{**PAIR, "prompt": f"q{i}"} for i in range(5)], "5 questions are too few"),
        ([{"prompt": "q", "steps": ["a"], "labels": [1]}], "no row has a label"),
    ],
)
def test_data_that_teaches_nothing_is_refused_in_one_line(rows: Any, message: str, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", rows)
    made = recipe("m", str(tmp_path / "data.jsonl"), weak="w", between=["b"], readout="head")
    with pytest.raises(InputError, match=message) as found:
        open_material(made, Run.open(tmp_path / "run", {}, quiet=True))
    assert "\n" not in str(found.value)


def rare(n: int) -> list[dict[str, Any]]:
    """Labelled responses to n questions, of which one is acceptable."""
    return [{"prompt": f"q{i}", "completion": "a", "label": i == 0, "kind": "sum"} for i in range(n)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"all \d+ labels to \w+( the)? (on|supervisor|student) are the same; bring more of the rarer sort"),
        ({"test_fraction": 0.01}, r"too few questions to test on \(1\)"),
        ({"test_fraction": 0.97}, r"too few questions to teach the supervisor \(0\)"),
    ],
)
def test_a_part_that_teaches_nothing_is_refused_before_anything_is_trained(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "data.jsonl", rare(30))
    made = recipe("m", str(tmp_path / "data.jsonl"), weak="w", between=["b"], readout="head", **changes)
    with pytest.raises(InputError, match=message):
        open_material(made, Run.open(tmp_path / "run", {}, quiet=True))


def test_whole_kinds_can_t_be_wrong_where_there_is_one(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{**PAIR, "prompt": f"q{i}"} for i in range(60)])
    made = recipe("m", str(tmp_path / "data.jsonl"), weak="w", between=["b"], controls=["slice"])
    with pytest.raises(InputError, match="two kinds or more"):
        open_material(made, Run.open(tmp_path / "run", {}, quiet=True))


def test_a_model_is_no_supervisor_of_its_own(checkpoint: Any, tmp_path: Path) -> None:
    folder = checkpoint("llama")
    for weak in (str(folder), f"{folder}/../{Path(folder).name}"):
        made = recipe(str(folder), "town", weak=weak)
        with pytest.raises(InputError, match="both supervisor and student"):
            open_material(made, Run.open(tmp_path / "run", {}, quiet=True))


def test_a_student_that_can_t_be_found_is_told_before_its_supervisor_learns(checkpoint: Any, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{**PAIR, "prompt": f"q{i}"} for i in range(60)])
    made = recipe(
        str(tmp_path / "none"), str(tmp_path / "data.jsonl"), weak=str(checkpoint("llama")), between=[],
        methods=["naive"], controls=[],
    )  # fmt: skip
    with pytest.raises(InputError, match="none: can't be loaded"):
        go(tmp_path / "run", made)
    assert not (tmp_path / "run" / "stages").exists()


def test_a_kind_with_one_question_has_no_row_and_ends_nothing() -> None:
    cases: list[Case] = [
        Preference(user(f"q{i}"), "a", "b", meta={"kind": "rare" if i == 0 else "sum"}) for i in range(9)
    ]
    says = np.array([0.9] * 6 + [0.1] * 3)
    study = Study(Material("w", (), "s", cases, cases), [{"weak": says, "naive": says, "ceiling": says}])
    assert [row["kind"] for row in study.content()["kinds"]] == ["sum"]


def test_a_ceiling_below_its_supervisor_leaves_nothing_to_recover() -> None:
    cases: list[Case] = [Preference(user(f"q{i}"), "a", "b") for i in range(40)]
    good, bad = np.full(40, 0.9), np.array([0.9] * 10 + [0.1] * 30)
    study = Study(Material("w", (), "s", cases, cases), [{"weak": good, "naive": good, "ceiling": bad}])
    assert study.content()["students"][0]["pgr"] is None
    assert "isn't measured: the ceiling isn't shown to lie above the supervisor" in study.sentences()[0]


def test_single_responses_have_no_likelier_one(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "completion": "a", "label": i % 2 == 0} for i in range(30)]
    write_jsonl(tmp_path / "data.jsonl", rows)
    made = recipe("m", str(tmp_path / "data.jsonl"), weak="w", between=["b"])
    with pytest.raises(InputError, match="set readout to head"):
        open_material(made, Run.open(tmp_path / "run", {}, quiet=True))


def test_pairs_of_one_s_own_come_in_both_orders(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{**PAIR, "prompt": f"q{i}"} for i in range(60)])
    made = recipe("m", str(tmp_path / "data.jsonl"), weak="w", between=["b"], controls=["iid"])
    material = open_material(made, Run.open(tmp_path / "run", {}, quiet=True))
    assert 0 < gold(material.train).mean() < 1
    assert len(material.test) == 12


def test_splits_share_no_question() -> None:
    cases = labelled(200, 0)
    one, other = split(cases, 0.5, 3)
    assert len(one) + len(other) == 200
    assert not {c.meta["question"] for c in one} & {c.meta["question"] for c in other}


WEAK_LABELS = np.array([0.9, 0.4, 0.7, 0.2, 0.05, 0.6, 0.99, 0.45])
TRUTH = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
"""The weak labels are wrong on the cases 1, 3 and 5, with a sureness of 0.6, 0.8 and 0.6."""


def test_planted_labels_are_as_sure_as_the_weak_ones_when_right_and_when_wrong() -> None:
    wrong = np.array([True, False, False, False, True, False, True, False])
    planted = as_sure(WEAK_LABELS, TRUTH, wrong, 0)
    sure = np.maximum(planted, 1 - planted)
    assert np.array_equal((planted > 0.5) != (TRUTH > 0.5), wrong)
    assert np.sort(sure[wrong]) == pytest.approx([0.6, 0.6, 0.8])
    assert np.sort(sure[~wrong]) == pytest.approx([0.55, 0.7, 0.9, 0.95, 0.99])
    assert len({tuple(as_sure(WEAK_LABELS, TRUTH, wrong, seed)) for seed in range(20)}) > 10


def test_where_more_are_wrong_sureness_is_given_again_and_where_fewer_some_is_left_out() -> None:
    wrong = np.array([True] * 6 + [False] * 2)
    planted = as_sure(WEAK_LABELS, TRUTH, wrong, 0)
    sure = np.maximum(planted, 1 - planted)
    assert np.sort(sure[wrong]) == pytest.approx([0.6, 0.6, 0.6, 0.6, 0.8, 0.8])
    assert len(set(np.round(sure[~wrong], 6)) & {0.55, 0.7, 0.9, 0.95, 0.99}) == 2


def test_of_labels_that_are_never_wrong_all_sureness_is_shuffled() -> None:
    right = np.where(TRUTH > 0.5, 0.8, 0.2)
    assert as_sure(right, TRUTH, TRUTH > 0.5, 0) == pytest.approx(np.full(8, 0.2))


def test_hard_labels_are_planted_hard() -> None:
    wrong = np.arange(8) < 3
    planted = as_sure(np.round(WEAK_LABELS), TRUTH, wrong, 0)
    assert np.array_equal(planted, np.where(wrong, 1 - TRUTH, TRUTH))


@pytest.mark.parametrize("control", ["iid", "slice"])
def test_controls_are_as_often_wrong_as_the_weak_labels_and_as_sure(control: str, tmp_path: Path) -> None:
    cases = list(preferred(200, 0))
    truth = gold(cases)
    weak = np.where(np.arange(200) < 60, 0.6 - 0.2 * truth, 0.1 + 0.8 * truth)
    material = Material("w", (), "s", cases, cases)
    round_ = Round(recipe(), Run.open(tmp_path / "run", {}, quiet=True), material, 0)
    labels, test = round_.planted(control, weak, cases)
    wrong = (labels > 0.5) != (truth > 0.5)
    assert wrong.mean() == (test != truth).mean() == pytest.approx(0.3)
    assert np.maximum(labels, 1 - labels) == pytest.approx(np.where(wrong, 0.6, 0.9))
    if control == "slice":
        assert np.array_equal(wrong, test != truth)
        assert len({case.kind for case, there in zip(cases, wrong, strict=True) if there}) == 3


@pytest.mark.parametrize("quick", [False, True])
def test_the_shipped_recipe_is_whole(quick: bool) -> None:
    shipped = load(recipe_path("weak_to_strong"), quick=quick)
    assert shipped.pipeline == "weak_to_strong"
    assert "naive" in shipped.weak_to_strong.methods
    assert shipped.weak_to_strong.seeds >= 3


def test_a_tie_is_no_case() -> None:
    assert not weak_to_strong_material._usable(Preference(user("q"), "a", "b", 0.5))
