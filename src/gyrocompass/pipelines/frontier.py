"""Gold, raters' utility and proxy against KL: best-of-n, PPO and DPO from the same preferences.

Source: Gao et al. 2023, arXiv:2210.10760 (best-of-n and PPO); Rafailov et al. 2024, arXiv:2406.02900 (DPO).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ..config import Recipe
from ..errors import InputError
from ..files import read_jsonl, write_json, write_jsonl
from ..records import Measurement
from ..run import Run
from . import findings, probe
from .changed_raters import Changed, change_raters
from .cost import cost_of
from .curves import Comparison, Curve, compare, nearest
from .methods import Beginning, begin
from .rlhf import gauge_of
from .task import TOWN_NAME, open_task

BEST_OF_N = "best-of-n"


def frontier(recipe: Recipe, run: Run) -> None:
    """Runs or resumes every method at each of its settings; writes frontier.json.

    Raises InputError if nothing is to be measured on the way.
    """
    if recipe.evaluation.probes == 0:
        raise InputError("evaluation.probes = 0 leaves no checkpoint to compare; set it to 2 or more")
    # 1. One beginning: demonstrations, preferences, and the reward model that best-of-n and PPO need.
    beginning = begin(recipe, run, open_task(recipe, run))
    # 2. Every method at each setting, probed on the way.
    curves = [*_ppo(beginning), *_dpo(beginning)]
    _best_of_n(beginning)
    # 3. The raters change their minds, where there are raters to do so.
    changed = _changed(beginning, curves)
    # 4. What came of it.
    _measure(beginning, curves, changed)
    _conclude(beginning, curves, changed)


def _ppo(beginning: Beginning) -> list[Curve]:
    recipe = beginning.recipe
    curves = []
    for i, value in enumerate(nearest(recipe.frontier.kl_coefs, recipe.ppo.kl_coef)):
        stage = f"ppo-{i + 1}"
        beginning.ppo(stage, recipe.ppo.model_copy(update={"kl_coef": value}))
        curves.append(beginning.curve("ppo", value, stage, default=i == 0))
    return sorted(curves, key=lambda curve: curve.value)


def _dpo(beginning: Beginning) -> list[Curve]:
    recipe = beginning.recipe
    curves = []
    for i, value in enumerate(nearest(recipe.frontier.betas, recipe.dpo.beta)):
        stage = f"dpo-{i + 1}"
        shared = beginning.run.stage_folder("dpo-1")
        beginning.dpo(stage, recipe.dpo.model_copy(update={"beta": value}), kept=shared)
        curves.append(beginning.curve("dpo", value, stage, default=i == 0))
    return sorted(curves, key=lambda curve: curve.value)


def _best_of_n(beginning: Beginning) -> None:
    run, recipe = beginning.run, beginning.recipe
    if recipe.evaluation.best_of > 1 and not run.stage_done(BEST_OF_N):
        with run.stage(BEST_OF_N):
            run.rewind(BEST_OF_N, -1)
            probe.best_of_n(
                run, beginning.reference, beginning.heldout, beginning.scorers, recipe.evaluation, recipe.sampling
            )


def _changed(beginning: Beginning, curves: Sequence[Curve]) -> Changed | None:
    recipe = beginning.recipe
    if not recipe.frontier.changed_raters:
        return None
    if recipe.data != TOWN_NAME:
        beginning.run.say(f"data = {recipe.data} has no raters who could change their minds; that part is skipped")
        return None
    ppo, dpo = (_liked_best([curve for curve in curves if curve.model == model]) for model in ("ppo", "dpo"))
    return change_raters(beginning, ppo, dpo)


def _liked_best(curves: Sequence[Curve]) -> Curve:
    """The setting whose last checkpoint the raters, as they were, like best."""
    return max(curves, key=lambda curve: float(curve.probed.values["rater_utility"][-1].mean()))


def _measure(beginning: Beginning, curves: Sequence[Curve], changed: Changed | None) -> None:
    """Rows of evals.json, and the responses of the models that stand for their methods."""
    run = beginning.run
    with run.stage("evaluation") as folder:
        stand = {"sft": curves[0].readings(0)} | {c.model: c.readings() for c in curves if c.default}
        write_jsonl(folder / "samples.jsonl", [row for name, found in stand.items() for row in found.rows(name)])
        for name, found in stand.items():
            run.measure(found.measurements(name))
        for curve in curves:
            whole = [m for m in curve.readings().measurements(curve.model) if m.slice is None]
            run.measure([replace(m, slice=curve.setting) for m in whole])
        run.measure(_best(_best_rows(run)))
        if changed:
            run.measure([policy.measurement for policy in changed.policies])


def _best_rows(run: Run) -> list[dict[str, Any]]:
    rows = read_jsonl(run.folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "stage"} for row in rows if row["stage"] == BEST_OF_N]


def _best(rows: Sequence[dict[str, Any]]) -> list[Measurement]:
    """The largest n. Its KL is a bound, and has no interval of its own."""
    if not rows:
        return []
    last, name = rows[-1], f"best-of-{rows[-1]['step']}"
    found = [key.removesuffix("_low") for key in last if key.endswith("_low")]
    ends = [(key, last[key], last[f"{key}_low"], last[f"{key}_high"]) for key in found]
    ends.append(("kl_nats", last["kl_nats"], last["kl_nats"], last["kl_nats"]))
    return [Measurement(name, "intent", *end, last["n"]) for end in ends]


def _conclude(beginning: Beginning, curves: Sequence[Curve], changed: Changed | None) -> None:
    run, gauge = beginning.run, gauge_of(beginning.scorers)
    pairs = [(one, two) for two in curves if two.model == "dpo" for one in curves if one.model == "ppo"]
    compared = [found for one, two in pairs if (found := compare(one, two, gauge))]
    said = findings.sentences(run, curves, compared, changed, gauge)
    write_json(run.folder / "frontier.json", _content(run, curves, compared, changed, gauge, said))
    run.save(status="done", summary=said)


def _content(
    run: Run,
    curves: Sequence[Curve],
    compared: Sequence[Comparison],
    changed: Changed | None,
    gauge: str,
    said: Sequence[str],
) -> dict[str, Any]:
    """What frontier.json holds; docs/run-folder.md describes it."""
    start = {"model": "sft", "setting": None, "stage": "sft", "default": True, "rests_on": [], "seconds": None,
             "peak_mib": None, "added_mib": None, "points": curves[0].points()[:1], "peak": None}  # fmt: skip
    best = {"model": BEST_OF_N, "setting": None, "stage": BEST_OF_N, "default": True, "rests_on": ["reward"],
            **_cost(run, ["reward"]), "points": _best_rows(run), "peak": None}  # fmt: skip
    methods = [
        {"model": c.model, "setting": c.setting, "stage": c.stage, "default": c.default, "rests_on": list(c.rests_on),
         **_cost(run, c.rests_on), "points": c.points(), "peak": c.peak(gauge)}
        for c in curves
    ]  # fmt: skip
    return {
        "gauge": gauge,
        "curves": [start, *([best] if best["points"] else []), *methods],
        "equal_kl": [found.row() for found in compared],
        "changed_raters": changed.content() if changed else None,
        "sentences": list(said),
    }


def _cost(run: Run, stages: Sequence[str]) -> dict[str, Any]:
    return asdict(cost_of(run, stages))
