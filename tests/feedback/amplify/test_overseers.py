from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gyrocompass.errors import InputError, Waiting
from gyrocompass.feedback.amplify import (
    Answer,
    Ask,
    Asked,
    Direct,
    Limits,
    Move,
    People,
    PolicyOverseer,
    State,
    answer_by_amplification,
)
from gyrocompass.feedback.amplify.overseers import UNREADABLE, posed, read_move
from gyrocompass.protocols import Floats
from gyrocompass.records import Example, Prompt


@pytest.mark.parametrize(
    ("reply", "move"),
    [
        ("ask: what is 2+2?", Ask("what is 2+2?")),
        ("I shall think.\n**Ask:** what is 2+2?\nanswer: 5", Ask("what is 2+2?")),
        ("Answer: 4", Answer("4")),
        ("answer: I don't know.", Answer(None)),
        ("direct", Direct()),
        ("`direct`", Direct()),
        ("ask:", Answer(None, UNREADABLE)),
        ("four, I should say", Answer(None, UNREADABLE)),
        ("", Answer(None, UNREADABLE)),
    ],
)
def test_a_move_is_read_from_a_reply(reply: str, move: Move) -> None:
    assert read_move(reply) == move


class Says:
    """A policy that gives these replies in turn."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.prompts: list[Prompt] = []

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        self.prompts += prompts
        return [[self.replies.pop(0)] for _ in prompts]

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        raise NotImplementedError


def test_a_model_oversees_and_sees_questions_and_answers_alone() -> None:
    policy = Says("ask: 1+1", "answer: 2, as I thought")
    (tree,) = answer_by_amplification(["1+1+0"], PolicyOverseer(policy), lambda qs: ["two"] * len(qs), Limits(depth=1))
    assert tree.answer == "2, as I thought"
    assert policy.prompts == [posed(State("1+1+0")), posed(State("1+1+0", (("1+1", "two"),)))]


def people(file: Path) -> str | None:
    return answer_by_amplification(["q"], People(file), lambda qs: ["yes"] * len(qs), Limits(depth=1))[0].answer


def fill(file: Path, move: str) -> None:
    *before, last = file.read_text().splitlines()
    file.write_text("".join(f"{line}\n" for line in [*before, json.dumps(json.loads(last) | {"move": move})]))


def test_people_fill_in_their_moves_and_lose_none(tmp_path: Path) -> None:
    file = tmp_path / "moves.jsonl"
    for move in ("ask: is it so?", "answer: it is"):
        with pytest.raises(Waiting, match=r"1 of . replies are waited for"):
            people(file)
        with pytest.raises(Waiting, match=r"1 of . replies"):
            people(file)
        fill(file, move)
    assert people(file) == "it is"
    assert len(file.read_text().splitlines()) == 2


def test_a_row_of_people_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "moves.jsonl"
    with pytest.raises(Waiting):
        people(file)
    fill(file, "well")
    with pytest.raises(InputError, match=r"moves.jsonl:1: 'well' is no move"):
        people(file)
    file.write_text('{"question": "q"}\n')
    with pytest.raises(InputError, match=r"moves.jsonl:1: no such row; a row has question, asked and move"):
        people(file)


def test_what_was_asked_is_never_asked_again(tmp_path: Path) -> None:
    def overseer(states: Sequence[State]) -> list[Move]:
        return [Answer(s.asked[0][1]) if s.asked else Ask(f"sub {s.question}") for s in states]

    def run(helper: object, overseer: object = overseer) -> Asked:
        asked = Asked(tmp_path / "asked.jsonl", overseer, helper)  # type: ignore[arg-type]
        trees = answer_by_amplification(["a", "b"], asked.decide, asked.help, Limits(depth=1))
        assert [tree.answer for tree in trees] == ["re sub a", "re sub b"]
        return asked

    def fail(_: object) -> list[str]:
        raise AssertionError

    assert run(lambda qs: [f"re {q}" for q in qs]).new == 6
    assert run(fail, fail).new == 0


def test_a_torn_first_line_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text('{"question": "a", "rep')
    Asked(tmp_path / "asked.jsonl", lambda _: [], lambda qs: [f"re {q}" for q in qs]).help(["a"])
    assert Asked(tmp_path / "asked.jsonl", lambda _: [], lambda _: []).help(["a"]) == ["re a"]


def test_a_kill_between_two_calls_loses_nothing(tmp_path: Path) -> None:
    calls: list[str] = []

    def helper(questions: Sequence[str]) -> list[str]:
        calls.extend(questions)
        return [f"re {q}" for q in questions]

    def killed(states: Sequence[State]) -> list[Move]:
        if any(s.asked for s in states):
            raise KeyboardInterrupt
        return [Ask("sub") for _ in states]

    def go(overseer: object) -> str | None:
        asked = Asked(tmp_path / "asked.jsonl", overseer, helper)  # type: ignore[arg-type]
        return answer_by_amplification(["a"], asked.decide, asked.help, Limits(depth=1))[0].answer

    with pytest.raises(KeyboardInterrupt):
        go(killed)
    assert go(lambda states: [Answer(s.asked[0][1]) for s in states]) == "re sub"
    assert calls == ["sub"]
