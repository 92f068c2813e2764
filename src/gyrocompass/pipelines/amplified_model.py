"""A language model amplified by an overseer, and taught what came of it: round by round.

Source: Christiano, Shlegeris & Amodei 2018, arXiv:1810.08575; distillation is SFT on the amplified answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..config import SFT, Access, Amplify, Compute, Sampling
from ..errors import InputError
from ..feedback.amplify import (
    Asked,
    Helper,
    Limits,
    Node,
    Overseer,
    People,
    PolicyHelper,
    PolicyOverseer,
    Scripted,
    answer_by_amplification,
    notes,
    summaries,
    to_distil,
)
from ..feedback.choice import with_space
from ..files import read_jsonl, write_jsonl
from ..models.batching import seed_of
from ..protocols import Policy
from ..records import Example, user
from ..run import Run
from ..worlds.town.sums import number_in, take_apart
from . import stages
from .ai_feedback import judge_policy
from .task import TOWN_NAME

PEOPLE, SELF = "people", "model"
TREES = "trees.jsonl"
SHORTEN = "Summarise the following text in a few sentences:\n\n{text}"

Questions = Callable[[int], Sequence[str]]
"""The questions of a round, counted from 1."""


def rounds(
    run: Run,
    base: str,
    questions: Questions,
    config: Amplify,
    sft: SFT,
    sampling: Sampling,
    compute: Compute,
    access: Access | None = None,
    *,
    name: str = "ida",
) -> list[Path]:
    """Amplifies and distils `config.iterations` times; the folders of the models that learnt, one a round.

    Each round's questions are answered with the model of the round before as its helper.
    """
    models: list[Path] = []
    for i in range(1, config.iterations + 1):
        # 1. Amplify: the overseer answers with the help of the model as it is now.
        model = str(models[-1]) if models else base
        trees = amplified(run, model, questions(i), config, sampling, compute, access, name=f"{name}-amplify-{i}")
        # 2. Distil: the model learns to give these answers at once.
        if config.distil:
            models.append(stages.sft(run, model, learnt(run, trees), sft, compute, name=f"{name}-{i}"))
    return models


def amplified(
    run: Run,
    model: str,
    questions: Sequence[str],
    config: Amplify,
    sampling: Sampling,
    compute: Compute,
    access: Access | None = None,
    *,
    name: str,
) -> list[Node]:
    """A tree for each question, kept in trees.jsonl; what was asked of whom stands in asked.jsonl as it comes in."""
    file = run.stage_folder(name) / TREES
    if not run.stage_done(name):
        with run.stage(name) as folder, run.progress(name, len(questions)) as tick:
            policy = judge_policy(model, {}, sampling, compute, access or Access(), run, setting="model")
            overseer = open_overseer(config, policy, sampling, compute, access or Access(), run)
            asked = Asked(folder / "asked.jsonl", overseer, _helper(config, policy, seed_of(run.seed, name)))
            if config.task == "questions":
                with_space(policy, list(map(user, questions)))  # says so where not one fits
            put = [SHORTEN.format(text=text) for text in questions] if config.task == "summaries" else questions
            trees = answer_by_amplification(put, asked.decide, asked.help, limits_of(config))
            tick(len(trees))
            write_jsonl(file, [tree.row for tree in trees])
            stages.tell(run, [f"{name}: {note}" for note in notes(trees)])
    return [Node.from_row(row) for row in read_jsonl(file)]


def limits_of(config: Amplify) -> Limits:
    return Limits(config.depth, config.moves, config.budget)


def learnt(run: Run, trees: Sequence[Node]) -> list[Example]:
    """What the trees teach. Raises InputError if not one question was answered."""
    examples = to_distil(trees)
    if not examples:
        raise InputError(
            f"{run.folder}: none of {len(trees):,} questions was answered; raise amplify.depth or amplify.budget, or "
            "give another overseer"
        )
    return examples


def open_overseer(
    config: Amplify, policy: Policy, sampling: Sampling, compute: Compute, access: Access, run: Run
) -> Overseer:
    """H: as the settings name it. Summaries are split by length, whoever oversees."""
    if config.task == "summaries":
        return Scripted(summaries(config.words, SHORTEN, limits_of(config)))
    if config.overseer == PEOPLE:
        return People(run.folder / "moves.jsonl")
    if config.overseer == TOWN_NAME:
        return Scripted(take_apart)
    if config.overseer != SELF:
        policy = judge_policy(config.overseer, {}, sampling, compute, access, run, setting="amplify.overseer")
    return PolicyOverseer(policy, run.seed)


def _helper(config: Amplify, policy: Policy, seed: int) -> Helper:
    """The model; on the town its number is read out."""
    helper = PolicyHelper(policy, seed)
    if config.overseer != TOWN_NAME:
        return helper
    return lambda questions: [number_in(reply) or "" for reply in helper(questions)]
