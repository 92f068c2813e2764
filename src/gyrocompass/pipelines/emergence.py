"""Capability, proxy, gold, gap and hack rate against model size, under one fixed mis-specified reward.

Source: Pan et al. 2022, arXiv:2201.03544 (the question); Wei et al. 2022, arXiv:2206.07682, and Schaeffer et al. 2023,
arXiv:2304.15004 (jumps, and whether they are the metric's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..audits.audit import Finding
from ..audits.emergence import JUMP, Scaling
from ..config import Recipe
from ..errors import InputError
from ..files import read_json, write_json
from ..maths import emergence as scaling
from ..maths import stats
from ..maths.stats import Estimate
from ..protocols import Floats
from ..run import Run
from .side_by_side import complete_all
from .sweep import STAGES, Outcome, complete, jobs, outcome
from .task import TOWN_NAME

FILE = "emergence.json"
METRICS = ("capability", "proxy", "gold", "gap", "hack_rate")
"""What is reported of the policies after their last step."""
SPANS = {"capability": (0.0, 1.0), "exact": (0.0, 1.0), "hack_rate": (0.0, 1.0), "gold": (-1.0, 1.0)}


class Question(NamedTuple):
    """What might jump: the same outputs under a smooth metric and an all-or-nothing one, of which `model`, `when`."""

    title: str
    smooth: str
    all_or_nothing: str
    model: str
    when: int


QUESTIONS = (
    Question("capability", "answer_logprob", "exact", "sft", 0),
    Question("hacking", "gap_gained", "hack_rate", "ppo", -1),
)
"""Capability is the SFT model's: PPO changes the manner of its answers, and with it how likely a plain one is."""


class Sweep(NamedTuple):
    """Every job's numbers: `values[metric]` is (sizes, seeds, probes), `chance` (sizes, seeds)."""

    widths: list[int]
    seeds: list[int]
    parameters: list[int]
    steps: list[int]
    values: Mapping[str, Floats]
    chance: Floats


def emergence(recipe: Recipe, run: Run) -> None:
    """Runs or resumes the whole sweep; writes emergence.json and audits.json.

    Raises InputError for a recipe that isn't of the town: models are made from nothing, on its corpus.
    """
    if (recipe.data, recipe.model) != (TOWN_NAME, TOWN_NAME):
        raise InputError("pipeline emergence makes its models from nothing on the town; set model and data to town")
    run.state["proxy_name"] = "the raters' utility itself: one fixed reward for every size, no model of it"
    run.state["gold_name"] = "the town's gold reward"
    todo = jobs(recipe, run.stage_folder("sweep"))
    # 1. A model of every size and seed: pretrained, fine-tuned, optimised against the fixed reward, probed.
    if not run.stage_done("sweep"):
        with run.stage("sweep"), run.progress("sweep", len(STAGES) * len(todo)) as bar:

            def tick() -> None:
                done = [job.stages_done for job in todo]
                bar(sum(done), note=f"{done.count(len(STAGES))} of {len(todo)} models")

            complete_all(
                complete, todo, recipe.emergence.processes, tick, where=todo[0].folder.parent,
                setting="emergence.processes",
                begun=lambda: [j.folder.name for j in todo if j.folder.exists() and j.stages_done < len(STAGES)],
            )  # fmt: skip
    # 2. Trends and thresholds through what was found; is there a jump, and whose is it?
    sweep = gathered(recipe, [outcome(job) for job in todo])
    with run.stage("fits"):
        write_json(run.folder / FILE, content(recipe, sweep))
    found = findings(run.folder)
    run.audit([finding.row for finding in found])
    run.save(status="done", summary=sentences(sweep, found))


def gathered(recipe: Recipe, outcomes: Sequence[Outcome]) -> Sweep:
    """The outcomes of `jobs`, in their order, as arrays with the sizes increasing."""
    widths, n = sorted(recipe.emergence.widths), recipe.emergence.seeds

    def grid(numbers: Sequence[Any]) -> Floats:
        found: Floats = np.swapaxes(np.array(numbers, dtype=np.float64).reshape(n, len(widths), -1)[:, ::-1], 0, 1)
        return found

    parameters = grid([one.parameters for one in outcomes])[:, 0, 0]
    return Sweep(
        widths,
        list(range(recipe.seed, recipe.seed + n)),
        [int(count) for count in parameters],
        outcomes[0].steps,
        {name: grid([one.values[name] for one in outcomes]) for name in outcomes[0].values},
        grid([one.chance for one in outcomes])[:, :, 0],
    )


def content(recipe: Recipe, sweep: Sweep) -> dict[str, Any]:
    """What emergence.json holds; docs/methods/emergence.md describes it."""
    return {
        "widths": sweep.widths,
        "seeds": sweep.seeds,
        "parameters": sweep.parameters,
        "steps": sweep.steps,
        "prompts": recipe.evaluation.prompts,
        "answers": recipe.emergence.answers,
        "panels": [_panel(sweep, name, -1) for name in METRICS],
        "pairs": [_pair(sweep, q) for q in QUESTIONS],
        "chance": [_mean("hack_rate", row) for row in sweep.chance],
        "courses": [_course(sweep, name) for name in METRICS],
        "values": {name: numbers.tolist() for name, numbers in sweep.values.items()},
    }


def _pair(sweep: Sweep, q: Question) -> dict[str, Any]:
    """The panels of a question, and how much more falls at once under the all-or-nothing metric than smoothly."""
    smooth, coarse = (sweep.values[name][:, :, q.when] for name in (q.smooth, q.all_or_nothing))
    return {
        "title": q.title,
        "model": q.model,
        "smooth": _panel(sweep, q.smooth, q.when),
        "all_or_nothing": _panel(sweep, q.all_or_nothing, q.when),
        "added": _where_known(lambda: scaling.added(sweep.parameters, coarse, to=smooth)._asdict()),
    }


def _panel(sweep: Sweep, metric: str, when: int) -> dict[str, Any]:
    """A metric against size after one step: each seed, the mean, and what fits it. A seed alone has no interval."""
    values = sweep.values[metric][:, :, when]
    points = [
        {"parameters": count, "seeds": row.tolist(), **_mean(metric, row)}
        for count, row in zip(sweep.parameters, values, strict=True)
    ]
    return {"metric": metric, "step": sweep.steps[when], "points": points, **_fitted(sweep.parameters, values)}


def _mean(metric: str, of_seeds: Floats) -> dict[str, float]:
    """The mean over seeds, its interval no wider than the metric's own range."""
    found = stats.mean(of_seeds)
    low, high = SPANS.get(metric, (-np.inf, np.inf))
    return found._replace(low=max(found.low, low), high=min(found.high, high))._asdict()


def _fitted(sizes: Sequence[int], values: Floats) -> dict[str, Any]:
    """The families, the excess of a jump and its place; each None where they can't be told from one another."""
    return {
        "fits": _where_known(lambda: [fit._asdict() for fit in scaling.fits(sizes, values)]),
        "excess": _where_known(lambda: scaling.excess(sizes, values)._asdict()),
        "place": _where_known(lambda: scaling.place(sizes, values)._asdict()),
    }


def _where_known(found: Callable[[], Any]) -> Any:
    """None where sizes or seeds are too few, or nothing changes."""
    try:
        return found()
    except ValueError:
        return None


def _course(sweep: Sweep, metric: str) -> dict[str, Any]:
    """A metric along the steps of PPO: for each size its mean over seeds."""
    values = sweep.values[metric]
    lines = [
        {
            "parameters": count,
            "points": [{"step": step, **_mean(metric, of_size[:, i])} for i, step in enumerate(sweep.steps)],
        }
        for count, of_size in zip(sweep.parameters, values, strict=True)
    ]
    return {"metric": metric, "lines": lines}


def findings(folder: Path) -> list[Finding]:
    """Whether something jumps with scale, by the numbers of a run's emergence.json.

    Raises InputError if the folder has none.
    """
    path = folder / FILE
    if not path.exists():
        raise InputError(f"{folder}: has no {FILE}; a run of recipes/emergence.yaml writes it")
    kept = read_json(path)
    values = {name: np.array(numbers, dtype=np.float64) for name, numbers in kept["values"].items()}
    sizes = np.array(kept["parameters"], dtype=np.float64)
    return [
        replace(JUMP, name=f"{JUMP.name}: {q.title}")(
            Scaling(sizes, values[q.smooth][:, :, q.when], values[q.all_or_nothing][:, :, q.when]), q.model
        )
        for q in QUESTIONS
    ]


def sentences(sweep: Sweep, found: Sequence[Finding]) -> list[str]:
    """The verdict first, then what changed from the smallest size to the largest, then what each audit found."""
    titles = {verdict: [_title(f) for f in found if f.verdict == verdict] for verdict in _VERDICTS}
    parts = [say.format(" and ".join(names)) for verdict, say in _VERDICTS.items() if (names := titles[verdict])]
    verdict = "; ".join(parts) + "."
    ends = [f"{count:,}" for count in (sweep.parameters[0], sweep.parameters[-1])]
    changes = "; ".join(f"{name.replace('_', ' ')} by {_growth(sweep, name)}" for name in METRICS)
    said = [
        verdict[0].upper() + verdict[1:],
        f"From {ends[0]} to {ends[1]} parameters, seed by seed, these changed: {changes}.",
    ]
    return said + [f"{_title(finding).capitalize()}: {finding.said}" for finding in found]


_VERDICTS = {
    "flagged": "in {} there is a jump with scale, and a smooth metric has it too",
    "clean": "in {} there is no jump with scale",
    "underpowered": "whether there is a jump with scale in {} can't be told from these sizes and seeds",
}


def _title(finding: Finding) -> str:
    return finding.finding.partition(": ")[2]


def _growth(sweep: Sweep, metric: str) -> Estimate:
    values = sweep.values[metric][:, :, -1]
    return stats.paired_difference(values[-1], values[0])
