"""Mitigations of reward hacking: PPO against one reward model, and under each mitigation, compared on intent.

Source: Gao et al. 2023, arXiv:2210.10760, for proxy and gold against KL; of the mitigations see mitigations.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ..audits.shift.columns import question_of
from ..config import Recipe
from ..errors import InputError
from ..files import write_json, write_jsonl
from ..learn.reward import split_by_prompt
from ..maths import stats
from ..models.batching import seed_of
from ..models.loading import load
from ..models.scorer import RewardModel
from ..records import Measurement, Preference
from ..run import Run
from . import stages
from .cost import cost_of
from .curves import Curve
from .hacking_findings import Course, Outcome, outcomes, sentences
from .methods import Beginning, begin
from .mitigations import BASELINE, TITLES, VALIDATION, Mitigations, Watch, rests_on, watch
from .rlhf import demonstrated, gauge_of, preferred
from .task import Task, open_task
from .verdict import Probed

WATCHER = "validation_proxy"
"""The metric of the validation reward model, which watches and is never optimised."""


class Split(NamedTuple):
    """The held-out prompts by their places: some set stops and thresholds, the others measure what came of it."""

    validation: tuple[int, ...]
    measuring: tuple[int, ...]


def hacking(recipe: Recipe, run: Run) -> None:
    """Runs or resumes PPO under each mitigation; writes hacking.json.

    Raises InputError if there are too few held-out prompts or preferences to keep some apart.
    """
    # 1. One beginning; a part of the preferences goes to a reward model that watches.
    beginning, unseen = _begin(recipe, run, open_task(recipe, run))
    split = split_of(list(map(question_of, beginning.heldout)), recipe.hacking.validation_fraction)
    # 2. PPO against a single reward model, and where its course should have ended.
    beginning.ppo(BASELINE, recipe.ppo)
    course = beginning.curve("ppo", recipe.ppo.kl_coef, BASELINE, default=True)
    watches = [watch(part(course, split.validation), gauge) for gauge in _watchers(beginning)]
    baseline = Course("single", "a single reward model", BASELINE, ("reward", BASELINE), part(course, split.measuring))
    # 3. The same under every mitigation.
    courses = [*_trained(beginning, unseen, watches, split), *_stopped(recipe, baseline, watches)]
    # 4. What came of it.
    gauge = gauge_of(beginning.scorers)
    found = outcomes(baseline, courses, gauge)
    _measure(beginning, baseline, found, gauge)
    said = sentences(baseline, found, watches, gauge)
    write_json(run.folder / "hacking.json", _content(run, baseline, found, watches, gauge, said))
    run.save(status="done", summary=said)


def _begin(recipe: Recipe, run: Run, task: Task) -> tuple[Beginning, list[Preference]]:
    """SFT, preferences, the single reward model, and on preferences of other prompts the validation reward model.

    Without gold this takes half of what the gauge of intent, the held-out reward model, would learn from.
    """
    sft = demonstrated(recipe, run, task)
    pool = task.second_half or preferred(recipe, run, task, sft)
    kept, unseen = split_by_prompt(pool, 0.5, seed_of(recipe.seed, "validation preferences"))
    if not kept or not unseen:
        raise InputError(f"{recipe.data}: too few prompts for a validation reward model; bring more preferences")
    parted = replace(task, second_half=kept) if task.second_half else replace(task, preferences=kept, label=None)
    beginning = begin(recipe, run, parted)
    folder = stages.reward(run, str(sft), unseen, recipe.reward, recipe.compute, name=VALIDATION)
    model = RewardModel(load(str(folder), stages.frozen(recipe.compute), scalar=True), "the validation reward model")
    return replace(beginning, scorers={**beginning.scorers, WATCHER: model}), unseen


def split_of(questions: Sequence[str], validation_fraction: float) -> Split:
    """That share of the questions for validation, evenly spaced; prompts that ask the same stand on one side.

    Raises InputError if it leaves fewer than two questions on either side.
    """
    f = validation_fraction
    asked = {question: i for i, question in enumerate(dict.fromkeys(questions))}
    chosen = {question for question, i in asked.items() if int((i + 1) * f) > int(i * f)}
    if len(chosen) < 2 or len(asked) - len(chosen) < 2:
        raise InputError(
            f"{len(asked)} held-out questions leave {len(chosen)} for validation and {len(asked) - len(chosen)} to "
            "measure on; raise evaluation.prompts or change hacking.validation_fraction"
        )
    sides = (tuple(i for i, question in enumerate(questions) if (question in chosen) == on) for on in (True, False))
    return Split(*sides)


def part(curve: Curve, places: Sequence[int]) -> Curve:
    """A curve on some of its prompts."""
    chosen = list(places)
    values = {name: rows[:, chosen] for name, rows in curve.probed.values.items()}
    first, last = (tuple(answered[i] for i in chosen) for answered in (curve.first, curve.last))
    questions = [curve.probed.questions[i] for i in chosen]
    return replace(curve, probed=Probed(curve.probed.steps, values, questions), first=first, last=last)


def upto(curve: Curve, at: int) -> Curve:
    """A curve that ends at one of its checkpoints, whose responses it doesn't hold."""
    values = {name: rows[: at + 1] for name, rows in curve.probed.values.items()}
    probed = curve.probed._replace(steps=curve.probed.steps[: at + 1], values=values)
    return replace(curve, probed=probed, last=(), default=False)


def _watchers(beginning: Beginning) -> list[str]:
    """What may say where to stop: the validation reward model and, where it is known, gold on validation prompts."""
    return [WATCHER, *(["gold"] if "gold" in beginning.scorers else [])]


def _trained(
    beginning: Beginning, unseen: Sequence[Preference], watches: Sequence[Watch], split: Split
) -> list[Course]:
    """PPO under each mitigation, from the same start, critic and prompts as the baseline."""
    found = []
    for one in Mitigations(beginning, unseen, watches).all():
        against = replace(beginning, scorers={**beginning.scorers, "proxy": one.scorer})
        against.ppo(one.stage, one.config, one.seed)
        curve = part(beginning.curve("ppo", one.config.kl_coef, one.stage), split.measuring)
        needs = tuple(dict.fromkeys((*one.needs, one.stage)))
        found.append(Course(one.name, TITLES[one.name], one.stage, needs, curve, one.note))
    return found


def _stopped(recipe: Recipe, baseline: Course, watches: Sequence[Watch]) -> list[Course]:
    """The baseline's course, ended where each watch says. Nothing is trained for it."""
    if "stopped" not in recipe.hacking.mitigations:
        return []
    names = [w.name("stopped") for w in watches]
    return [
        Course(name, TITLES[name], BASELINE, rests_on(w), upto(baseline.curve, w.at), f"step {w.step}", stopped=True)
        for name, w in zip(names, watches, strict=True)
    ]


def _measure(beginning: Beginning, baseline: Course, found: Sequence[Outcome], gauge: str) -> None:
    """Rows of evals.json: the SFT model and the baseline whole; slices name the mitigations."""
    run = beginning.run
    with run.stage("evaluation") as folder:
        stand = {"sft": baseline.curve.readings(0), "ppo": baseline.curve.readings()}
        write_jsonl(folder / "samples.jsonl", [row for name, r in stand.items() for row in r.rows(name)])
        for name, readings in stand.items():
            run.measure(readings.measurements(name))
        run.measure(_ends(baseline))
        for one in found:
            run.measure(_ends(one.course))
            tested = {f"{gauge}_gain": one.end, f"{gauge}_gain_at_equal_kl": one.equal_kl}
            run.measure([
                Measurement("ppo", "intent", metric, *test.estimate, slice=one.course.slice)
                for metric, test in tested.items() if test
            ])  # fmt: skip


def _ends(course: Course) -> list[Measurement]:
    """Every gauge at the end of a course."""
    ends = {name: stats.mean(rows[-1]) for name, rows in course.curve.probed.values.items()}
    return [Measurement("ppo", "intent", name, *found, slice=course.slice) for name, found in ends.items()]


def _content(
    run: Run, baseline: Course, found: Sequence[Outcome], watches: Sequence[Watch], gauge: str, said: Sequence[str]
) -> dict[str, Any]:
    """What hacking.json holds; docs/methods/mitigations.md describes it."""
    nothing: dict[str, Any] = {"end": None, "equal_kl": None}
    rows = [(baseline, nothing), *((one.course, one.row()) for one in found)]
    return {
        "gauge": gauge,
        "watches": [w._asdict() for w in watches],
        "courses": [
            {
                "name": c.name, "title": c.title, "stage": c.stage, "slice": c.slice, "stopped": c.stopped,
                "note": c.note, "rests_on": list(c.rests_on), "seconds": cost_of(run, c.rests_on).seconds,
                "points": c.curve.points(), **tests,
            }
            for c, tests in rows
        ],
        "sentences": list(said),
    }  # fmt: skip
