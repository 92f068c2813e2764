"""`gyro debate` on models and questions of one's own, and with people; what it says before it begins."""

import json

import pytest
import yaml

from gyrocompass.cli import main
from gyrocompass.feedback.debate import PROTOCOLS, Wording, read_wording
from gyrocompass.files import read_json, read_jsonl, write_jsonl

from ..conftest import byte_tokenizer, random_model

SMALL = ["--max-new-tokens", 4, "--precision", "fp32", "--device", "cpu", "--json"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with room for a whole debate in bytes."""
    folder = tmp_path_factory.mktemp("model")
    random_model("llama", max_position_embeddings=8192).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    rows = [{"id": f"q{i}", "question": f"Who ran {i}?", "answers": ["fox", "hen"], "passage": "The fox ran.",
             "truth": i % 2} for i in range(2)]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"question": "Why?", "answers": ["a", "b"]}]))
    return file


def run(capsys, *arguments):
    main(["debate", *map(str, arguments)])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["debate", *map(str, arguments)])
    return stopped.value.code, capsys.readouterr().err.strip()


def test_own_models_play_each_protocol_and_are_measured(capsys, model, questions, tmp_path):
    out = tmp_path / "run"
    told = run(
        capsys, "--data", questions, "--debater", model, "--judge", model, "--protocols",
        "informed,excerpts,open-debate", "--best-of", 2, "--out", out, *SMALL,
    )  # fmt: skip
    assert told["status"] == "done"
    assert any("1 of 3 questions have no truth" in warning for warning in told["warnings"])
    assert {"excerpts: 3 of 3 turns quote nothing", "open-debate: 12 of 12 turns quote nothing"} <= set(
        told["warnings"]
    )
    rows = {row["slice"]: row for row in read_json(out / "evals.json") if row["metric"] == "judge_accuracy"}
    assert {name: row["n"] for name, row in rows.items()} == dict.fromkeys(("informed", "excerpts", "open-debate"), 2)
    games = read_jsonl(next(out.glob("stages/*-games")) / "open-debate.jsonl")
    assert [game["question"] for game in games] == ["q0", "q1", "3"]
    assert "Debate: a judge" in (out / "report.html").read_text()


def test_a_debater_learns_from_self_play_in_a_round_of_the_protocol_named(capsys, model, questions, tmp_path):
    out, protocols = tmp_path / "run", tmp_path / "p.yaml"
    protocols.write_text("- {name: mine, turns: [[A, B], [judge]], words: 7}")
    told = run(
        capsys, "--data", questions, "--debater", model, "--judge", model, "--protocols", protocols, "--learn", "dpo",
        "--out", out, *SMALL, "--set", "dpo.batch_size=4", "--set", "dpo.heldout_fraction=0.5",
    )  # fmt: skip
    assert any("wins against its start" in sentence for sentence in told["summary"])
    assert list(out.glob("stages/*-debater-checked/model/model.safetensors"))
    games = read_jsonl(next(out.glob("stages/*-met-checked")) / "debater debater.jsonl")
    assert {(game["protocol"], len(game["turns"])) for game in games} == {("mine", 2)}
    (one, *_) = read_jsonl(next(out.glob("stages/*-self-play-checked")) / "preferences.jsonl")
    assert "at most 7 words" in json.dumps(one)


def test_people_are_waited_for_and_the_run_goes_on(capsys, model, questions, tmp_path):
    out = tmp_path / "run"
    command = [
        "--data",
        questions,
        "--debater",
        model,
        "--judge",
        "people",
        "--protocols",
        "blind",
        "--out",
        out,
        *SMALL,
    ]
    code, error = fails(capsys, *command)
    assert code == 4
    assert "verdicts.jsonl: 3 of 3 replies are waited for" in error
    file = out / "people" / "verdicts.jsonl"
    rows = read_jsonl(file)
    first = [row["shown"]["answers"][0] for row in rows]
    assert all(f"how sure you are of {name!r}" in row["asked"] for name, row in zip(first, rows, strict=True))
    write_jsonl(file, [{**row, "reply": 90 if name == "fox" else 10} for name, row in zip(first, rows, strict=True)])
    assert run(capsys, *command)["status"] == "done"
    (row,) = [row for row in read_json(out / "evals.json") if row["metric"] == "judge_accuracy"]
    assert (row["value"], row["n"]) == (0.5, 2)


def test_the_protocols_that_ship_are_shown_as_yaml(capsys):
    main(["debate", "--show-protocols"])
    assert [row["name"] for row in yaml.safe_load(capsys.readouterr().out)] == list(PROTOCOLS)


def test_the_default_wording_is_shown_as_yaml(capsys, tmp_path):
    main(["debate", "--show-wording"])
    file = tmp_path / "wording.yaml"
    file.write_text(capsys.readouterr().out)
    assert read_wording(str(file)) == Wording()


def test_a_dry_run_prints_the_settings_and_makes_nothing(capsys, questions, tmp_path):
    told = run(capsys, "--data", questions, "--debater", "nobody", "--out", tmp_path / "x", "--dry-run", "--json")
    assert told["pipeline"] == "debate"
    assert told["debate"]["debater"] == "nobody"
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_used_is_one_line(capsys, model, questions, tmp_path):
    code, error = fails(capsys)
    assert (code, error.count("\n")) == (2, 0)
    assert "--data" in error
    out = ["--out", tmp_path / "x"]
    for more, match in (
        (["--debater", model], "debate.judge = town knows the town's questions alone"),
        (["--judge", model], "debate.debater = strongest knows"),
        (["--debater", model, "--judge", model, "--protocols", "quarrel"], "protocol 'quarrel'"),
        (["--debater", "people", "--judge", model, "--best-of", "2", "--protocols", "consultancy"], "best of 2"),
        (["--debater", model, "--judge", "people", "--best-of", "2"], "debate.judge = people: they neither try"),
        (["--debater", model, "--judge", "people", "--learn", "dpo"], "people can't judge every turn"),
        (["--debater", "people", "--judge", model, "--learn", "dpo"], "people can't be trained"),
        (["--debater", "people", "--judge", model], "can't choose their side in open-consultancy"),
        (["--debater", model, "--judge", model, "--opponent", model, "--protocols", "blind"], "has a seat B"),
        (["--debater", model, "--judge", model, "--lessons", 5], "debate.lessons = 5: it is for the town alone"),
        (["--debater", model, "--judge", model, "--wording", "none.yaml"], "none.yaml: no such file"),
    ):
        code, error = fails(capsys, "--data", questions, *more, *out, *SMALL)
        assert code == 2
        assert match in error
        assert error.count("\n") == 0
        assert not list(tmp_path.glob("x/stages/*"))
        assert not (tmp_path / "x" / "people").exists()


@pytest.mark.parametrize(
    ("setting", "match"),
    [("judge=http://localhost:1/v1#m", "debate.judge = http://localhost:1/v1#m: the town has"),
     ("debater=people", "debate.debater"), ("opponent=x", "debate.opponent"), ("best_of=2", "debate.best_of"),
     ("votes=3", "debate.votes"), ("wording=w.yaml", "debate.wording"),
     ("protocols=cross-examination", "nobody speaks as judge")],
)  # fmt: skip
def test_what_does_not_apply_on_the_town_is_refused_before_anything_is_trained(capsys, tmp_path, setting, match):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "debate", "--set", f"debate.{setting}", "--out", str(tmp_path / "x")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert match in error
    assert error.count("\n") == 0
    assert not (tmp_path / "x" / "stages").exists()


def test_as_many_questions_are_drawn_as_are_wanted(capsys, model, questions, tmp_path):
    command = ["--data", questions, "--debater", model, "--judge", model, "--protocols", "blind", *SMALL]
    drawn = []
    for seed in range(4):
        out = tmp_path / f"run{seed}"
        told = run(capsys, *command, "--questions", 2, "--seed", seed, "--out", out)
        assert any("2 of 3 questions are played" in warning for warning in told["warnings"])
        drawn.append([game["question"] for game in read_jsonl(next(out.glob("stages/*-games")) / "blind.jsonl")])
        assert read_json(out / "debate.json")["questions"] == 2
    assert {len(names) for names in drawn} == {2}
    assert len({tuple(names) for names in drawn}) > 1


def test_changed_protocols_and_wordings_are_refused_and_both_are_ones_own(capsys, model, questions, tmp_path):
    out, protocols, wording = tmp_path / "run", tmp_path / "p.yaml", tmp_path / "w.yaml"
    protocols.write_text("- {name: mine, turns: [[A]], words: 3}")
    wording.write_text("judge: '{question} {first} {second} {transcript}'")
    command = [
        "--data", questions, "--debater", model, "--judge", "people", "--protocols", protocols, "--wording", wording,
        "--out", out, *SMALL,
    ]  # fmt: skip
    assert fails(capsys, *command)[0] == 4
    asked = read_jsonl(out / "people" / "verdicts.jsonl")
    assert asked[0]["asked"].startswith("Who ran 0? fox hen")
    assert fails(capsys, *command)[0] == 4
    wording.write_text("judge: '{question} {first} {second} {transcript}!'")
    code, error = fails(capsys, *command)
    assert code == 2
    assert "w.yaml: changed since this run began" in error
    wording.write_text("judge: '{question} {first} {second} {transcript}'")
    protocols.write_text("- {name: mine, turns: [[A]], words: 2}")
    code, error = fails(capsys, *command)
    assert code == 2
    assert "p.yaml: changed since this run began" in error


def test_debater_and_opponent_are_rated(capsys, model, questions, tmp_path):
    other, out, protocols = tmp_path / "other", tmp_path / "run", tmp_path / "p.yaml"
    other.symlink_to(model)
    protocols.write_text("- {name: duel, turns: [[A, B]]}")
    run(
        capsys, "--data", questions, "--debater", model, "--opponent", other, "--judge", model, "--protocols",
        protocols, "--out", out, *SMALL,
    )  # fmt: skip
    found = {one["name"]: one for one in read_json(out / "debate.json")["persuaders"]}
    assert set(found) == {str(model), str(other)}
    assert sum(one["rating"]["value"] for one in found.values()) == pytest.approx(0)
    assert {one["rating"]["n"] for one in found.values()} == {6}  # 3 questions, the one in either seat
    assert {one["accuracy"]["n"] for one in found.values()} == {2}  # those of known truth
    games = {file.stem: read_jsonl(file) for file in out.glob("stages/*-meetings/*.jsonl")}
    assert set(games) == {f"{a} {b}" for a in ("debater", "opponent") for b in ("debater", "opponent")}


def test_a_dry_run_tells_what_endpoints_would_be_asked_at_most(capsys, model, questions, tmp_path):
    """Of 3 questions: blind asks 2 orders x 3 votes; a debate as much before a word, where both seats read alike, and
    for both seats after each of 2 rounds."""
    judge, debater = (f"http://localhost:1/v1#{name}" for name in ("judge", "debater"))
    command = ["--data", questions, "--judge", judge, "--votes", 3, "--protocols", "blind,debate", "--dry-run", *SMALL]
    told = run(capsys, *command, "--debater", debater, "--price-out", 1)["at_most"]
    blind, debate = 3 * 2 * 3, 3 * 2 * 3 + 2 * 3 * 2 * 2 * 3
    assert told[judge]["requests"] == blind + debate
    assert told[debater]["requests"] == 2 * 3 * 4
    assert told[debater]["tokens_out"] == 4 * 24
    assert told[debater]["cost"] == pytest.approx(4 * 24 / 1e6)
    told = run(capsys, *command, "--debater", model, "--opponent", debater)["at_most"]
    assert told[judge]["requests"] == blind + debate + 4 * 3 * 3 * 2 * 3  # four meetings in alternate seats
    assert told[debater]["requests"] == 2 * 3 * 2 + 4 * 3 * 2  # its seat of the games, and half of the meetings'
    told = run(capsys, *command, "--debater", model, "--learn", "dpo")["at_most"]
    practised = 2 * 4 * 2 * 3  # one question, either side, four tries, in both orders by three votes
    assert told[judge]["requests"] == blind + debate + practised + 4 * 2 * 2 * 2 * 3
    assert "at_most" not in run(capsys, "--data", questions, "--debater", model, "--judge", model, "--dry-run", *SMALL)
