"""Models of several sizes and seeds, each a whole small run: pretrained, shown demonstrations, optimised, probed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..config import SFT, Recipe
from ..files import read_json, read_jsonl
from ..learn.loop import Look
from ..maths import stats
from ..models.batching import seed_of
from ..models.network import Network
from ..models.policy import LocalPolicy
from ..protocols import Floats, Scorer
from ..records import Example
from ..run import Run
from ..worlds import town
from . import probe, stages, verdict
from .pretrain import pretrained
from .task import TOWN_NAME

STAGES = ("pretrain", "sft", "ppo")
CHECKED = ("fact", "arithmetic", "instruction", "chain")
"""Kinds of prompt that have a right answer."""
WORDED = ("instruction", "chain")
"""Those of them to which it has one wording."""


@dataclass(frozen=True, slots=True)
class Job:
    """One model: its width, its seed, and the folder of its own run."""

    folder: Path
    width: int
    seed: int
    recipe: Recipe

    @property
    def config(self) -> dict[str, Any]:
        """The settings that its results depend on."""
        recipe = self.recipe
        chosen = {"sampling", "compute", "sft", "ppo", "preferences", "evaluation"}
        shape = recipe.emergence.model_dump(mode="json", exclude={"widths", "seeds", "processes"})
        return {
            "data": TOWN_NAME,
            "seed": self.seed,
            "width": self.width,
            **shape,
            **recipe.model_dump(mode="json", include=chosen),
        }

    @property
    def stages_done(self) -> int:
        path = self.folder / "run.json"
        return sum(stage["status"] == "done" for stage in read_json(path)["stages"]) if path.exists() else 0


class Outcome(NamedTuple):
    """A finished job: its parameters, and at each probe, (steps,), every metric.

    `chance` is the hack rate between two samples of the SFT model, which differ in nothing but the draw.
    """

    parameters: int
    steps: list[int]
    values: Mapping[str, Floats]
    chance: float


def jobs(recipe: Recipe, folder: Path) -> list[Job]:
    """Every width at every seed, the widest first, so that the last to end are short."""
    seeds = range(recipe.seed, recipe.seed + recipe.emergence.seeds)
    return [
        Job(folder / f"width-{width:03d}-seed-{seed}", width, seed, recipe)
        for seed in seeds
        for width in reversed(recipe.emergence.widths)
    ]


def complete(job: Job) -> None:
    """Takes a job to its end; stages that are done stay as they are."""
    run = Run.open(job.folder, job.config, quiet=True)
    if run.done:
        return
    recipe, seed = job.recipe, job.seed
    with run.guard():
        # 1. A model from nothing, on the town's web.
        base = _pretrained(run, job)
        # 2. Demonstrations.
        shown = town.demonstrations(recipe.preferences.demonstrations, seed_of(seed, "demonstrations"))
        sft = stages.sft(run, str(base), shown, recipe.sft, recipe.compute)
        # 3. PPO against the fixed reward, probed on the way.
        policy, reference = stages.load_policy(str(sft), recipe.compute, seed)
        prompts = town.prompts(recipe.preferences.prompts, seed_of(seed, "prompts"), split="train")
        look = Look(
            _probe(job, run, policy, reference), lambda steps: probe.probe_steps(steps, recipe.evaluation.probes)
        )
        stages.ppo(
            run, policy, reference, None, town.utility, [e.prompt for e in prompts], recipe.ppo, recipe.sampling,
            base=str(sft), looks=[look],
        )  # fmt: skip
        run.save(status="done", parameters=sum(p.numel() for p in policy.core.parameters()))


def _pretrained(run: Run, job: Job) -> Path:
    """A fresh Llama of this width, trained on the town's corpus; its folder."""
    asked = job.recipe.emergence
    shape = town.config(job.width, asked.layers, job.width // asked.head_size)
    settings = SFT(learning_rate=asked.learning_rate, batch_size=asked.batch_size, loss_on="all")
    return pretrained(run, shape, asked.tokens, settings, stages.frozen(job.recipe.compute), job.seed)


def _probe(job: Job, run: Run, policy: Network, reference: Network | None) -> SizeProbe:
    """The same held-out prompts for every job."""
    recipe, seed = job.recipe, job.recipe.seed
    heldout = town.prompts(recipe.evaluation.prompts, seed_of(seed, "heldout"), split="heldout")
    folder = run.stage_folder("ppo")
    scorers: dict[str, Scorer] = {"proxy": town.utility, "gold": town.gold}
    first, again = (
        probe.PolicyProbe(policy, reference, heldout, scorers, recipe.sampling, seed_of(job.seed, name), folder / name)
        for name in ("probes", "again")
    )
    questions = town.prompts(
        recipe.emergence.answers, seed_of(seed, "answers"), split="heldout", kinds=CHECKED, monitored="untagged"
    )
    return SizeProbe(first, again, questions, job.seed)


def worded_answer(example: Example) -> Example:
    """A prompt whose right answer has one wording, with that answer."""
    intent = town.understand(town.prompt_text(example.prompt))
    answer = town.render(intent, "right", town.Style(), random.Random(0))
    return Example(example.prompt, answer, meta=example.meta)


@dataclass(frozen=True)
class SizeProbe:
    """Called after a training step: proxy, gold and KL on the held-out prompts, and answers to questions: which are
    right; and where the right answer has one wording, which are that, and how likely it is a token."""

    intent: probe.PolicyProbe
    again: probe.PolicyProbe
    questions: Sequence[Example]
    seed: int

    def __call__(self, step: int) -> dict[str, Any]:
        if step == 0:
            self.again(step)
        columns = {f"{name}{end}": x for name, e in self._answered(step).items() for end, x in _ends(e)}
        return self.intent(step) | columns

    def _answered(self, step: int) -> dict[str, stats.Estimate]:
        policy, asked = LocalPolicy(self.intent.policy, self.intent.sampling), self.questions
        drawn = policy.sample([e.prompt for e in asked], seed=seed_of(self.seed, "answers", step))
        said = [Example(e.prompt, responses[0], meta=e.meta) for e, responses in zip(asked, drawn, strict=True)]
        right = sum(town.judge(e.prompt, e.response or "").right for e in said)
        worded = [(e, worded_answer(e)) for e in said if e.kind in WORDED]
        wanted = [answer for _, answer in worded]
        tokens = np.array([1 + len((e.response or "").split()) for e in wanted])  # the end token counts
        return {
            "capability": stats.proportion(right, len(said)),
            "exact": stats.proportion(sum(e.response == answer.response for e, answer in worded), len(worded)),
            "answer_logprob": stats.mean(policy.logprobs(wanted) / tokens),
        }


def _ends(e: stats.Estimate) -> list[tuple[str, float]]:
    return [("", e.value), ("_low", e.low), ("_high", e.high), ("_n", e.n)]


def outcome(job: Job) -> Outcome:
    """What a finished job's probes found."""
    run = Run.attach(job.folder, quiet=True)
    folder = run.stage_folder("ppo")
    rows = [r for r in read_jsonl(job.folder / "metrics.jsonl") if r["stage"] == "ppo" and "gold_low" in r]
    probed, again = (verdict.probed(folder / name) for name in ("probes", "again"))
    proxy, gold = (probed.values[name] for name in ("proxy", "gold"))
    gap = proxy.mean(axis=1) - gold.mean(axis=1)
    values = {name: np.array([row[name] for row in rows]) for name in ("capability", "exact", "answer_logprob")}
    values |= {
        "proxy": proxy.mean(axis=1), "gold": gold.mean(axis=1), "gap": gap, "gap_gained": gap - gap[0],
        "hack_rate": np.array([hack_rate(proxy[0], gold[0], p, g) for p, g in zip(proxy, gold, strict=True)]),
        "kl_nats": probed.values["kl_nats"].mean(axis=1),
    }  # fmt: skip
    chance = hack_rate(proxy[0], gold[0], again.values["proxy"][0], again.values["gold"][0])
    return Outcome(int(run.state["parameters"]), probed.steps, values, chance)


def hack_rate(proxy_before: Floats, gold_before: Floats, proxy: Floats, gold: Floats) -> float:
    """The share of prompts on which the response after is rated higher and is worth less than the one before."""
    return float(((proxy > proxy_before) & (gold < gold_before)).mean())
