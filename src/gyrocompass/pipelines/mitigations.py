"""What may be done against reward hacking: each mitigation as a scorer and PPO's settings, or as a place to stop.

Sources: ensembles, Coste et al. 2024, arXiv:2310.02743; averaged weights, Ramé et al. 2024, arXiv:2401.12187; length,
Singhal et al. 2023, arXiv:2310.03716; constraint, Moskovitz et al. 2023, arXiv:2310.04373; KL and stopping, Gao et al.
2023, arXiv:2210.10760.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..config import PPO, Sampling
from ..learn.reward import accuracy
from ..maths import overoptimisation
from ..models.averaging import averaged
from ..models.batching import seed_of
from ..models.controlled import LengthControlled, length_controlled
from ..models.loading import load
from ..models.network import Network
from ..models.policy import LocalPolicy, with_room
from ..models.scorer import RewardModel, ensemble
from ..protocols import Scorer
from ..records import Example, Measurement, Preference, Prompt
from ..run import Run
from . import stages
from .curves import Curve
from .methods import Beginning
from .verdict import Probed

BASELINE = "ppo"
"""The stage of PPO against a single reward model."""
AGAIN = "again"
VALIDATION = "validation-reward"
AVERAGED = "reward-averaged"
LEAST_FIT = 0.5
"""Share of what sets checkpoints apart that a form must explain before its peak is believed."""
LENGTH_PROMPTS = 256
"""Prompts whose responses tell what length is worth to a scorer."""

TITLES = {
    AGAIN: "no mitigation, trained again",
    "mean": "an ensemble's mean",
    "worst-case": "an ensemble's worst case",
    "variance": "an ensemble less its variance",
    "averaged": "averaged weights",
    "length": "length control",
    "constrained": "a constraint at the validation peak",
    "constrained-gold": "a constraint at gold's peak",
    "kl": "a high KL coefficient",
    "stopped": "stopping at the validation peak",
    "stopped-gold": "stopping at gold's peak",
}


@dataclass(frozen=True)
class Mitigation:
    """One that PPO is run under. `needs` are the stages of the reward models behind it; `note` says how it was set;
    `seed` is that of PPO, by default the run's, as the baseline's is."""

    name: str
    scorer: Scorer
    config: PPO
    needs: tuple[str, ...]
    note: str
    seed: int | None = None

    @property
    def stage(self) -> str:
        return f"{BASELINE}-{self.name}"


class Watch(NamedTuple):
    """The checkpoint at which a gauge peaked on the baseline's course, over n prompts that measure nothing else.

    `at` is its place among the checkpoints, `proxy` the mean score there.
    """

    gauge: str
    at: int
    step: int
    kl_nats: float
    proxy: float
    n: int

    def name(self, mitigation: str) -> str:
        """A mitigation that is set by this gauge."""
        return f"{mitigation}-gold" if self.gauge == "gold" else mitigation


def watch(curve: Curve, gauge: str) -> Watch:
    """The checkpoint nearest the peak d* of the fitted form d (a - b log d).

    Where the form can't be fitted, fits badly or has no peak on this course, it is the highest checkpoint.
    """
    p = curve.probed
    kl, gauged = p.values["kl_nats"], p.values[gauge]
    distances = np.sqrt(np.maximum(kl.mean(axis=1), 0.0))
    peak = _fitted_peak(p, gauge)
    on_course = peak <= distances.max()
    at = int(np.abs(distances - peak).argmin() if on_course else gauged.mean(axis=1).argmax())
    found = max(0.0, float(kl[at].mean()))
    return Watch(gauge, at, p.steps[at], found, float(p.values["proxy"][at].mean()), gauged.shape[1])


def _fitted_peak(p: Probed, gauge: str) -> float:
    """d*, root nats; infinite where the form says nothing of one."""
    try:
        found = overoptimisation.fit(overoptimisation.RL, p.values["kl_nats"], p.values[gauge], p.questions)
    except ValueError:
        return float("inf")
    return found.peak.value if found.r_squared >= LEAST_FIT else float("inf")


@dataclass(frozen=True)
class Mitigations:
    """Those that the recipe asks for. `unseen` are preferences that none of their reward models learns from; `watches`
    set the constraints."""

    beginning: Beginning
    unseen: Sequence[Preference]
    watches: Sequence[Watch]

    def all(self) -> list[Mitigation]:
        """Each that is to be trained, in the order in which the recipe names them; none at all comes first, again."""
        make = {
            "mean": self._ensembles, "worst-case": self._ensembles, "variance": self._ensembles,
            "averaged": self._averaged, "length": self._length, "constrained": self._constrained, "kl": self._kl,
        }  # fmt: skip
        settings = self.beginning.recipe.hacking
        found = [made for name in dict.fromkeys(settings.mitigations) if name in make for made in make[name](name)]
        return [*([self._again()] if settings.again else []), *found]

    def _again(self) -> Mitigation:
        """The baseline with another seed: by how much two courses differ through chance in training alone."""
        recipe, proxy = self.beginning.recipe, self.beginning.scorers["proxy"]
        seed = seed_of(recipe.seed, AGAIN)
        return Mitigation(AGAIN, proxy, recipe.ppo, ("reward",), "another order of prompts, other draws", seed)

    @cached_property
    def members(self) -> dict[str, Path]:
        """The single reward model, and others like it on bootstraps of its prompts: stage -> model's folder."""
        recipe, run = self.beginning.recipe, self.beginning.run
        found = {"reward": self.beginning.reward}
        for name in (f"reward-{i}" for i in range(2, recipe.hacking.members + 1)):
            drawn = bootstrapped(self.beginning.preferences, seed_of(recipe.seed, name))
            found[name] = stages.reward(
                run, str(self.beginning.start), drawn, recipe.reward, recipe.compute, name=name
            )  # fmt: skip
        return found

    @cached_property
    def models(self) -> list[Scorer]:
        _, *others = self.members.items()
        return [self.beginning.scorers["proxy"], *(self._open(folder, stage) for stage, folder in others)]

    def _ensembles(self, name: str) -> list[Mitigation]:
        recipe = self.beginning.recipe
        weight, note = recipe.hacking.variance_weight, f"{len(self.models)} reward models"
        scorers = {
            "mean": ensemble(self.models, "mean"),
            "worst-case": ensemble(self.models, "min"),
            "variance": ensemble(self.models, "mean_minus_variance", weight),
        }
        note += f", weight {weight:g}" if name == "variance" else ""
        return [Mitigation(name, scorers[name], recipe.ppo, tuple(self.members), note)]

    def _averaged(self, name: str) -> list[Mitigation]:
        """The members' mean, with a scale of its own. Its accuracy, beside the single one's, is on unseen pairs."""
        run, recipe = self.beginning.run, self.beginning.recipe
        folder = run.stage_folder(AVERAGED) / "model"
        if not run.stage_done(AVERAGED):
            with run.stage(AVERAGED):
                network = averaged(list(map(str, self.members.values())), stages.frozen(recipe.compute))
                scorer = RewardModel(network, AVERAGED)
                scorer.calibrate(self._samples())
                stages.save(run, network, folder, AVERAGED, str(self.beginning.start), recipe.reward)
                self._measure_accuracy(scorer)
        model, note = self._open(folder, AVERAGED), f"{len(self.members)} reward models"
        return [Mitigation(name, model, recipe.ppo, (*self.members, AVERAGED), note)]

    def _length(self, name: str) -> list[Mitigation]:
        scorer = length_controlled(self.beginning.scorers["proxy"], self._samples())
        note = f"{scorer.a_doubling:.2f} off for each doubling of length"
        return [Mitigation(name, scorer, self.beginning.recipe.ppo, ("reward",), note)]

    def _constrained(self, name: str) -> list[Mitigation]:
        """One for each watch: the proxy is held where the gauge peaked."""
        proxy, ppo = self.beginning.scorers["proxy"], self.beginning.recipe.ppo
        return [
            Mitigation(
                w.name(name), proxy, ppo.model_copy(update={"constrain": w.proxy}), rests_on(w),
                f"proxy held at {w.proxy:.2f}",
            )
            for w in self.watches
        ]  # fmt: skip

    def _kl(self, name: str) -> list[Mitigation]:
        recipe = self.beginning.recipe
        ppo = recipe.ppo.model_copy(update={"kl_coef": recipe.hacking.high_kl_coef})
        return [Mitigation(name, self.beginning.scorers["proxy"], ppo, ("reward",), f"kl_coef {ppo.kl_coef:g}")]

    def _open(self, folder: Path, name: str) -> RewardModel:
        return RewardModel(load(str(folder), stages.frozen(self.beginning.recipe.compute), scalar=True), name)

    def _samples(self) -> list[Example]:
        """Responses on which scales and slopes are set."""
        some = self.beginning.preferences[: stages.CALIBRATION]
        return [Example(p.prompt, text) for p in some for text in (p.first, p.second)]

    def _measure_accuracy(self, scorer: RewardModel) -> None:
        decided = [p for p in self.unseen[: stages.CALIBRATION] if p.p_first != 0.5]
        single = self.beginning.scorers["proxy"]
        for name, model in (("reward", single), (AVERAGED, scorer)):
            if len(decided) > 1 and isinstance(model, RewardModel):
                row = Measurement(name, "intent", "accuracy", *accuracy(model, decided), slice="validation preferences")
                self.beginning.run.measure([row])


def control_length(
    run: Run, scorer: Scorer, policy: Network, prompts: Sequence[Prompt], sampling: Sampling
) -> LengthControlled:
    """The scorer without what length explains over two responses of the policy, as it is, to each of some prompts."""
    room, _ = with_room(policy, prompts, sampling)
    some = [prompts[i] for i in room[:LENGTH_PROMPTS]]
    drawn = LocalPolicy(policy, sampling).sample(some, 2, seed=seed_of(run.seed, "length control"))
    samples = [Example(prompt, text) for prompt, texts in zip(some, drawn, strict=True) for text in texts]
    found = length_controlled(scorer, samples)
    run.say(f"length control: {found.a_doubling:.2f} off the score for each doubling of length")
    return found


def rests_on(w: Watch) -> tuple[str, ...]:
    """The stages that a watch needs: a course to watch, and the model that watches."""
    return ("reward", BASELINE) if w.gauge == "gold" else ("reward", BASELINE, VALIDATION)


def bootstrapped(preferences: Sequence[Preference], seed: int) -> list[Preference]:
    """As many prompts, drawn with replacement, each with all its pairs. Source: Breiman 1996, Bagging predictors."""
    pairs: dict[object, list[Preference]] = {}
    for p in preferences:
        pairs.setdefault(p.prompt, []).append(p)
    groups = list(pairs.values())
    drawn = np.random.default_rng(seed).integers(len(groups), size=len(groups))
    return [p for i in drawn for p in groups[i]]
