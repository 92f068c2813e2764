"""The town's debates: what the judge is taught, every game of a seed, and what comes of several seeds."""

import numpy as np
import pytest

from gyrocompass.config import Recipe
from gyrocompass.feedback.debate import PROTOCOLS, ScriptedJudge, measure, play
from gyrocompass.files import read_json, read_jsonl
from gyrocompass.pipelines import debate_findings as findings
from gyrocompass.pipelines import debate_town as world
from gyrocompass.pipelines.debate import debate
from gyrocompass.report import read, render
from gyrocompass.run import Run
from gyrocompass.worlds.town import evidence

JUDGE = ScriptedJudge(evidence.face_value)


def test_a_lesson_s_response_is_the_right_answer_and_answers_come_in_either_order():
    lessons = world.lessons(120, 2, seed=0)
    assert len(lessons) == pytest.approx(120, abs=6)
    assert {lesson.response for lesson in lessons} == {"yes", "no"}
    texts = [lesson.prompt[0].content for lesson in lessons]
    assert 30 < sum("yes or no" in text for text in texts) < 90
    assert world.lessons(120, 2, seed=0) == lessons
    assert not {text for text in texts if "sure" in text} & {
        lesson.prompt[0].content for lesson in world.lessons(60, 2, seed=1)
    }


def test_how_many_facts_a_lesson_quotes_tells_nothing_of_the_answer():
    """Of a game's lessons with so many quotes half have either answer, also where a consultant runs out of facts.

    That it ran out tells of its side, which it can't help: few facts for a side are few.
    """
    truths: dict[tuple[str, int], list[int]] = {}
    for protocol, game in world._lesson_games(1600, 2, seed=0):
        truths.setdefault((protocol.name, sum(len(turn.quotes) for turn in game.turns)), []).append(game.question.truth)
    assert {k for name, k in truths if name == "excerpts"} == set(range(1, evidence.WITNESSES + 1))
    assert {k for name, k in truths if name == "consultancy"} >= {3, 4, 5, 6, 7, 8}
    for (name, _), found in truths.items():
        assert abs(np.mean(found) - 0.5) <= (0 if name == "excerpts" else 1.75 / len(found) ** 0.5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("excerpts", 0.7), (world.EQUAL_EXCERPTS, 0.8), ("consultancy", 0.5), (world.EQUAL_CONSULTANCY, 0.5),
     ("debate", 0.92), (world.CHECKED, 1.0), (world.TRUSTED, 0.0), (world.READ_OUT, 1.0)],
)  # fmt: skip
def test_a_judge_that_adds_up_what_is_quoted_does_as_the_simulation_says(name, expected):
    game = {game.name: game for game in world.games(list(PROTOCOLS.values()), 2)}[name]
    asked = world.questions(150, 3)
    played = play(asked, game.protocol, game.speakers, JUDGE, world.WORDING, seats=game.seats)
    assert measure.accuracy(played).value == pytest.approx(expected, abs=0.1)


def test_at_equal_facts_controls_quote_as_many_as_a_debate_or_all_that_they_have():
    games = {game.name: game for game in world.games([PROTOCOLS["debate"]], 2)}
    asked = world.questions(40, 5)

    def quoted(name):
        game = games[name]
        played = play(asked, game.protocol, game.speakers, world.silent, world.WORDING, seats=game.seats)
        return [(one, [quote.text for turn in one.turns for quote in turn.quotes]) for one in played]

    assert max(len(texts) for _, texts in quoted("debate")) == 8
    assert {len(texts) for _, texts in quoted(world.EQUAL_EXCERPTS)} == {8}
    for game, texts in quoted(world.EQUAL_CONSULTANCY):
        mine = [
            fact for fact in evidence.facts_in(game.question.passage) if fact.answer == evidence.ANSWERS[game.opens]
        ]
        assert len(texts) == min(len(mine), 8)
        strengths = [abs(fact.weight) for text in texts for fact in evidence.facts_in(text)]
        assert strengths == sorted((abs(fact.weight) for fact in mine), reverse=True)[:8]


def test_who_chooses_its_quotes_with_more_care_persuades_more_and_informs_better():
    asked = world.questions(60, 4)
    met = {
        pair: play(asked, game.protocol, game.speakers, JUDGE, world.WORDING, seats=game.seats)
        for pair, game in world.meetings(2)
    }
    found = {one.name: one for one in measure.persuaders(met)}
    assert found["careless"].rating.value < found["hurried"].rating.value < found["thorough"].rating.value
    assert found["thorough"].accuracy.value > found["careless"].accuracy.value


def small(**changes):
    settings = {"seeds": 2, "questions": 6, "lessons": 32, "processes": 1, "protocols": "blind,consultancy,debate"}
    return Recipe.model_validate({
        "pipeline": "debate", "sampling": {"max_new_tokens": 8}, "sft": {"learning_rate": 1e-3, "batch_size": 32},
        "preferences": {"demonstrations": 32, "prompts": 8}, "dpo": {"batch_size": 8, "heldout_fraction": 0.3},
        "ppo": {"steps": 1, "batch_size": 8, "minibatches": 1}, "debate": settings | changes,
    })  # fmt: skip


def go(folder, recipe):
    run = Run.open(folder, recipe.model_dump(mode="json"), quiet=True)
    with run.guard():
        debate(recipe, run)
    return run


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debate") / "run"
    go(folder, small())
    return folder


def test_every_game_is_measured_over_both_seeds(done):
    rows = {row["slice"]: row for row in read_json(done / "evals.json") if row["metric"] == "judge_accuracy"}
    extra = {world.EQUAL_EXCERPTS, world.EQUAL_CONSULTANCY, world.READ_OUT, world.CHECKED, world.TRUSTED}
    assert set(rows) == {"blind", "consultancy", "debate"} | extra
    assert {row["n"] for row in rows.values()} == {2}
    assert {(row["model"], row["property"]) for row in rows.values()} == {("judge", "intent")}


def test_debate_json_has_games_and_gains_over_seeds(done):
    content = read_json(done / "debate.json")
    gains = {(gain["better"], gain["worse"]): gain for gain in content["gains"]}
    assert gains.keys() >= {("debate", "consultancy"), *world.COMPARED}
    assert all(len(gain["seeds"]) == gain["n"] == 2 for gain in gains.values())
    assert all(np.isclose(gain["value"], np.mean(gain["seeds"])) for gain in gains.values())
    games = {game["name"]: game for game in content["games"]}
    assert all(np.isclose(game["accuracy"]["value"], np.mean(game["seeds"])) for game in games.values())
    assert games["debate"]["games"] == 12
    assert len(games["debate"]["course"]) == 3
    assert games[world.EQUAL_EXCERPTS]["quotes"] == {"value": 8.0, "low": 8.0, "high": 8.0, "n": 2}
    assert {one["name"] for one in content["persuaders"]} == set(world.SKILLS)


def test_the_games_of_a_seed_are_kept_and_the_report_shows_some(done):
    rows = read_jsonl(next(done.glob("stages/*-seeds/seed-0/stages/*-games")) / "consultancy.jsonl")
    assert len(rows) == 12
    text = render(read(done))
    assert "Debate: a judge who depends" in text
    assert '<q class="verified"' in text


def test_a_run_that_is_done_is_not_done_again(done):
    before = {file: file.stat().st_mtime_ns for file in done.glob("stages/**/*.safetensors")}
    Run.attach(done, quiet=True).save(status="running")
    go(done, small())
    assert before == {file: file.stat().st_mtime_ns for file in done.glob("stages/**/*.safetensors")}


@pytest.mark.slow
@pytest.mark.parametrize("learn", ["dpo", "ppo"])
def test_debaters_learn_from_self_play(tmp_path, learn):
    go(tmp_path / "run", small(learn=learn))
    learnt = read_json(tmp_path / "run" / "debate.json")["learnt"]
    assert {name.rpartition(", ")[2] for name in learnt} == {"quotes checked", "quotes trusted"}
    assert all(e["low"] <= e["value"] <= e["high"] for e in learnt.values())


def test_sentences_say_what_came_out_either_way():
    def row(name, low, high):
        value = {"value": (low + high) / 2, "low": low, "high": high, "n": 3}
        return {"better": name, "worse": "x", **value, "seeds": [value["value"]] * 3}

    rows = [row("a", 0.1, 0.3), row("b", -0.3, -0.1), row("c", -0.1, 0.1)]
    said = findings.sentences({"gains": rows, "games": [], "learnt": {}})
    assert said == [
        "Judge accuracy: a is above x, by 0.20 [0.10, 0.30] over 3 seeds; b is below x, by -0.20 [-0.30, -0.10] over 3 "
        "seeds; c is not told apart from x, by 0.00 [-0.10, 0.10] over 3 seeds."
    ]


def test_a_judge_that_always_abstains_is_not_a_question_without_truth():
    def told(**marks):
        row = {"name": "debate", "games": 4, "accuracy": None, "marks": marks}
        return findings.sentences({"gains": [], "games": [row], "learnt": {}})

    assert told(abstained=4) == ["The judge gave no verdict that could be read, so there is nothing to measure."]
    assert told(abstained=1)[0].startswith("No question has a known answer")
