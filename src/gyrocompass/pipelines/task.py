"""What a run is about: the base model, the data, the prompts held out, and the gauges that intent is read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from .. import data
from ..config import Recipe
from ..errors import InputError
from ..feedback.raters import with_disagreement
from ..learn.reward import split_by_prompt
from ..models.batching import seed_of
from ..protocols import Pair, Scorer
from ..records import Example, Preference, Prompt
from ..run import Run
from ..worlds import town

TOWN_NAME = "town"
MIN_HELDOUT = 4

T = TypeVar("T")
Label = Callable[[Sequence[Pair]], list[Preference]]


@dataclass(frozen=True)
class Task:
    """`gauges` are metrics of intent by name; `label` turns pairs into preferences where raters are at hand.

    Without a gold reward, `second_half` holds preferences disjoint from `preferences`: a reward model trained
    on them is the gauge that the policy was not trained against.
    """

    base: str
    demonstrations: list[Example]
    prompts: list[Prompt]
    heldout: list[Example]
    gauges: dict[str, Scorer] = field(default_factory=dict)
    label: Label | None = None
    preferences: list[Preference] = field(default_factory=list)
    second_half: list[Preference] = field(default_factory=list)


def open_task(recipe: Recipe, run: Run) -> Task:
    """The task a recipe names. Raises InputError if the data can't be read, or model and data don't fit."""
    return _town_task(recipe) if recipe.data == TOWN_NAME else _file_task(recipe, run)


def base_of(model: str) -> str:
    """Where a model is loaded from. Raises InputError if the town's base has not been made."""
    if model != TOWN_NAME:
        return model
    folder = town.base_folder()
    if not (folder / "model.safetensors").exists():
        raise InputError(
            f"{folder}: the town's base model is missing; make one with `gyro town pretrain` and set model to it"
        )
    return str(folder)


def _town_task(recipe: Recipe) -> Task:
    seed = recipe.seed
    prompts = town.prompts(recipe.preferences.prompts, seed_of(seed, "prompts"), split="train")
    return Task(
        base=base_of(recipe.model),
        demonstrations=town.demonstrations(recipe.preferences.demonstrations, seed_of(seed, "demonstrations")),
        prompts=[example.prompt for example in prompts],
        heldout=town.prompts(recipe.evaluation.prompts, seed_of(seed, "heldout"), split="heldout"),
        gauges={"gold": town.gold, "rater_utility": town.utility},
        label=lambda pairs: _town_labels(pairs, recipe),
    )


def _town_labels(pairs: Sequence[Pair], recipe: Recipe) -> list[Preference]:
    settings = recipe.preferences
    raters = with_disagreement(town.utility, town.BLINDNESS, pairs, settings.disagreement, settings.raters)
    return raters.label(pairs, seed_of(recipe.seed, "labels"))


def _file_task(recipe: Recipe, run: Run) -> Task:
    if recipe.model == TOWN_NAME:
        raise InputError(
            f"data = {recipe.data} needs a model that knows its language; set model to a folder or hub name"
        )
    everything = read_preferences(recipe.data, run)
    rest, heldout = split_by_prompt(everything, recipe.reward.heldout_fraction, seed_of(recipe.seed, "heldout"))
    first, second = split_by_prompt(rest, 0.5, seed_of(recipe.seed, "halves"))
    if not first or not second:
        raise InputError(f"{recipe.data}: too few prompts for a training half and a held-out reward model's half")
    demonstrations = [Example(p.prompt, p.chosen, meta=p.meta) for p in rest]
    if recipe.demonstrations is not None:
        demonstrations = read_demonstrations(recipe.demonstrations, run)
    unique = {p.prompt: Example(p.prompt, meta=p.meta) for p in heldout}
    if len(unique) < MIN_HELDOUT:
        raise InputError(
            f"{recipe.data}: {len(unique)} held-out prompts are too few to measure anything on; "
            "raise reward.heldout_fraction or bring more data"
        )
    return Task(
        base=recipe.model,
        demonstrations=demonstrations,
        prompts=list(dict.fromkeys(p.prompt for p in rest)),
        heldout=list(unique.values())[: recipe.evaluation.prompts],
        preferences=first,
        second_half=second,
    )


def read_preferences(source: str, run: Run) -> list[Preference]:
    """Preferences from a source; its hash, its dropped rows and what contradicts itself are recorded in the run."""
    records = recorded(source, run, *data.read_preferences(source))
    found = data.duplicates(records)
    if found.contradictory:
        run.warn(f"{source}: {found}")
    return records


def read_demonstrations(source: str, run: Run) -> list[Example]:
    """Examples with responses, likewise recorded."""
    return recorded(source, run, *data.read_examples(source, answered=True))


def read_prompts(source: str, run: Run) -> list[Prompt]:
    """Distinct prompts, likewise recorded."""
    return list(dict.fromkeys(e.prompt for e in recorded(source, run, *data.read_examples(source))))


def unchanged(run: Run, key: str, source: str, name: str, found: str) -> None:
    """Records under `key` the hash that was found. Raises InputError if it isn't what it was when the run began."""
    if run.state.setdefault(key, {"name": name, "hash": found})["hash"] != found:
        raise InputError(f"{source}: changed since this run began; restore it, or start another run with --out")


def recorded(source: str, run: Run, records: list[T], report: data.Report) -> list[T]:
    found = data.sha256(source)
    if run.state["data"].setdefault(source, found) != found:
        raise InputError(f"{source}: changed since this run began; restore it, or start another run with --out")
    run.warn(str(report)) if report.dropped or report.shortened else run.say(str(report))
    return records
