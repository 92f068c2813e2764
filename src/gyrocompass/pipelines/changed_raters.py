"""The raters change their minds: who can follow them, and whether loss or data holds the others back.

PPO goes on from where it was, against a reward model of new labels; DPO has the old pairs and nothing else. Two
controls: PPO as it was before, and DPO on the new pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..feedback.raters import with_disagreement
from ..maths import stats
from ..maths.stats import Estimate
from ..models.batching import seed_of
from ..models.loading import load
from ..models.scorer import RewardModel
from ..protocols import Floats, Pair
from ..records import Example, Measurement, Preference
from ..worlds import town
from . import stages
from .cost import watched
from .curves import Curve
from .methods import Beginning

SLICE = "changed raters"


class Policy(NamedTuple):
    """A policy in the eyes of the changed raters: what each of its responses is worth to them, (prompts,)."""

    model: str
    about: str
    slice: str
    utility: Floats

    @property
    def measurement(self) -> Measurement:
        return Measurement(self.model, "intent", "rater_utility", *stats.mean(self.utility), slice=self.slice)


class Changed(NamedTuple):
    """Which share of the pairs the raters now see the other way round, and what the policies are worth to them."""

    stages: tuple[str, str]
    """Of the PPO and of the DPO that the change finds."""
    disagreement: Estimate
    sft: Policy
    ppo_before: Policy
    ppo: Policy
    dpo: Policy
    dpo_new_pairs: Policy

    @property
    def policies(self) -> tuple[Policy, ...]:
        return (self.sft, self.ppo_before, self.ppo, self.dpo, self.dpo_new_pairs)

    def differences(self) -> list[tuple[Policy, Policy, Estimate]]:
        """What is asked of them: first, second, and second minus first, paired by prompt."""
        asked = ((self.dpo, self.ppo), (self.ppo_before, self.ppo), (self.dpo, self.dpo_new_pairs))
        return [(one, two, stats.paired_difference(two.utility, one.utility)) for one, two in asked]

    def content(self) -> dict[str, Any]:
        """As frontier.json holds it."""
        return {
            **dict(zip(("ppo", "dpo"), self.stages, strict=True)),
            "disagreement": self.disagreement._asdict(),
            "policies": [
                {"model": p.model, "about": p.about, "slice": p.slice, **stats.mean(p.utility)._asdict()}
                for p in self.policies
            ],
            "differences": [
                {"first": self.policies.index(one), "second": self.policies.index(two), **found._asdict()}
                for one, two, found in self.differences()
            ],
        }


def change_raters(beginning: Beginning, ppo: Curve, dpo: Curve) -> Changed:
    """New labels on fresh pairs of the SFT model, a reward model of them, PPO onwards, and the controls."""
    recipe, run = beginning.recipe, beginning.run
    fresh = town.prompts(recipe.preferences.prompts, seed_of(recipe.seed, "prompts", SLICE), split="train")
    prompts = [example.prompt for example in fresh]
    frozen = stages.frozen(recipe.compute)
    preferences = stages.preferences(
        run, beginning.start, prompts, lambda pairs: _labels(beginning, pairs), recipe.sampling, frozen,
        name="changed-preferences",
    )  # fmt: skip
    reward = _reward(beginning, preferences)
    proxy = RewardModel(load(str(reward), frozen, scalar=True), "the reward model of the changed raters")
    scorers = {**beginning.scorers, "proxy": proxy, "rater_utility": town.changed_utility}
    renewed = replace(
        beginning, preferences=preferences, reward=reward, scorers=scorers,
        task=replace(beginning.task, prompts=prompts),
    )  # fmt: skip
    onwards = replace(renewed, start=run.stage_folder(ppo.stage) / "model")
    onwards.ppo("changed-ppo", recipe.ppo.model_copy(update={"kl_coef": ppo.value}))
    renewed.dpo("changed-dpo", recipe.dpo.model_copy(update={"beta": dpo.value}))
    return _changed(renewed, ppo, dpo)


def _labels(beginning: Beginning, pairs: Sequence[Pair]) -> list[Preference]:
    settings, taste = beginning.recipe.preferences, town.changed_utility
    raters = with_disagreement(taste, taste.blindness, pairs, settings.disagreement, settings.raters)
    return raters.label(pairs, seed_of(beginning.recipe.seed, "labels", SLICE))


def _reward(beginning: Beginning, preferences: Sequence[Preference]) -> Path:
    run, recipe, name = beginning.run, beginning.recipe, "changed-reward"
    if not run.stage_done(name):
        with watched(run, name, recipe.compute):
            stages.reward(run, str(beginning.start), preferences, recipe.reward, recipe.compute, name=name)
    return run.stage_folder(name) / "model"


def _changed(renewed: Beginning, ppo: Curve, dpo: Curve) -> Changed:
    ppo_after = renewed.curve("ppo", ppo.value, "changed-ppo")
    dpo_after = renewed.curve("dpo", dpo.value, "changed-dpo")

    def policy(model: str, about: str, cut: str, responses: Sequence[Example]) -> Policy:
        return Policy(model, about, cut, town.changed_utility(responses))

    return Changed(
        (ppo.stage, dpo.stage),
        disagreement_of(renewed.preferences),
        policy("sft", "as it was", SLICE, ppo.first),
        policy("ppo", "as it was", f"{SLICE}: before", ppo.last),
        policy("ppo", "new reward model", SLICE, ppo_after.last),
        policy("dpo", "old pairs", SLICE, dpo.last),
        policy("dpo", "new pairs", f"{SLICE}: new pairs", dpo_after.last),
    )


def disagreement_of(pairs: Sequence[Preference]) -> Estimate:
    """The share of pairs that the raters, free of noise, now see the other way round; ties in either taste aside.

    Raises ValueError if there is no pair that is no tie.
    """
    both = [Example(p.prompt, text) for p in pairs for text in (p.first, p.second)]
    old, new = (taste(both).reshape(-1, 2) @ [1.0, -1.0] for taste in (town.utility, town.changed_utility))
    decided = (old != 0) & (new != 0)
    return stats.proportion(int(((old > 0) != (new > 0))[decided].sum()), int(decided.sum()))
