from __future__ import annotations

import random

import pytest
import torch

from gyrocompass.config import Amplification
from gyrocompass.learn.amplification import (
    METHODS,
    Curriculum,
    Decider,
    Imitator,
    Overseer,
    Reader,
    Spelling,
    Student,
    amplification,
    draw,
)
from gyrocompass.worlds.puzzles import Facts, Powering, Wildcard, split_of

SMALL = Amplification(steps=10, batch_size=4, width=16, overseer_questions=4)


def test_facts_have_no_order_and_each_question_is_answered_by_itself() -> None:
    torch.manual_seed(0)
    reader = Reader(Spelling(2, 5), width=16, passes=3)
    facts, questions = torch.randint(0, 5, (3, 4, 3)), torch.randint(0, 5, (3, 6, 3))
    logits = reader(facts, questions)
    assert logits.shape == (3, 6, Spelling(2, 5).size)
    assert torch.allclose(logits, reader(facts[:, [2, 3, 1, 0]], questions), atol=1e-5)
    assert torch.allclose(logits[:, 2:3], reader(facts, questions[:, 2:3]), atol=1e-5)
    assert not torch.allclose(logits, reader(facts.flip(2), questions), atol=1e-3)


def test_the_order_of_what_was_asked_counts_for_h_prime() -> None:
    torch.manual_seed(0)
    decider = Decider(Spelling(2, 5), rows=3, width=16)
    rows = torch.randint(0, 5, (4, 3, 3))
    assert decider(rows).shape == (4, 3, Spelling(2, 5).size)
    assert not torch.allclose(decider(rows), decider(rows[:, [0, 2, 1]]), atol=1e-3)


def test_h_prime_says_idk_where_it_is_not_sure() -> None:
    torch.manual_seed(0)
    puzzle, spelling = Powering(), Spelling(2, 9)
    overseer, imitator = Overseer(puzzle.next_move, spelling, 0.0, random.Random(0)), Imitator(2, spelling, 32)
    rows = torch.full((1, 3, 3), spelling.empty)
    rows[0, 0] = torch.tensor([4, 1, spelling.unknown])
    assert imitator(rows).tolist() == [[spelling.empty, spelling.empty, spelling.idk]]
    overseer(rows)
    for _ in range(30):
        imitator.learn(overseer, 1e-2)
    assert imitator(rows).tolist() == [[2, 1, spelling.unknown]]


def test_the_curriculum_goes_on_when_x_agrees() -> None:
    puzzle = Powering()
    course = Curriculum(deepest=2, agreement=0.5)
    batch = draw(puzzle, 10, 4, course.weights, random.Random(0))
    none = torch.full_like(batch.truths, 99)
    course.note(1, batch, batch.truths, none)
    assert (course.level, course.agreed) == (1, 0.0)
    steps = 1
    while course.level == 1:
        steps += 1
        course.note(steps, batch, batch.truths, batch.truths)
    assert steps == 8  # 1 - 0.9^7 > 0.5 for the first time
    assert [course.lessons(steps + i) for i in (1, 40)] == [2, 2]
    assert sum(course.lessons(steps + i) for i in range(41, 141)) == 20
    assert course.weights == [1.0, 1.0, 2.0]
    for step in range(100):
        course.note(steps + step, draw(puzzle, 10, 4, course.weights, random.Random(0)), batch.truths, batch.truths)
    assert course.level == 2


def test_the_teacher_says_idk_unless_it_is_sure() -> None:
    torch.manual_seed(0)
    puzzle = Powering()
    spelling, batch = Spelling(puzzle.width, puzzle.tokens), draw(puzzle, 5, 4, [1.0, 1.0], random.Random(0))
    unsure = Student(puzzle, spelling, SMALL.model_copy(update={"sure": 0.999}), averaged=True)
    bold = Student(puzzle, spelling, SMALL.model_copy(update={"sure": 0.0}), averaged=True)
    assert (unsure.help(batch.facts, batch.questions) == spelling.idk).all()
    assert (bold.help(batch.facts, batch.questions) < spelling.tokens).all()


def test_nothing_is_learnt_from_idk() -> None:
    torch.manual_seed(0)
    puzzle = Powering()
    spelling, batch = Spelling(puzzle.width, puzzle.tokens), draw(puzzle, 5, 4, [1.0, 1.0], random.Random(0))
    student = Student(puzzle, spelling, SMALL, averaged=True)
    before = [p.clone() for p in student.network.parameters()]
    student.learn(batch, torch.full_like(batch.truths, spelling.idk), 0.1)
    assert all(torch.equal(p, q) for p, q in zip(before, student.network.parameters(), strict=True))


@pytest.mark.parametrize(("averaged", "follows"), [(True, False), (False, True)])
def test_the_teacher_follows_slowly_or_is_the_model_itself(averaged: bool, follows: bool) -> None:
    torch.manual_seed(0)
    puzzle = Powering()
    spelling, batch = Spelling(puzzle.width, puzzle.tokens), draw(puzzle, 5, 4, [1.0, 1.0], random.Random(0))
    student = Student(puzzle, spelling, SMALL, averaged=averaged)
    for _ in range(3):
        student.learn(batch, batch.truths, 0.01)
    pairs = zip(student.teacher.module.parameters(), student.network.parameters(), strict=True)
    assert all(torch.equal(p, q) for p, q in pairs if q.requires_grad) is follows


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_and_is_probed_where_it_is_told(name: str) -> None:
    puzzle = Wildcard(bits=2)
    heldout = draw(puzzle, 10, 3, [1.0] * 3, random.Random(1), "heldout")
    probes, _ = amplification(puzzle, METHODS[name], SMALL, heldout, 0, (0, 7, 20))
    assert [probe.step for probe in probes] == [0, 7, 20]
    assert all(len(probe.right) == 30 for probe in probes)
    assert (probes[-1].calls > 0) is METHODS[name].amplified
    if name == "supervised":
        assert probes[-1].label_accuracy == 1.0
        assert probes[-1].idk_fraction == 0.0


def test_the_same_seed_gives_the_same_run() -> None:
    puzzle = Wildcard(bits=2)
    heldout = draw(puzzle, 10, 3, [1.0] * 3, random.Random(1), "heldout")
    first, again = (amplification(puzzle, METHODS["ida"], SMALL, heldout, 3, (5, 20))[0] for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", ["ida", "supervised"])
def test_no_method_ever_draws_a_held_out_case(name: str) -> None:
    class Watched(Wildcard):
        def truth(self, facts: Facts, question: tuple[int, ...]) -> int:
            asked.append(split_of(facts))
            return super().truth(facts, question)

    asked: list[str] = []
    puzzle = Watched(bits=2)
    heldout = draw(puzzle, 10, 3, [1.0] * 3, random.Random(1), "heldout")
    assert set(asked) == {"heldout"}
    asked.clear()
    amplification(puzzle, METHODS[name], SMALL, heldout, 0, ())
    assert set(asked) == {"train"}


def test_h_prime_waits_until_h_has_made_a_move() -> None:
    puzzle = Wildcard(bits=2)
    spelling = Spelling(puzzle.width, puzzle.tokens)
    overseer, imitator = Overseer(puzzle.next_move, spelling, 0.0, random.Random(0)), Imitator(2, spelling, 16)
    imitator.learn(overseer, 0.1)
    assert not imitator.optimiser.state


@pytest.mark.slow
def test_iterated_amplification_reaches_what_one_shot_does_not() -> None:
    puzzle, settings = Wildcard(bits=3), Amplification(steps=100)
    heldout = draw(puzzle, 50, 4, [0.0, 0.0, 1.0, 1.0], random.Random(1), "heldout")
    right = {}
    for name in ("ida", "one-shot"):
        probes, _ = amplification(puzzle, METHODS[name], settings, heldout, 0, (300,))
        right[name] = sum(probes[-1].right) / 200
    assert right["ida"] > 0.8 > 0.6 > right["one-shot"]
