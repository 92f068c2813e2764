"""Iterated amplification of a model that starts from nothing, and its controls.

Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575, sec. 2 and 3.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...config import Amplification
from ...models.batching import seed_of
from ..loop import schedule
from .amplify import Help, amplify
from .overseer import Imitator, Overseer
from .reader import Question, Reader, Spelling, update

Facts = Mapping[Question, int]
Split = Literal["train", "heldout"]
WARMUP_FRACTION = 0.1
"""Share of the steps in which the rate rises."""
FRESH, LESSONS, EVERY = 40, 2, 5
"""For so many steps at a new depth H' has this many lessons from H at each; after that one every so many steps."""
SMOOTHING = 0.9
PER_CASE = 24
"""Questions about a case in a step: its facts are read once for all of them."""
BEYOND = 2
"""How many more passes X makes over facts than a question is deep."""


@runtime_checkable
class Puzzle(Protocol):
    """What the loop needs of a task: see `worlds.puzzles`."""

    width: int
    tokens: int
    facts: int
    moves: int
    depths: int
    pace: float

    def draw(self, rng: random.Random, split: Split) -> Facts: ...
    def questions(self, facts: Facts, depth: int) -> Sequence[Question]: ...
    def next_move(self, question: Question, answers: Sequence[int]) -> Question | int: ...
    def truth(self, facts: Facts, question: Question) -> int: ...


@dataclass(frozen=True, slots=True)
class Method:
    """Where X's labels come from: amplified answers, of a helper that learns or of facts alone, or the truth."""

    amplified: bool = True
    iterated: bool = True
    averaged: bool = True
    noisy: bool = False


METHODS: Mapping[str, Method] = {
    "ida": Method(),
    "supervised": Method(amplified=False),
    "one-shot": Method(iterated=False),
    "no-ema": Method(averaged=False),
    "noisy": Method(noisy=True),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """C cases, and as many questions about each, each of a depth."""

    facts: Int[Tensor, "C F S"]
    questions: Int[Tensor, "C Q W"]
    depths: Int[Tensor, "C Q"]
    truths: Int[Tensor, "C Q"]
    """For measuring and for the supervised control; amplification reads none."""


@dataclass(frozen=True, slots=True)
class Probe:
    """X after a step: its answers right or not, (N,), by question; the deepest questions asked by then; H's moves."""

    step: int
    right: tuple[bool, ...]
    level: int
    calls: int
    idk_fraction: float
    label_accuracy: float | None
    """Share of the last step's labels that are true; None where there is none."""


def draw(
    puzzle: Puzzle, cases: int, each: int, weights: Sequence[float], rng: random.Random, split: Split = "train"
) -> Batch:
    """`each` questions about every one of so many cases of a split, their depths by weight among those that the facts
    reach."""
    drawn = []
    for _ in range(cases):
        facts = puzzle.draw(rng, split)
        reached = [puzzle.questions(facts, depth) for depth in range(len(weights))]
        possible = [weight * bool(some) for weight, some in zip(weights, reached, strict=True)]
        depths = rng.choices(range(len(weights)), possible, k=each)
        questions = [rng.choice(reached[depth]) for depth in depths]
        truths = [puzzle.truth(facts, question) for question in questions]
        drawn.append(([[*key, value] for key, value in facts.items()], questions, depths, truths))
    return Batch(*(torch.tensor(column) for column in zip(*drawn, strict=True)))


class Student:
    """X, its slowly moving average that answers sub-questions, and its optimiser."""

    def __init__(self, puzzle: Puzzle, spelling: Spelling, settings: Amplification, *, averaged: bool) -> None:
        self.spelling, self.sure = spelling, settings.sure
        self.network = Reader(spelling, settings.width, puzzle.depths + BEYOND)
        decay = settings.decay if averaged else 0.0
        self.teacher = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=0.0, fused=True)

    def logits(self, network: nn.Module, facts: Tensor, questions: Tensor) -> Tensor:
        """Of the answers, (C, Q, tokens)."""
        logits: Tensor = network(facts, self.spelling.asking(questions))[..., : self.spelling.tokens]
        return logits

    @torch.no_grad()
    def help(self, facts: Int[Tensor, "C F S"], questions: Int[Tensor, "C Q W"]) -> Int[Tensor, "C Q"]:
        """The teacher's answers, idk where it isn't sure."""
        p, answers = self.logits(self.teacher, facts, questions).softmax(-1).max(-1)
        return torch.where(p >= self.sure, answers, self.spelling.idk)

    def learn(self, batch: Batch, labels: Int[Tensor, "C Q"], rate: float) -> Int[Tensor, "C Q"]:
        """One update on the labels that aren't idk; returns what X answered before."""
        known = labels < self.spelling.tokens
        logits = self.logits(self.network, batch.facts, batch.questions)
        if known.any():
            update(self.optimiser, F.cross_entropy(logits[known], labels[known]), rate)
            self.teacher.update_parameters(self.network)
        return logits.argmax(-1)

    @torch.no_grad()
    def answers(self, facts: Int[Tensor, "C F S"], questions: Int[Tensor, "C Q W"]) -> Int[Tensor, "C Q"]:
        """X's own answers, however sure it is."""
        return self.logits(self.network, facts, questions).argmax(-1)

    def right(self, batch: Batch) -> tuple[bool, ...]:
        """Which of X's answers are true, case after case."""
        return tuple((self.answers(batch.facts, batch.questions) == batch.truths).flatten().tolist())


@dataclass
class Curriculum:
    """The depths asked of X: one more as soon as X gives, of the deepest, so many of its teacher's answers."""

    deepest: int
    agreement: float
    level: int = 1
    agreed: float = 0.0
    since: int = 0

    @property
    def weights(self) -> list[float]:
        """Half of the questions are of the deepest level, the others of all below in equal parts."""
        return [*[1.0] * self.level, float(self.level)]

    def lessons(self, step: int) -> int:
        """How often H is asked before this step."""
        return LESSONS if step - self.since <= FRESH else int(step % EVERY == 0)

    def note(self, step: int, batch: Batch, answers: Int[Tensor, "C Q"], labels: Int[Tensor, "C Q"]) -> None:
        deepest = batch.depths == self.level
        if deepest.any():
            share = float((answers == labels)[deepest].float().mean())
            self.agreed = SMOOTHING * self.agreed + (1 - SMOOTHING) * share
        if self.agreed >= self.agreement and self.level < self.deepest:
            self.level, self.agreed, self.since = self.level + 1, 0.0, step


def amplification(
    puzzle: Puzzle,
    method: Method,
    settings: Amplification,
    heldout: Batch,
    seed: int,
    probes: Sequence[int],
    tick: Callable[[int], None] = lambda step: None,
) -> tuple[list[Probe], Student]:
    """X trained by a method, and what it was found to know of held-out questions after these steps, 0 being before the
    first."""
    torch.manual_seed(seed_of(seed, "amplification"))
    steps = updates(puzzle, settings)
    rng, spelling = random.Random(seed), Spelling(puzzle.width, puzzle.tokens)
    student = Student(puzzle, spelling, settings, averaged=method.averaged)
    overseer = Overseer(puzzle.next_move, spelling, settings.noise * method.noisy, rng)
    imitator = Imitator(puzzle.moves, spelling, settings.width)
    help: Help = student.help if method.iterated else partial(silent, spelling)
    curriculum = Curriculum(puzzle.depths, settings.agreement, level=1 if method.amplified else puzzle.depths)
    found = [Probe(0, student.right(heldout), curriculum.level, 0, 0.0, None)] if 0 in probes else []
    ask = partial(amplify, help=help, moves=puzzle.moves, spelling=spelling)
    for step in range(1, steps + 1):
        rate = settings.learning_rate * schedule((step - 1) / steps, WARMUP_FRACTION)
        batch = draw(puzzle, settings.batch_size, PER_CASE, curriculum.weights, rng)
        labels = batch.truths
        if method.amplified:
            for _ in range(curriculum.lessons(step)):
                # 1. H takes a few questions apart, helped by X's teacher; every move is a call.
                few = draw(puzzle, settings.overseer_questions, 1, curriculum.weights, rng)
                ask(few.facts, few.questions, overseer)
                # 2. H' learns to predict H's moves.
                imitator.learn(overseer, settings.learning_rate)
            # 3. H', helped by the teacher, answers many questions.
            labels = ask(batch.facts, batch.questions, imitator).answers
        # 4. X learns these answers, and its teacher follows slowly.
        answers = student.learn(batch, labels, rate)
        # 5. Deeper questions come once X agrees with its teacher amplified.
        curriculum.note(step, batch, answers, labels)
        if step in probes:
            found.append(_probe(step, student, heldout, curriculum, overseer, batch, labels))
        tick(step)
    return found, student


def updates(puzzle: Puzzle, settings: Amplification) -> int:
    """X's updates in a training run, the same for every method."""
    return round(settings.steps * puzzle.depths * puzzle.pace)


def silent(spelling: Spelling, facts: Int[Tensor, "C F S"], questions: Int[Tensor, "C Q W"]) -> Int[Tensor, "C Q"]:
    """A helper that knows nothing: the overseer has the facts alone."""
    return torch.full_like(questions[..., 0], spelling.idk)


def _probe(
    step: int,
    student: Student,
    heldout: Batch,
    curriculum: Curriculum,
    overseer: Overseer,
    batch: Batch,
    labels: Int[Tensor, "C Q"],
) -> Probe:
    known = labels < student.spelling.tokens
    accuracy = float((labels == batch.truths)[known].float().mean()) if known.any() else None
    idk = 1 - float(known.float().mean())
    return Probe(step, student.right(heldout), curriculum.level, overseer.calls, idk, accuracy)
