"""What weak-to-strong starts from: labelled cases and their splits, and the models before they learn from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import data
from ..audits.shift.columns import question_of
from ..config import SFT, Recipe
from ..errors import InputError
from ..maths.crossed import Mask
from ..models.batching import seed_of, shuffled
from ..models.cases import Case, answer
from ..protocols import Floats
from ..records import Example, Preference, Steps
from ..run import Run
from ..worlds import town
from ..worlds.town.labelled import labelled, preferred
from .pretrain import pretrained
from .stages import frozen
from .task import TOWN_NAME, base_of, recorded

TEST_CASES = 1500
"""Held-out cases of the town."""
MIN_QUESTIONS = 20
"""The fewest questions that are split in three."""
MIN_PART = 2
"""The fewest of a part: one shows no spread from question to question."""


class Small(NamedTuple):
    """A model of the town that is less able than its base: its shape, and the tokens of the web that it reads."""

    width: int
    layers: int
    heads: int
    tokens: int


WEAK, MIDDLE = Small(32, 2, 4, 300_000), Small(64, 3, 4, 500_000)
PRETRAINING = SFT(learning_rate=3e-3, batch_size=32, loss_on="all", checkpoint_every=200)


@dataclass(frozen=True)
class Material:
    """The models by folder or hub name, and labelled cases that share no question: to learn from, and to test on."""

    weak: str
    between: tuple[str, ...]
    strong: str
    train: list[Case]
    test: list[Case]

    @property
    def questions(self) -> list[str]:
        """Of the test cases."""
        return [question_of(case) for case in self.test]

    def halves(self, seed: int) -> tuple[list[Case], list[Case]]:
        """What a seed's supervisor learns from, and what it labels for the student."""
        return split(self.train, 0.5, seed_of(seed, "halves"))


def open_material(recipe: Recipe, run: Run) -> Material:
    """What the recipe names; on the town its models are made last.

    Raises InputError if the data can't be read or split, or models and data don't fit.
    """
    settings, weak = recipe.weak_to_strong, _supervisor(recipe)
    if "bootstrap" in settings.methods and not settings.between:
        raise InputError("bootstrap goes through other models; name them in weak_to_strong.between, or leave it out")
    if recipe.data != TOWN_NAME and TOWN_NAME in (weak, *settings.between, recipe.model):
        raise InputError(f"data = {recipe.data} needs models that know its language; town is none of them")
    train, test = _of_town(recipe) if recipe.data == TOWN_NAME else _of_file(recipe, run)
    named = Material(weak, settings.between, recipe.model, train, test)
    for seed in range(recipe.seed, recipe.seed + settings.seeds):
        _check_parts(named, seed, recipe)
    return Material(*_models(recipe, run, weak), train, test)


def _supervisor(recipe: Recipe) -> str:
    """The weaker model's name. Raises InputError if there is none, or if it is the student's."""
    weak, strong = recipe.weak_to_strong.weak, recipe.model
    if weak is None:
        raise InputError("weak-to-strong needs a supervisor; set weak_to_strong.weak (--weak) to a folder or hub name")
    folders = [Path(name) for name in (weak, base_of(strong))]
    if weak != TOWN_NAME and (weak == strong or (all(f.is_dir() for f in folders) and folders[0].samefile(folders[1]))):
        raise InputError(f"{weak} is both supervisor and student, with no gap between; name a weaker one as --weak")
    return weak


def _of_town(recipe: Recipe) -> tuple[list[Case], list[Case]]:
    """Cases to learn from, and to test on, whose questions the town holds out."""
    settings = recipe.weak_to_strong
    draw: Callable[..., Sequence[Case]] = preferred if settings.readout == "likelihood" else labelled
    drawn = draw(settings.cases, seed_of(recipe.seed, "cases"))
    return list(drawn), list(draw(TEST_CASES, seed_of(recipe.seed, "test"), "heldout"))


def _of_file(recipe: Recipe, run: Run) -> tuple[list[Case], list[Case]]:
    """The same of a user's own. Raises InputError if they can't be read, or don't fit the readout."""
    settings, cases = recipe.weak_to_strong, read_cases(recipe.data, run)
    if settings.readout == "likelihood" and isinstance(cases[0], Example):
        raise InputError(f"{recipe.data}: single responses have no likelier one; set readout to head, or bring pairs")
    return split(cases, settings.test_fraction, seed_of(recipe.seed, "test"))


def _check_parts(material: Material, seed: int, recipe: Recipe) -> None:
    """Raises InputError for a part of a seed that nothing can be learnt from, or measured on."""
    own, transfer = material.halves(seed)
    parts = {"to test on": material.test, "to teach the supervisor": own, "to teach the student": transfer}
    counts = {name: len(set(map(question_of, cases))) for name, cases in parts.items()}
    if (n := sum(counts.values())) < MIN_QUESTIONS:
        raise InputError(f"{recipe.data}: {n} questions are too few to split in three; bring {MIN_QUESTIONS} or more")
    for name, cases in parts.items():
        if counts[name] < MIN_PART:
            raise InputError(
                f"{recipe.data}: too few questions {name} ({counts[name]}); bring more, or change test_fraction"
            )
        if isinstance(cases[0], Example) and len({answer(case) for case in cases}) == 1:
            raise InputError(
                f"{recipe.data}: all {len(cases):,} labels {name} are the same; bring more of the rarer sort"
            )
    if "slice" in recipe.weak_to_strong.controls:
        wrong_kinds(kinds(transfer), 0.0, seed)  # refuses a single kind


def _models(recipe: Recipe, run: Run, weak: str) -> tuple[str, tuple[str, ...], str]:
    """Supervisor, models between, student. A smaller one that is called town is made."""
    settings, compute = recipe.weak_to_strong, frozen(recipe.compute)

    def made(model: str, name: str, small: Small) -> str:
        if model != TOWN_NAME:
            return model
        shape = town.config(small.width, small.layers, small.heads)
        return str(pretrained(run, shape, small.tokens, PRETRAINING, compute, run.seed, name=f"pretrain-{name}"))

    between = tuple(made(model, "between", MIDDLE) for model in settings.between)
    return made(weak, "weak", WEAK), between, base_of(recipe.model)


def read_cases(source: str, run: Run) -> list[Case]:
    """The labelled cases of a source, each pair in a random order. Rows without a label, and ties, are left out.

    Raises InputError if none is left, if they are of two sorts, or if all have the same label.
    """
    records = recorded(source, run, *data.read(source))
    found: list[Case] = [r for r in records if not isinstance(r, Steps) and _usable(r)]
    if not found:
        raise InputError(f"{source}: no row has a label; add a column 'label' (true or false), or bring preferences")
    if len(found) < len(records):
        left_out = f"{len(records) - len(found):,} of {len(records):,} rows"
        run.warn(f"{source}: {left_out} have no response, no label or a tie, and were left out")
    if len({type(case) for case in found}) > 1:
        raise InputError(f"{source}: holds labelled responses and preferences; keep one sort of them")
    if isinstance(found[0], Example) and len({answer(case) for case in found}) == 1:
        raise InputError(f"{source}: all {len(found):,} labels are the same, which teaches nothing; bring both sorts")
    turned = np.random.default_rng(seed_of(run.seed, "order")).random(len(found)) < 0.5
    return [c.swap() if isinstance(c, Preference) and turn else c for c, turn in zip(found, turned, strict=True)]


def _usable(case: Case) -> bool:
    return answer(case) is not None and not (isinstance(case, Example) and case.response is None)


def split(cases: Sequence[Case], fraction: float, seed: int) -> tuple[list[Case], list[Case]]:
    """The cases without, and those with, a share of the questions."""
    names = list(dict.fromkeys(map(question_of, cases)))
    order = shuffled(len(names), seed)
    taken = {names[i] for i in order[: math.ceil(fraction * len(names))]}
    rest = [case for case in cases if question_of(case) not in taken]
    return rest, [case for case in cases if question_of(case) in taken]


def gold(cases: Sequence[Case]) -> Floats:
    """The cases' own labels, 1 or 0, (len(cases),)."""
    return np.array([float(bool(answer(case))) for case in cases])


def kinds(cases: Sequence[Case]) -> list[str]:
    """The kind of each case's prompt."""
    return [case.kind or "other" for case in cases]


def wrong_anywhere(n: int, rate: float, seed: int) -> Mask:
    """Which of n labels are wrong if errors are independent and their share is the rate, (n,)."""
    wrong = np.zeros(n, dtype=bool)
    wrong[shuffled(n, seed)[: round(rate * n)]] = True
    return wrong


def wrong_kinds(of: Sequence[str], rate: float, seed: int) -> frozenset[str]:
    """Whole kinds to be wrong on, drawn one by one as long as their share of the cases comes nearer to the rate.

    At least one and never all. Raises InputError if there is but one kind.
    """
    names = sorted(set(of))
    if len(names) < 2:
        raise InputError("the control slice needs prompts of two kinds or more; add a column 'kind', or leave it out")
    chosen: list[str] = []
    for i in shuffled(len(names), seed)[:-1]:
        share, grown = (np.isin(of, some).mean() for some in (chosen, [*chosen, names[i]]))
        if not chosen or abs(grown - rate) < abs(share - rate):
            chosen.append(names[i])
    return frozenset(chosen)


def as_sure(labels: Floats, truth: Floats, wrong: Mask, seed: int) -> Floats:
    """The truth made wrong in given places, as probabilities as sure as the labels are, (len(truth),).

    The labels' sureness, max(p, 1 - p), is shuffled among their right cases and among their wrong ones, and given to
    the right and to the wrong cases here. Where there are more of these some is given again, where there are fewer some
    is left out; where the labels have none of a sort, all of it is shuffled.
    """
    rng, sure, mistaken = np.random.default_rng(seed), np.maximum(labels, 1 - labels), (labels > 0.5) != (truth > 0.5)
    given = np.empty(len(truth))
    for here, there in ((wrong, mistaken), (~wrong, ~mistaken)):
        given[here] = np.resize(rng.permutation(sure[there] if there.any() else sure), here.sum())
    return np.where((truth > 0.5) != wrong, given, 1 - given)
