"""Puzzles learnt by iterated amplification and by its controls: each training run a job, several side by side."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..config import Amplification
from ..feedback.amplify import Node
from ..files import read_json, write_json
from ..learn.amplification import METHODS, Batch, Spelling, Student, amplification, amplify, draw, silent, updates
from ..models.batching import seed_of
from ..run import Run
from ..worlds.puzzles import PUZZLES, Puzzle
from .side_by_side import complete_all

HELDOUT, PROBES, TREES = 100, 10, 3
"""Held-out cases, with about one question of each depth; probes after the first; and trees kept of a puzzle."""
REACH_CASES = 50

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One training run, and the file that its outcome is written to."""

    puzzle: str
    method: str
    seed: int
    settings: Amplification
    file: Path


def study(name: str, settings: Amplification, run: Run) -> list[Row]:
    """Every method at every seed on a puzzle: the rows that `complete` wrote. A finished job is read back."""
    folder = run.stage_folder(name)
    jobs = [
        Job(name, method, run.seed + i, settings, folder / f"{method}-{run.seed + i}.json")
        for i in range(settings.seeds)
        for method in settings.methods
    ]
    if not run.stage_done(name):
        with run.stage(name), run.progress(name, len(jobs)) as bar:
            todo = [job for job in jobs if not job.file.exists()]
            todo.sort(key=lambda job: METHODS[job.method].amplified, reverse=True)  # the long ones first
            bar(len(jobs) - len(todo))
            complete_all(
                complete, todo, settings.processes,
                tick=lambda: bar(sum(job.file.exists() for job in jobs)),
                where=folder, setting="amplification.processes",
            )  # fmt: skip
    return [read_json(job.file) for job in jobs]


def complete(job: Job) -> None:
    """One training run on one thread, its probes, and trees of what its model says."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        puzzle, settings = PUZZLES[job.puzzle](), job.settings
        heldout = held_out(puzzle, job.seed)
        steps = updates(puzzle, settings)
        probed = sorted({round(i * steps / PROBES) for i in range(PROBES + 1)})
        probes, student = amplification(puzzle, METHODS[job.method], settings, heldout, job.seed, probed)
    finally:
        torch.set_num_threads(threads)
    rows = [asdict(probe) | {"right": list(map(int, probe.right))} for probe in probes]
    trees = [tree(puzzle, student, heldout, *place).row for place in _deepest(heldout)]
    depths = heldout.depths.flatten().tolist()
    write_json(job.file, {"method": job.method, "seed": job.seed, "depths": depths, "probes": rows, "trees": trees})


def held_out(puzzle: Puzzle, seed: int) -> Batch:
    """About as many questions of every depth, about cases that no training sees."""
    weights = [1.0] * (puzzle.depths + 1)
    return draw(puzzle, HELDOUT, len(weights), weights, random.Random(seed_of(seed, "heldout")), "heldout")


def reach(puzzle: Puzzle) -> int:
    """The deepest depth at which the overseer answers every question from facts alone."""
    spelling = Spelling(puzzle.width, puzzle.tokens)
    cases = draw(puzzle, REACH_CASES, puzzle.depths + 1, [1.0] * (puzzle.depths + 1), random.Random(0))

    def decide(rows: torch.Tensor) -> torch.Tensor:
        return torch.tensor([spelling.move_of(puzzle.next_move(*spelling.read(one))) for one in rows.tolist()])

    alone = amplify(cases.facts, cases.questions, decide, partial(silent, spelling), puzzle.moves, spelling)
    known = alone.answers < spelling.tokens
    return max((d for d in range(puzzle.depths + 1) if known[cases.depths <= d].all()), default=-1)


def _deepest(heldout: Batch) -> list[tuple[int, int]]:
    """Cases with the place of their first question of the greatest depth."""
    first: dict[int, int] = {}
    for case, at in (heldout.depths == heldout.depths.max()).nonzero().tolist():
        first.setdefault(case, at)
    return list(first.items())[:TREES]


def tree(puzzle: Puzzle, student: Student, batch: Batch, case: int, at: int) -> Node:
    """What X says to a question and to all that it falls apart into, down to facts; a note tells a wrong answer."""
    rows = batch.facts[case : case + 1]
    facts = {tuple(row[:-1]): row[-1] for row in rows[0].tolist()}

    def grown(question: tuple[int, ...]) -> Node:
        if question in facts:
            return Node(puzzle.words(question), str(facts[question]), "facts")
        said, truth = int(student.answers(rows, torch.tensor([[question]]))), puzzle.truth(facts, question)
        children: list[Node] = []
        answers: list[int] = []
        while isinstance(asked := puzzle.next_move(question, answers), tuple):
            children.append(grown(asked))
            answers.append(puzzle.truth(facts, asked) if asked not in facts else facts[asked])
        note = f"truth: {truth}" if said != truth else ""
        return Node(puzzle.words(question), str(said), "model", note=note, children=tuple(children))

    return grown(tuple(batch.questions[case, at].tolist()))
