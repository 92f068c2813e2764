"""What Constitutional AI starts from: principles, prompts that ask for harm, and what people say of the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from .. import data
from ..config import Recipe
from ..errors import InputError
from ..feedback.constitution import Constitution, read_constitution
from ..feedback.rules import hash_of
from ..models.batching import seed_of, shuffled
from ..records import Example, Preference, Prompt
from ..run import Run
from ..worlds import town
from .task import (
    MIN_HELDOUT,
    TOWN_NAME,
    Label,
    Task,
    base_of,
    open_task,
    read_demonstrations,
    read_preferences,
    recorded,
    unchanged,
)

HARM_KINDS = ("harmful", "jailbreak", "rude")
"""Kinds of the town's prompts of which no person's word is used; the others are benign, look-alikes among them."""
BENIGN_KINDS = tuple(kind for kind in town.KINDS if kind not in HARM_KINDS)


@dataclass(frozen=True)
class Material:
    """`chained` are the prompts whose responses are revised and judged by principles, `benign` those that get a pair
    for helpfulness, `helpful` the responses that are learnt beside the revisions. `people` compares responses to
    benign prompts; `preferences` is what people said already.
    """

    task: Task
    constitution: Constitution
    chained: list[Example]
    benign: list[Prompt] = field(default_factory=list)
    helpful: list[Example] = field(default_factory=list)
    people: Label | None = None
    preferences: list[Preference] = field(default_factory=list)

    @property
    def prompts(self) -> list[Prompt]:
        """What RL-CAI is trained on: each prompt once."""
        asked = [example.prompt for example in self.chained]
        return list(dict.fromkeys([*asked, *self.benign, *(p.prompt for p in self.preferences)]))

    @property
    def kinds(self) -> dict[Prompt, str]:
        """The kind of each prompt that has one."""
        return {example.prompt: example.kind for example in self.chained if example.kind}

    @property
    def questions(self) -> dict[Prompt, str]:
        """What each prompt asks, whatever its phrasing, where that is known."""
        return {e.prompt: str(e.meta["question"]) for e in self.chained if "question" in e.meta}


def open_material(recipe: Recipe, run: Run) -> Material:
    """What a recipe names. Raises InputError as `held_to` does, if data can't be read, or model and data don't fit."""
    constitution = held_to(recipe, run)
    opened = _of_town if recipe.data == TOWN_NAME else _of_files
    return opened(recipe, run, constitution)


def held_to(recipe: Recipe, run: Run) -> Constitution:
    """The principles; their hash, and that of the rules, are recorded in the run.

    Raises InputError if either can't be read, lacks what is needed, or isn't what it was when the run began.
    """
    config, constitution = recipe.cai, read_constitution(recipe.cai.constitution)
    if config.critiques:
        constitution.having("critique", "revision")
    constitution.having("revision")
    unchanged(run, "constitution", config.constitution, constitution.name, constitution.hash)
    if config.rules:
        unchanged(run, "rules", config.rules, Path(config.rules).stem, hash_of(config.rules))
    else:
        constitution.having(constitution.judged_by)
    return constitution


def judged_prompts(recipe: Recipe) -> list[Prompt]:
    """The prompts that a judge by principles gets a pair for, at most, before there is a run."""
    by_model = recipe.cai.helpfulness == "model"
    if recipe.data == TOWN_NAME:
        asked, others = _chained(recipe), _benign(recipe) if by_model else []
    else:
        asked, _ = _split(recipe, data.read_examples(recipe.data)[0])
        asked = asked[: recipe.cai.chains]
        others = data.read_examples(recipe.demonstrations)[0] if recipe.demonstrations and by_model else []
    return [example.prompt for example in (*asked, *others)]


def _chained(recipe: Recipe) -> list[Example]:
    return town.prompts(recipe.cai.chains, seed_of(recipe.seed, "chained"), kinds=HARM_KINDS)


def _benign(recipe: Recipe) -> list[Example]:
    return town.prompts(recipe.preferences.prompts, seed_of(recipe.seed, "benign"), kinds=BENIGN_KINDS)


def _of_town(recipe: Recipe, run: Run, constitution: Constitution) -> Material:
    task = open_task(recipe, run)
    return Material(
        task,
        constitution,
        chained=_chained(recipe),
        benign=[example.prompt for example in _benign(recipe)],
        helpful=[example for example in task.demonstrations if example.kind in BENIGN_KINDS],
        people=task.label if recipe.cai.helpfulness == "people" else None,
    )


def _of_files(recipe: Recipe, run: Run, constitution: Constitution) -> Material:
    if recipe.model == TOWN_NAME:
        raise InputError(
            f"data = {recipe.data} needs a model that knows its language; set model to a folder or hub name"
        )
    config = recipe.cai
    if config.constitution == TOWN_NAME:
        raise InputError("cai.constitution = town speaks the town's language; give a file, or one such as assistant")
    asked, heldout = _split(recipe, recorded(recipe.data, run, *data.read_examples(recipe.data)))
    held = {example.prompt for example in heldout}
    helpful = _others(read_demonstrations(recipe.demonstrations, run), held, run) if recipe.demonstrations else []
    by_model = config.helpfulness == "model"
    said = read_preferences(config.preferences, run) if config.preferences and not by_model else []
    preferences = _others(said, held, run)
    if not by_model and not preferences:
        run.warn("nobody says what is helpful: set cai.preferences to a file, or cai.helpfulness to model")
    known = {example.prompt for example in asked}
    benign = dict.fromkeys(example.prompt for example in helpful if example.prompt not in known)
    task = Task(
        base_of(recipe.model), helpful, [example.prompt for example in asked], heldout[: recipe.evaluation.prompts]
    )
    return Material(
        task, constitution, asked[: config.chains], list(benign) if by_model else [], helpful, None, preferences
    )


Learnt = TypeVar("Learnt", Example, Preference)


def _others(records: list[Learnt], held: Collection[Prompt], run: Run) -> list[Learnt]:
    """The records on prompts that aren't held out; the others are counted in a warning."""
    kept = [record for record in records if record.prompt not in held]
    if len(kept) < len(records):
        run.warn(f"{len(records) - len(kept):,} records are on held-out prompts and are not learnt from")
    return kept


def _split(recipe: Recipe, examples: list[Example]) -> tuple[list[Example], list[Example]]:
    """Distinct prompts to learn from, and others held out, in orders drawn from the seed. Raises InputError for few."""
    distinct = list({example.prompt: Example(example.prompt, meta=example.meta) for example in examples}.values())
    order = shuffled(len(distinct), seed_of(recipe.seed, "heldout"))
    n = max(MIN_HELDOUT, round(recipe.reward.heldout_fraction * len(distinct)))
    if len(distinct) < 2 * MIN_HELDOUT:
        raise InputError(f"{recipe.data}: {len(distinct)} prompts are too few to learn from and measure on; bring more")
    return [distinct[i] for i in order[n:]], [distinct[i] for i in order[:n]]
