import json

from gyrocompass.feedback.debate import PROTOCOLS, Question, Transcript, read_questions
from gyrocompass.feedback.debate.quotes import Quote
from gyrocompass.feedback.debate.records import Belief, Turn
from gyrocompass.pipelines import debate_findings as findings
from gyrocompass.pipelines.debate_own import in_drawn_order

FOX = Question("q", "Who ran?", ("fox", "hen"), "The fox ran.")
TORN, SURE = Belief(None, None), Belief(0.9, 0.9)


def game(question, *beliefs):
    turn = Turn("A", 0, "<quote>It flew.</quote>", "It flew.", 2, (Quote("It flew.", True),))
    return Transcript(question, "consultancy", 0, (turn, turn)[: len(beliefs) - 1], beliefs)


def test_right_answers_stand_first_before_people_in_half_of_the_questions():
    asked = [Question(f"q{i}", "Who ran?", ("fox", "hen"), truth=0) for i in range(40)]
    found = in_drawn_order(asked, 3)
    assert sum(question.truth or 0 for question in found) == 20
    assert {question.answers[question.truth or 0] for question in found} == {"fox"}
    assert [question.id for question in found] == [question.id for question in asked]
    assert found == in_drawn_order(asked, 3) != in_drawn_order(asked, 4)


def test_a_turned_question_without_a_truth_has_none():
    question = Question("q", "Why?", ("a", "b"))
    assert (question.turned.answers, question.turned.truth) == (("b", "a"), None)
    assert question.turned.turned == question


def test_what_a_debater_learnt_is_told_without_a_truth():
    pairs = ("new old", "old new", "new new", "old old")
    told = findings.learnt([{name: [game(FOX, SURE, SURE)] for name in pairs}], "new", "old")
    assert findings.WON in told
    assert not any("verdicts that are right" in words for words in told)
    assert all(told.values())


def test_a_step_without_a_number_keeps_its_place():
    known = Question("q", "Who ran?", ("fox", "hen"), truth=0)
    row = findings.game_row("consultancy", PROTOCOLS["consultancy"], [[game(known, TORN, SURE, SURE)]])
    assert row["course"][0] is None
    assert len(row["course"]) == 3
    assert row["course"][2]["value"] == 1


def test_an_invented_quote_is_shown_as_one_though_the_judge_was_to_trust_it():
    row = findings.transcript_row("trusting", PROTOCOLS["consultancy"], game(FOX, SURE, SURE, SURE))
    ((turn,), _) = row["groups"]
    assert turn["said"] == [{"text": "It flew.", "verified": False}]


def test_a_torn_judge_is_neither_right_nor_wrong():
    known = Question("q", "Who ran?", ("fox", "hen"), truth=1)
    games = [game(known, SURE, Belief(0.5, 0.5)), game(known, SURE, SURE)]
    (row,) = findings.shown("consultancy", PROTOCOLS["consultancy"], games)
    assert row["beliefs"] == [0.9, 0.9]


def test_whole_numbers_of_a_table_with_gaps_are_truths(tmp_path):
    file = tmp_path / "questions.jsonl"
    rows = [{"question": f"Who ran {i}?", "answers": ["fox", "hen"], "truth": t} for i, t in enumerate([1.0, None, 0])]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    truths = [question.truth for question in read_questions(file)]
    assert truths == [1, None, 0]
    assert isinstance(truths[0], int)
