"""Iterated amplification: on puzzles against its controls, then of a language model, on sums or own questions.

Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import data
from ..config import Access, Recipe
from ..errors import InputError
from ..feedback.amplify import Node, PolicyHelper
from ..files import read_jsonl, write_json, write_jsonl
from ..models.batching import seed_of
from ..models.endpoint import is_endpoint
from ..records import Example
from ..run import Run, stage_title
from ..worlds.puzzles import PUZZLES
from ..worlds.town.sums import draw_sum_of, number_in, terms_of, total
from . import stages
from .ai_feedback import judge_policy
from .amplification import reach, study
from .amplified_model import SELF, TREES, amplified, learnt, rounds
from .amplify_findings import IDA, ONE_SHOT, Learnt, Row, Sums, content, measurements, sentences
from .amplify_own import amplified_rows, answers_lacking, marked, put_in, references, shares
from .subjects import subject
from .task import TOWN_NAME, recorded

FILE = "amplify.json"
KNOWN_TERMS = 2
"""Terms of the sums that the town's base model can do."""


class Taught(NamedTuple):
    """A model: what it is called, the seed of its training, and its folder."""

    name: str
    seed: int
    folder: str


Marked = Callable[[str, str], Row]
"""What is kept of a question and a reply to it: `reply`, and whether it is `right`."""


def check(recipe: Recipe) -> None:
    """Raises InputError for what could not be distilled, or measured, after all was asked."""
    config = recipe.amplify
    if recipe.data == TOWN_NAME and not config.distil:
        raise InputError("amplify.distil = false: the town's sums measure what was distilled; give other data")
    if recipe.data == TOWN_NAME and config.task == "summaries":
        raise InputError("amplify.task = summaries: the town's questions are sums; give texts as data")
    if recipe.data != TOWN_NAME and config.overseer == TOWN_NAME:
        raise InputError(
            "amplify.overseer = town takes the town's sums apart alone; give model, people, a folder or hub name, or "
            "http://HOST:PORT/v1#NAME"
        )
    if config.distil and is_endpoint(recipe.model):
        raise InputError(
            f"{recipe.model}: an endpoint can't be fine-tuned; name a folder or hub name as model, or set "
            "amplify.distil = false (--no-distil)"
        )


def amplify(recipe: Recipe, run: Run, access: Access | None = None) -> None:
    """Runs or resumes the whole road; writes amplify.json and rows of evals.json. Raises InputError as `check` does."""
    check(recipe)
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
    base = subject(recipe.model, "model = ").source
    taught = [Taught("base", recipe.seed, base)]
    for seed in range(recipe.seed, recipe.seed + recipe.amplification.seeds):
        taught += _taught(recipe, run, base, seed)
    return Sums(_answered(recipe, run, taught, _held_out(recipe), _marked), _trees(run))


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


def _held_out(recipe: Recipe) -> list[str]:
    """As many sums of each length, of those that no model learns."""
    rng = random.Random(seed_of(recipe.seed, "heldout sums"))
    lengths = range(KNOWN_TERMS, KNOWN_TERMS + recipe.amplify.iterations + 1)
    each = recipe.evaluation.prompts // len(lengths)
    return [q for terms in lengths for q in dict.fromkeys(draw_sum_of(terms, "heldout", rng) for _ in range(each))]


def _marked(question: str, reply: str) -> Row:
    return {"terms": terms_of(question), "reply": reply, "right": number_in(reply) == total(question)}


def _answered(
    recipe: Recipe, run: Run, taught: Sequence[Taught], asked: Sequence[str], marked: Marked,
    access: Access | None = None,
) -> list[Row]:  # fmt: skip
    """A row for each model and question, which it answers alone: its reply, marked."""
    file = run.stage_folder("evaluation") / "answers.jsonl"
    if not run.stage_done("evaluation"):
        compute, seed = recipe.compute, seed_of(recipe.seed, "answers")
        with run.stage("evaluation"), run.progress("evaluation", len(taught)) as tick:
            rows: list[Row] = []
            for done, one in enumerate(taught, 1):
                policy = judge_policy(
                    one.folder, {}, recipe.sampling, compute, access or Access(), run, setting="model"
                )
                of = {"model": one.name, "seed": one.seed}
                replies = PolicyHelper(policy, seed)(asked)
                rows += [of | {"question": q} | marked(q, reply) for q, reply in zip(asked, replies, strict=True)]
                tick(done)
            write_jsonl(file, rows)
    return read_jsonl(file)


def _trees(run: Run) -> dict[str, list[Node]]:
    """What was amplified, by stage."""
    files = sorted(run.folder.glob(f"stages/*-amplify*/{TREES}"))
    return {stage_title(file.parent.name): [Node.from_row(row) for row in read_jsonl(file)] for file in files}


def _own(recipe: Recipe, run: Run, access: Access | None) -> Sums:
    """A user's own questions, the same in every round."""
    examples = recorded(recipe.data, run, *data.read_examples(recipe.data))
    questions, base = put_in(examples), subject(recipe.model, "model = ").source
    models = rounds(
        run, base, lambda i: questions, recipe.amplify, recipe.sft, recipe.sampling, recipe.compute, access, name=IDA
    )
    trees, known = _trees(run), measured_by(recipe, examples)
    if not known:
        if recipe.amplify.task == "questions" and answers_lacking(examples):
            run.warn("right answers were not counted: not every question has an answer in `answer`, or some have two")
        return Sums([], trees)
    taught = [Taught(f"{IDA}-{i}", recipe.seed, str(model)) for i, model in enumerate(models, 1)]
    alone = _answered(recipe, run, [Taught("base", recipe.seed, base), *taught], questions, marked(known), access)
    found = shares([*alone, *amplified_rows(trees, known)])
    order = ["base", *(f"{one}-{i}" for i in range(1, len(trees) + 1) for one in (f"{IDA}-amplify", IDA))]
    return Sums([], trees, {name: found[name] for name in order if name in found})


def measured_by(recipe: Recipe, examples: Sequence[Example]) -> dict[str, str]:
    """The answers by which one's own questions are measured; a summary has none."""
    return references(examples) if recipe.amplify.task == "questions" else {}
