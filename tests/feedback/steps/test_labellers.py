import json

import pytest

from gyrocompass.errors import InputError, Unsupported
from gyrocompass.feedback.steps import (
    LINES,
    Answers,
    Checker,
    Cutting,
    OutcomeChecker,
    final_answer,
    hardened,
    labelled,
    read_sheet,
    rollout_labels,
    write_sheet,
)
from gyrocompass.models.steps import Graded
from gyrocompass.records import Example, user

QUESTION = Example(user("what is 2 + 3 + 4"), meta={"answer": "9"})


def said(*steps, of=QUESTION):
    return Example(of.prompt, "\n".join(steps), meta=of.meta)


def test_a_response_is_cut_at_lines_and_blank_steps_are_none():
    assert LINES("one\n\n two \n\n") == ("one", "two")
    assert Cutting(r"\s(?=then\b)", " ")("a b then c") == ("a b", "then c")
    assert LINES.joined(("a", "b")) == "a\nb"


@pytest.mark.parametrize(("at", "told"), [("(", "no regular expression"), ("(a)", "capturing group")])
def test_a_cut_that_can_t_be_used_is_refused(at, told):
    with pytest.raises(InputError, match=told):
        Cutting(at)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("2 + 7 = 9\n#### 1,009", "1009"), ("The answer is $9.", "9"), (r"so \boxed{x + 1}", "x+1"), ("nothing", None),
     ("answer: 3\nanswer: 4", "4"), (r"it is \boxed{\frac{14}{3}} in all.", r"\frac{14}{3}"),
     (r"$\boxed{\dfrac{1}{2}}$, not \boxed{", r"\frac{1}{2}"), (r"\boxed{1} then \boxed{} and \boxed{2}.", "2"),
     (r"\boxed{\{1, 2\}} The answer is: 3", r"\{1,2\}"), (r"\boxed{1,\!234\text{ cm}}", "1234 cm"),
     (r"The final answer is: $\boxed{18}$", "18"), ("The final answer is: 18", "18"),
     ("Answer: 18\nI am confident in my answer.", "18"), ("The answer is 18. This answers the question.", "18"),
     ("**Answer:** 18", "18"), ("ANSWER:\n18", "18"),
     ("Final Answer: The final answer is 3.5. I hope it is right.", "3.5"),
     ('The answer is ".5".', ".5"),
     ("answer (3, 4)", "(3,4)"), ("I looked for an answer.", None), ("answer: \n \n", None),
     ("The answer is New York.", "new york"), ("The answer is 1,234,567 or (1,234)", "1234567 or(1,234)")],
)  # fmt: skip
def test_final_answers(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("response", "reference", "right"),
    [(r"\boxed{\frac{14}{3}}", r"\boxed{\frac{14}{5}}", False), (r"\boxed{\frac{14}{3}}", r"\frac{14}{3}", True),
     ("answer (3, 4)", "(34)", False), ("answer: (3, 4)", "(3,4)", True), ("answer: 3 4", "34", False),
     ("so 72.\n#### 72", "48/2 = 24, 48 + 24 = 72\n#### 72", True), ("The answer is 1234.", "#### 1,234", True),
     ("The answer is 2*3.", "23", False), (r"So $x = 5$: $\boxed{5}$.", r"Thus $x=\boxed{5}$, as wanted.", True)],
)  # fmt: skip
def test_answers_of_gsm8k_and_of_math(response, reference, right):
    assert Answers()([Example(QUESTION.prompt, response, meta={"answer": reference})]) == [right]


def test_a_pattern_of_one_s_own_is_all_that_counts():
    assert final_answer("it is 3.\nit is 4.\nit is  ", r"it is ([^\n]*)") == "4"
    assert final_answer(r"it is 3, or \boxed{5}", r"it is (\d)") == "3"


def test_answers_are_held_against_the_reference_bare_or_worked():
    worked = Example(QUESTION.prompt, "answer: 9", meta={"answer": "2 + 3 = 5\n#### 9"})
    assert Answers()([said("answer: 9"), said("answer: 8"), said("9"), worked]) == [True, False, False, True]
    with pytest.raises(InputError, match="no column 'answer'"):
        Answers()([Example(user("q"), "answer: 9")])
    with pytest.raises(InputError, match="has 0 groups"):
        Answers("answer")


def test_the_checker_labels_each_step_and_must_label_each():
    checker = Checker(LINES, lambda prompt, steps: [float("good" in step) for step in steps])
    assert checker.step_scores([said("good", "bad")]) == [Graded(("good", "bad"), (1.0, 0.0))]
    (chain,) = labelled(checker, [said("good", "bad"), said("")])
    assert chain.labels == (1.0, 0.0)
    with pytest.raises(InputError, match="the checker gave 1 labels for 2 steps"):
        Checker(LINES, lambda prompt, steps: [1.0]).step_scores([said("a", "b")])


def test_the_outcome_is_one_step():
    graded = OutcomeChecker(Answers()).step_scores([said("a", "answer: 9"), said("b"), said("")])
    assert graded == [Graded(("a\nanswer: 9",), (1.0,)), Graded(("b",), (0.0,)), Graded((), ())]


class Scripted:
    """Goes on rightly three times of four after `2 + 3 = 5`, and never after anything else."""

    def __init__(self):
        self.asked = []

    def continued(self, begun, n=1, *, seed=0):
        self.asked += [one.text for one in begun]
        return [
            [f"{one.text}answer: {9 if one.text.startswith('2 + 3 = 5') and i % 4 else 8}" for i in range(n)]
            for one in begun
        ]


def test_a_step_is_as_good_as_the_answers_it_leads_to():
    policy = Scripted()
    chains = [said("2 + 3 = 5", "answer: 9"), said("2 + 3 = 6", "answer: 9"), said("2 + 3 = 5", "answer: 8"), said("")]
    labels = rollout_labels(policy, chains, LINES, Answers(), 4)
    assert [chain.labels for chain in labels] == [(0.75, 1.0), (0.0, 1.0), (0.75, 0.0)]
    assert policy.asked == ["2 + 3 = 5\n", "2 + 3 = 6\n"], "where the next step begins; equal ones once"
    assert [hardened(chain).labels for chain in labels] == [(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]
    assert labels[0].meta["rollouts"] == 4


def test_shares_are_of_what_went_on_and_chains_that_can_t_be_continued_are_left_out():
    class Partly(Scripted):
        def continued(self, begun, n=1, *, seed=0):
            return [texts[:3] if "= 5" in texts[0] else [] for texts in super().continued(begun, n)]

    chains = [said("2 + 3 = 5", "answer: 9"), said("2 + 3 = 6", "answer: 9"), said("answer: 9")]
    labels = rollout_labels(Partly(), chains, LINES, Answers(), 4)
    assert [chain.labels for chain in labels] == [(pytest.approx(2 / 3), 1.0), (1.0,)]


def test_a_policy_that_can_t_go_on_is_refused():
    with pytest.raises(Unsupported, match="can't go on with a response"):
        rollout_labels(object(), [said("a", "b")], LINES, Answers(), 4)


def filled(path, *labels):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps({**line, "labels": one}) + "\n" for line, one in zip(lines, labels, strict=True))
    )


def test_people_fill_in_a_sheet(tmp_path):
    path = tmp_path / "sheet.jsonl"
    assert write_sheet([said("a", "b", "c"), said("d"), said("e", "f"), said("")], LINES, path) == 3
    assert read_sheet(path) == type(read_sheet(path))([], 3)
    filled(path, ["right", "wrong", None], [0.5], ["right", None])
    sheet = read_sheet(path)
    assert [chain.labels for chain in sheet.done] == [(1.0, 0.0, 0.0), (0.5,)]
    assert sheet.open == 1
    page = path.with_suffix(".html").read_text()
    assert '"steps": ["a", "b", "c"]' in page
    assert "://" not in page
    with pytest.raises(InputError, match="there already"):
        write_sheet([said("a")], LINES, path)


def test_a_step_can_t_break_out_of_its_page(tmp_path):
    write_sheet([said("</script><script>alert(1)</script>")], LINES, tmp_path / "sheet.jsonl")
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("</script>") == 3


@pytest.mark.parametrize(
    ("labels", "told"),
    [(["right"], r"sheet.jsonl:2: 2 steps but 1 labels; write one for each step"),
     ("right", r'sheet.jsonl:2: 2 steps but "right" labels'),
     (["right", "good"], r"sheet.jsonl:2: the label 'good' is unknown"),
     (["right", 7], r"sheet.jsonl:2: the label 7 is unknown")],
)  # fmt: skip
def test_a_line_that_can_t_be_read_is_named(tmp_path, labels, told):
    path = tmp_path / "sheet.jsonl"
    write_sheet([said("a"), said("b", "c")], LINES, path)
    filled(path, [1], labels)
    with pytest.raises(InputError, match=told):
        read_sheet(path)


def test_another_file_is_no_sheet(tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"prompt": "hello"}\n')
    with pytest.raises(InputError, match=r"other.jsonl:1: not a line of a sheet"):
        read_sheet(path)
