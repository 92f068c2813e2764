from gyrocompass.feedback.debate import Question
from gyrocompass.pipelines.debate_own import in_drawn_order


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
