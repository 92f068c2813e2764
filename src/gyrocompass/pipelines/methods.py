"""PPO and DPO from one beginning: the same SFT model, preferences, held-out prompts and probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..config import DPO, PPO, Recipe
from ..files import read_jsonl
from ..learn.loop import Look
from ..models.batching import seed_of
from ..models.loading import load
from ..models.network import Network
from ..protocols import Scorer
from ..records import Example, Preference
from ..run import Run
from . import preference_stages, probe, stages, verdict
from .cost import timed, watched
from .curves import Curve
from .probing import property_looks
from .rlhf import demonstrated, open_scorers, preferred, with_room_for
from .task import Task


@dataclass(frozen=True)
class Beginning:
    """What every method starts from and is measured by."""

    recipe: Recipe
    run: Run
    task: Task
    start: Path
    """The model that training starts from: SFT's, unless a policy is to go on."""
    preferences: Sequence[Preference]
    reward: Path
    scorers: Mapping[str, Scorer]
    reference: Network
    """The SFT model, frozen: where KL is measured from."""
    heldout: Sequence[Example]

    def looks(self, stage: str, scorers: Mapping[str, Scorer], policy: Network) -> list[Look]:
        """The probes of a stage: intent on the held-out prompts, and the properties where they are asked for."""
        recipe = self.recipe
        intent = probe.PolicyProbe(
            policy, self.reference, self.heldout, scorers, recipe.sampling, recipe.seed,
            self.run.stage_folder(stage) / "probes", stage,
        )  # fmt: skip
        look = Look(intent, lambda steps: probe.probe_steps(steps, recipe.evaluation.probes))
        others = property_looks(recipe.probing, self.run, policy, self.reference, scorers, recipe.sampling)
        return [timed(one) for one in (look, *others)]

    def ppo(self, stage: str, config: PPO, seed: int | None = None) -> Path:
        """PPO from `start` against the proxy, held to the reference; the model's folder. `seed` as in `stages.ppo`."""
        run, recipe = self.run, self.recipe
        if not run.stage_done(stage):
            with watched(run, stage, recipe.compute):
                adapters = seed_of(recipe.seed, "policy adapters")
                policy = load(str(self.start), recipe.compute, trainable=True, seed=adapters)
                stages.ppo(
                    run, policy, self.reference, str(self.reward), self.scorers["proxy"], self.task.prompts, config,
                    recipe.sampling, base=str(self.start), looks=self.looks(stage, self.scorers, policy), name=stage,
                    seed=seed,
                )  # fmt: skip
        return run.stage_folder(stage) / "model"

    def dpo(self, stage: str, config: DPO, kept: Path | None = None) -> Path:
        """DPO from `start` on the preferences; `kept` is where the reference's log-probabilities are shared."""
        run, compute = self.run, self.recipe.compute
        if not run.stage_done(stage):
            with watched(run, stage, compute):
                looks = partial(self.looks, stage, self.scorers)
                preference_stages.dpo(
                    run, str(self.start), self.preferences, config, compute, looks=looks, name=stage, kept=kept
                )
        return run.stage_folder(stage) / "model"

    def curve(self, model: str, value: float, stage: str, *, default: bool = False) -> Curve:
        """What the probes of a finished stage found."""
        folder = self.run.stage_folder(stage) / "probes"
        files = sorted(folder.glob("*.jsonl"))
        first, last = (self._answered(read_jsonl(file)) for file in (files[0], files[-1]))
        return Curve(model, value, stage, verdict.probed(folder), first, last, default)

    def _answered(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Example, ...]:
        return tuple(replace(e, response=row["response"]) for e, row in zip(self.heldout, rows, strict=True))


def begin(recipe: Recipe, run: Run, task: Task) -> Beginning:
    """SFT, preferences and the reward model, as in `rlhf`; stages that are done are read back."""
    compute = recipe.compute
    sft = demonstrated(recipe, run, task)
    preferences = preferred(recipe, run, task, sft)
    reward = run.stage_folder("reward") / "model"
    if not run.stage_done("reward"):
        with watched(run, "reward", compute):
            stages.reward(run, str(sft), preferences, recipe.reward, compute)
    scorers = open_scorers(recipe, run, task, sft, reward)
    reference = load(str(sft), stages.frozen(compute))
    heldout = with_room_for(run, reference, task.heldout, recipe.sampling)
    return Beginning(recipe, run, task, sft, preferences, reward, scorers, reference, heldout)
