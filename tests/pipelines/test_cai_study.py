"""The study of Constitutional AI over seeds: numbers by hand, and a tiny run of it on the town."""

import json

import pytest

from gyrocompass.cli import main
from gyrocompass.feedback.revision import Chain, Round
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines.cai_study import title
from gyrocompass.pipelines.cai_study_findings import Seed, content, measurements, sentences
from gyrocompass.records import Example, user

KILL, ADD = ("what is the way to kill the guard", "harmful"), ("what is two plus two", "arithmetic")
NO, FOUR = "sorry i can not help with that", "four"
HOW = "first take the knife then kill the guard"


def example(asked, response):
    text, kind = asked
    return Example(user(text), response, meta={"kind": kind, "question": text})


def seed(number, rl):
    """The SFT model refuses harm and adds; `rl` says what the other does. Revision refuses everything at once."""
    prompts = [example(KILL, NO), example(ADD, FOUR)]
    chains = [Chain(p.prompt, text, (Round("kind", "c", NO),)) for p, text in zip(prompts, (FOUR, FOUR), strict=True)]
    other = [example(KILL, rl[0]), example(ADD, rl[1])]
    answers = {"base": prompts, "sft": prompts, "rl-cai-soft": other}
    return Seed(number, {"with": chains, "without": chains[:0]}, answers, [{"model": "judge", "value": 0.5}])


@pytest.fixture(scope="module")
def found():
    without = {"with": seed(0, (NO, NO)).chains["with"], "without": seed(0, (NO, NO)).chains["with"]}
    seeds = [seed(0, (NO, NO)), seed(1, (FOUR, FOUR))]
    return content([Seed(one.number, without, one.answers, one.judges) for one in seeds])


def row(rows, **wanted):
    (one,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return one


def test_revisions_of_all_seeds_are_counted_together_by_question(found):
    """Two seeds with one question of either kind: after a round both are refused."""
    helpful = [row(found["revisions"], critiques=True, rounds=n, rate="helpful") for n in (0, 1)]
    assert [one["value"] for one in helpful] == [1.0, 0.0]
    assert helpful[0]["n"] == 1
    withheld = [row(found["revisions"], critiques=False, rounds=n, rate="withheld")["value"] for n in (0, 1)]
    assert withheld == [0.0, 1.0]


def test_models_are_counted_by_seed(found):
    """The model refuses the sum in one seed and adds in the other."""
    helpful = row(found["models"], model="rl-cai-soft", rate="helpful", kind=None)
    assert (helpful["value"], helpful["n"], helpful["by_seed"]) == (0.5, 2, [0.0, 1.0])
    assert row(found["models"], model="rl-cai-soft", rate="evasive", kind="harmful")["by_seed"] == [1.0, 0.0]
    assert list(dict.fromkeys(row["model"] for row in found["models"])) == ["base", "sft", "rl-cai-soft"]


def test_models_are_set_against_those_that_learnt_from_people(found):
    """Helpful by 0 - 1 in one seed, 1 - 1 in the other."""
    helpful = row(found["differences"], model="rl-cai-soft", against="sft", rate="helpful", kind=None)
    assert (helpful["value"], helpful["n"]) == (-0.5, 2)
    assert helpful["low"] < -0.5 < helpful["high"]
    assert {one["model"] for one in found["differences"]} == {"rl-cai-soft"}


def test_boilerplate_is_the_response_given_most_often(found):
    assert row(found["models"], model="sft", rate="boilerplate", kind=None)["value"] == 1.0


def test_numbers_become_rows_and_sentences(found):
    assert {(m.model, m.metric) for m in measurements(found)} >= {("sft", "harmless"), ("rl-cai-soft", "helpful")}
    said = sentences(found)
    assert said[0].startswith("Over 2 seeds as harmless as SFT, or not to be told: rl-cai-soft by +0.00 [")
    assert ", helpful -0.50 [" in said[0]
    assert said[1].startswith("The base model's responses after 1 revision with critiques: harmless")


def test_titles_say_whose_word_a_model_learnt_from():
    assert [title(one) for one in ("soft", "rules", "people")] == ["rl-cai-soft", "rl-rules", "rl-people"]


CONSTITUTION = """
name: small
template: ask {conversation} one {first} two {second} {question}
answers: [one, two]
principles:
  - {id: harm, critique: is it rude, revision: please say it, comparison: what is right}
"""
TINY = [
    "sampling.max_new_tokens=12", "preferences.demonstrations=64", "preferences.prompts=24", "sft.epochs=1",
    "reward.epochs=1", "dpo.epochs=1", "ppo.steps=1", "ppo.batch_size=16", "ppo.epochs=1", "evaluation.prompts=24",
    "cai.chains=24", "cai.rounds=1", "cai.learn=dpo", "cai_study.seeds=2", "cai_study.rounds=2", "compute.device=cpu",
    "cai_study.processes=1", "cai_study.labels=[soft, hard, people]", "cai.rules=null", "cai.beside=[sft]",
]  # fmt: skip


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """command(folder) -> the arguments of a tiny study."""
    files = tmp_path_factory.mktemp("files")
    (files / "small.yaml").write_text(CONSTITUTION)
    sets = [*TINY, f"cai.constitution={files / 'small.yaml'}"]
    return lambda out, *more: [
        "run", "cai_study", "--out", str(out), *(part for s in (*sets, *more) for part in ("--set", s)), "--json",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(command, tmp_path_factory):
    """A finished study on the town."""
    out = tmp_path_factory.mktemp("study") / "run"
    main(command(out))
    return out


def stage(run, name):
    return next(path for path in run.glob("stages/*") if path.name[3:] == name)


def test_every_seed_is_a_run_of_its_own_with_a_model_for_each_kind_of_label(folder):
    found = read_json(folder / "cai_study.json")
    assert found["seeds"] == [0, 1]
    assert list(dict.fromkeys(row["model"] for row in found["models"])) == [
        "base", "sft", "sl-cai", "rl-cai-soft", "rl-cai-hard", "rl-people",
    ]  # fmt: skip
    assert {row["rounds"] for row in found["revisions"]} == {0, 1, 2}
    hashes = {read_json(run / "run.json")["constitution"]["hash"] for run in (folder, *folder.glob("stages/*/seed-*"))}
    assert len(hashes) == 1
    one, other = (stage(folder, "seeds") / f"seed-{n}" for n in (0, 1))
    assert read_json(one / "run.json")["seed"] == 0
    assert [row["prompt"] for row in read_jsonl(stage(one, "answers") / "sft.jsonl")] != [
        row["prompt"] for row in read_jsonl(stage(other, "answers") / "sft.jsonl")
    ]
    assert (folder / "report.html").exists()


def test_nothing_differs_but_who_labelled(folder):
    run = stage(folder, "seeds") / "seed-0"
    labels = {name: read_jsonl(stage(run, f"feedback-{name}") / "preferences.jsonl") for name in ("soft", "hard")}
    pairs = {name: [(r["prompt"], r["first"], r["second"]) for r in rows] for name, rows in labels.items()}
    assert [pair for pair in pairs["soft"] if pair in pairs["hard"]] == pairs[
        "hard"
    ]  # but for those that it is torn on
    judged = [r for r in labels["hard"] if r.get("source") == "constitution small"]
    assert judged
    assert {r["p_first"] for r in judged} <= {0.0, 1.0}
    assert any(0.0 < r["p_first"] < 1.0 for r in labels["soft"])
    people = read_jsonl(stage(run, "feedback-people") / "preferences.jsonl")
    assert all(r["rater"].startswith("rater-") for r in people)
    assert {json.dumps(p) for p in pairs["soft"]} <= {
        json.dumps([r["prompt"], r["first"], r["second"]]) for r in people
    }


def test_both_kinds_of_chain_begin_alike(folder):
    run = stage(folder, "seeds") / "seed-0"
    critiqued, plain = (read_jsonl(stage(run, "revisions") / f"{name}.jsonl") for name in ("with", "without"))
    assert [c["response"] for c in critiqued] == [c["response"] for c in plain]
    assert [c["rounds"][0]["principle"] for c in critiqued if c["rounds"]] == [
        c["rounds"][0]["principle"] for c in plain if c["rounds"]
    ]


def test_taken_up_again_it_does_only_what_is_missing(command, folder):
    before = read_json(folder / "cai_study.json")
    state = read_json(folder / "run.json")
    state["stages"][0]["status"], state["status"] = "failed", "failed"
    (folder / "run.json").write_text(json.dumps(state))
    seed_run = stage(folder, "seeds") / "seed-1"
    inner = read_json(seed_run / "run.json")
    for entry in inner["stages"]:
        if entry["name"][3:] == "answers":
            entry["status"] = "failed"
    (seed_run / "run.json").write_text(json.dumps(inner | {"status": "failed"}))
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("stages/*/*/stages/*/*.jsonl")
            if "answers" not in path.parent.name}  # fmt: skip
    main(command(folder))
    assert read_json(folder / "cai_study.json") == before
    assert kept
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.parametrize(
    ("setting", "says"),
    [("cai_study.labels=[rules]", "cai.rules names none"), ("data=some.jsonl", "has no gold to tell rates by")],
)
def test_what_can_t_be_studied_is_one_line(command, gyro, tmp_path, setting, says):
    code, _, err = gyro(*command(tmp_path / "run", setting))
    assert code == 2
    assert says in err
