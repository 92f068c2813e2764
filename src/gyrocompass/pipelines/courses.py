"""The courses of a run: every policy measured on its way from the reference, and best-of-n from one large pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..audits.hacking.overoptimisation import BEST_OF_N, Course
from ..audits.shift.columns import question_of
from ..config import Recipe
from ..maths import kl, stats
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..protocols import Floats, Policy, Scorer
from ..recipe import build
from ..records import Example
from ..run import Run, stage_title
from . import verdict
from .rlhf import open_scorers, with_room_for
from .stages import frozen
from .task import TOWN_NAME, open_task

METHODS = ("ppo", "dpo")
"""What the name of a course's stage begins with: `ppo`, `dpo-2`."""
GAUGES = ("gold", "heldout_proxy")
"""Metrics that intent is read from, the best first."""
N_MAX = 1024
PROMPTS = 40
"""For best-of-n: 41,000 responses, which the town's model samples in seconds."""


def courses(run: Path) -> list[Course]:
    """Every ppo and dpo stage of a run folder that was probed, in their order."""
    stages = [folder.parent for folder in sorted(run.glob("stages/*/probes")) if any(folder.glob("*.jsonl"))]
    found = (_course(run, stage) for stage in stages if stage_title(stage.name).partition("-")[0] in METHODS)
    return [course for course in found if course]


def _course(run: Path, stage: Path) -> Course | None:
    """None where the probes read no proxy, or no gauge of intent."""
    probed = verdict.probed(stage / "probes")
    values = dict(probed.values)
    gauge = next((name for name in GAUGES if name in values), None)
    if gauge is None or "proxy" not in values:
        return None
    return Course(
        name=stage_title(stage.name),
        steps=probed.steps,
        kl_nats=values.pop("kl_nats"),
        proxy=values.pop("proxy"),
        intent=values.pop(gauge),
        questions=probed.questions,
        gauge=gauge,
        others=values,
        kept=_kept(run, stage, probed.steps),
    )


def _kept(run: Path, stage: Path, steps: Sequence[int]) -> dict[int, str]:
    """Models of a course that the folder holds: the one it began with, and the last."""
    begun = sorted(run.glob("stages/*-sft/model"))
    ends = [(steps[0], begun[0])] if begun and steps[0] == 0 else []
    if (stage / "model").exists():
        ends.append((steps[-1], stage / "model"))
    return {step: str(folder.relative_to(run)) for step, folder in ends}


def best_of_n(run: Run, n_max: int = N_MAX, prompts_used: int = PROMPTS) -> Course | None:
    """Best-of-n of a run's SFT model by its reward model, measured by gold or the held-out reward model.

    In the town n goes to `n_max`, whose responses take seconds there; elsewhere to the recipe's `evaluation.best_of`.

    None for a run that has no reward model. Raises InputError if the data of the run can't be read any more.
    """
    if not all(run.stage_done(stage) for stage in ("sft", "reward")):
        return None
    recipe = build(Recipe, run.state["config"], str(run.folder / "run.json"))
    task = open_task(recipe, run)
    if recipe.data != TOWN_NAME and not run.stage_done("heldout-reward"):
        return None
    sft, reward = (run.stage_folder(stage) / "model" for stage in ("sft", "reward"))
    scorers = open_scorers(recipe, run, task, sft, reward)
    network = load(str(sft), frozen(recipe.compute))
    prompts = with_room_for(run, network, task.heldout, recipe.sampling)
    policy = LocalPolicy(network, recipe.sampling)
    most = n_max if recipe.data == TOWN_NAME else min(n_max, recipe.evaluation.best_of)
    return best_of_pool(policy, prompts, scorers, most, prompts_used, seed_of(recipe.seed, "pool"))


def best_of_pool(
    policy: Policy,
    prompts: Sequence[Example],
    scorers: Mapping[str, Scorer],
    n_max: int = N_MAX,
    prompts_used: int = PROMPTS,
    seed: int = 0,
) -> Course:
    """Best of n = 1, 2, 4, ..., n_max by the scorer `proxy`, from one pool of n_max responses a prompt.

    The first prompts are used, each distinct response to one is scored once. Unbiased: Nakano et al. 2021,
    arXiv:2112.09332, app. I; the KL is a bound. Raises KeyError without `proxy`, or without a gauge of intent.
    """
    used = prompts[:prompts_used]
    drawn = policy.sample([example.prompt for example in used], n_max, seed=seed)
    pools = _scored(used, drawn, scorers)
    sizes = [2**power for power in range(n_max.bit_length()) if 2**power <= n_max]
    values = {name: np.array([stats.best_of_n(pools["proxy"], pool, n) for n in sizes]) for name, pool in pools.items()}
    bounds = np.array([[kl.best_of_n(n)] for n in sizes])
    gauge = next((name for name in GAUGES if name in values), GAUGES[0])
    return Course(
        name=BEST_OF_N,
        steps=sizes,
        kl_nats=np.broadcast_to(bounds, values["proxy"].shape),
        proxy=values.pop("proxy"),
        intent=values.pop(gauge),
        questions=[question_of(example) for example in used],
        gauge=gauge,
        others=values,
    )


def _scored(
    prompts: Sequence[Example], drawn: Sequence[Sequence[str]], scorers: Mapping[str, Scorer]
) -> dict[str, Floats]:
    """What each scorer gives each response, (prompts, responses)."""
    answered = [(i, text) for i, texts in enumerate(drawn) for text in texts]
    place = {key: at for at, key in enumerate(dict.fromkeys(answered))}
    examples = [Example(prompts[i].prompt, text, meta=prompts[i].meta) for i, text in place]
    back = np.array([place[key] for key in answered]).reshape(len(prompts), -1)
    return {name: scorer(examples)[back] for name, scorer in scorers.items()}
