"""Iterated amplification: on puzzles against its controls, then of a language model, on sums or own questions.

Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import data
from ..config import Access, Recipe
from ..feedback.amplify import Node
from ..files import read_jsonl, write_json, write_jsonl
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..records import Example, user
from ..run import Run
from ..worlds.puzzles import PUZZLES
from ..worlds.town.sums import draw_sum_of, number_in, terms_of, total
from . import stages
from .amplification import reach, study
from .amplified_model import SELF, TREES, amplified, learnt, rounds
from .amplify_findings import IDA, ONE_SHOT, Learnt, Sums, content, measurements, sentences
from .task import TOWN_NAME, base_of, recorded

FILE = "amplify.json"
KNOWN_TERMS = 2
"""Terms of the sums that the town's base model can do."""


class Taught(NamedTuple):
    """A model: what it is called, the seed of its training, and its folder."""

    name: str
    seed: int
    folder: str


def amplify(recipe: Recipe, run: Run, access: Access | None = None) -> None:
    """Runs or resumes the whole road; writes amplify.json and rows of evals.json."""
    town = recipe.data == TOWN_NAME
    # 1. Puzzles: every method at every seed, from nothing.
    puzzles = recipe.amplification.puzzles if town else ()
    learnt_puzzles = [
        Learnt(PUZZLES[name](), reach(PUZZLES[name]()), tuple(study(name, recipe.amplification, run)))
        for name in puzzles
    ]
    # 2. A language model: amplified, distilled, again.
    sums = _sums(recipe, run) if town else _own(recipe, run, access)
    # 3. What came of it.
    run.measure(measurements(learnt_puzzles, sums))
    write_json(run.folder / FILE, content(recipe, learnt_puzzles, sums))
    run.save(status="done", summary=sentences(learnt_puzzles, sums))


def _sums(recipe: Recipe, run: Run) -> Sums:
    """The town's sums, learnt at every seed; all models answer the same held-out ones."""
    if recipe.amplify.overseer == SELF:
        scripted = recipe.amplify.model_copy(update={"overseer": TOWN_NAME})
        recipe = recipe.model_copy(update={"amplify": scripted})
    base = base_of(recipe.model)
    taught = [Taught("base", recipe.seed, base)]
    for seed in range(recipe.seed, recipe.seed + recipe.amplification.seeds):
        taught += _taught(recipe, run, base, seed)
    return Sums(_answered(recipe, run, taught), _trees(run))


def _taught(recipe: Recipe, run: Run, base: str, seed: int) -> list[Taught]:
    """The model after each round, which asks for one term more than the round before; and the one-shot control."""
    config = recipe.amplify
    end = "" if seed == recipe.seed else f"-seed-{seed}"

    def asked(round: int) -> list[str]:
        return _drawn(config.questions, KNOWN_TERMS + round, seed_of(seed, "sums", round))

    models = rounds(run, base, asked, config, recipe.sft, recipe.sampling, recipe.compute, name=f"{IDA}{end}")
    # The control: as many questions in all, of the last round's lengths, amplified once and distilled once.
    n, most = config.questions * config.iterations, KNOWN_TERMS + config.iterations
    trees = amplified(
        run, base, _drawn(n, most, seed_of(seed, "sums")), config, recipe.sampling, recipe.compute,
        name=f"{ONE_SHOT}{end}-amplify",
    )  # fmt: skip
    single = stages.sft(run, base, learnt(run, trees), recipe.sft, recipe.compute, name=f"{ONE_SHOT}{end}")
    after = [Taught(f"{IDA}-{i}", seed, str(model)) for i, model in enumerate(models, 1)]
    return [*after, Taught(ONE_SHOT, seed, str(single))]


def _drawn(n: int, most: int, seed: int) -> list[str]:
    """n questions to learn from: half are of `most` terms, the others shorter."""
    rng = random.Random(seed)
    lengths = range(KNOWN_TERMS, most + 1)
    weights = [1.0] * (len(lengths) - 1) + [float(len(lengths) - 1)]
    return [draw_sum_of(terms, "train", rng) for terms in rng.choices(lengths, weights, k=n)]


def _answered(recipe: Recipe, run: Run, taught: Sequence[Taught]) -> list[dict[str, Any]]:
    """A row for each held-out question and model: its terms, and whether the answer is right."""
    file = run.stage_folder("evaluation") / "answers.jsonl"
    if not run.stage_done("evaluation"):
        rng = random.Random(seed_of(recipe.seed, "heldout sums"))
        lengths = range(KNOWN_TERMS, KNOWN_TERMS + recipe.amplify.iterations + 1)
        each = recipe.evaluation.prompts // len(lengths)
        asked = [q for terms in lengths for q in dict.fromkeys(draw_sum_of(terms, "heldout", rng) for _ in range(each))]
        with run.stage("evaluation"), run.progress("evaluation", len(taught)) as tick:
            rows: list[dict[str, Any]] = []
            for done, one in enumerate(taught, 1):
                policy = LocalPolicy(load(one.folder, stages.frozen(recipe.compute)), recipe.sampling)
                drawn = policy.sample([user(q) for q in asked], seed=seed_of(recipe.seed, "answers"))
                rows += [_row(one, q, reply) for q, (reply,) in zip(asked, drawn, strict=True)]
                tick(done)
            write_jsonl(file, rows)
    return read_jsonl(file)


def _row(of: Taught, question: str, reply: str) -> dict[str, Any]:
    row = {"model": of.name, "seed": of.seed, "question": question, "terms": terms_of(question), "reply": reply}
    return row | {"right": number_in(reply) == total(question)}


def _trees(run: Run) -> dict[str, list[Node]]:
    """What was amplified, by stage."""
    files = sorted(run.folder.glob(f"stages/*-amplify*/{TREES}"))
    return {file.parent.name[3:]: [Node.from_row(row) for row in read_jsonl(file)] for file in files}


def _own(recipe: Recipe, run: Run, access: Access | None) -> Sums:
    """A user's own questions, the same in every round."""
    questions = asked_in(recipe.data, run)
    rounds(
        run, base_of(recipe.model), lambda i: questions, recipe.amplify, recipe.sft, recipe.sampling, recipe.compute,
        access,
    )  # fmt: skip
    return Sums([], _trees(run))


def asked_in(source: str, run: Run) -> Sequence[str]:
    """The last user turn of each prompt. Raises InputError if there is none."""
    return put_in(recorded(source, run, *data.read_examples(source)))


def put_in(examples: Sequence[Example]) -> list[str]:
    """The last user turns, each once."""
    return list(dict.fromkeys(turn.content for e in examples for turn in e.prompt[-1:] if turn.role == "user"))
