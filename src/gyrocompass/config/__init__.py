"""One model per stage: command-line flags, YAML keys and the reference page all derive from these classes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .amplification import Amplification, Amplify
from .base import Config
from .stages import (
    DPO,
    PPO,
    SFT,
    Access,
    Compute,
    Evaluation,
    Online,
    Optimisation,
    Preferences,
    Probing,
    Reward,
    Sampling,
)
from .steps import OwnChoice, OwnLabels, OwnLearning, Process, StepLearning, StepPayment
from .studies import CAI, CAIStudy, Debate, Emergence, Frontier, Grids, Hacking, OwnDebate, TownDebate, WeakToStrong

__all__ = [
    "CAI",
    "DPO",
    "PPO",
    "SFT",
    "Access",
    "Amplification",
    "Amplify",
    "CAIStudy",
    "Compute",
    "Config",
    "Debate",
    "Emergence",
    "Evaluation",
    "Frontier",
    "Grids",
    "Hacking",
    "Online",
    "Optimisation",
    "OwnChoice",
    "OwnDebate",
    "OwnLabels",
    "OwnLearning",
    "Preferences",
    "Probing",
    "Process",
    "Recipe",
    "Reward",
    "Sampling",
    "StepLearning",
    "StepPayment",
    "TownDebate",
    "WeakToStrong",
]


Pipeline = Literal[
    "rlhf", "cai", "cai_study", "frontier", "hacking", "emergence", "grids", "debate", "amplify", "process",
    "weak_to_strong",
]  # fmt: skip


class Recipe(Config):
    """A whole run: base -> SFT -> preferences -> reward model -> PPO or DPO, evaluated against intent."""

    pipeline: Pipeline = Field("rlhf", description="which road to take")
    model: str = Field("town", description="folder or hub name of a causal LM; town: the embedded base model")
    data: str = Field(
        "town", description="preferences (cai: prompts): file, folder or hub name; town: the embedded world"
    )
    demonstrations: str | None = Field(
        None,
        description="data for SFT; default: the chosen responses of the preferences (cai: none beside the revisions)",
    )
    seed: int = Field(0, ge=0, description="seed of everything random")
    compute: Compute = Compute()
    sampling: Sampling = Sampling()
    sft: SFT = SFT()
    preferences: Preferences = Preferences()
    reward: Reward = Reward()
    ppo: PPO = PPO()
    dpo: DPO = DPO()
    cai: CAI = CAI()
    cai_study: CAIStudy = CAIStudy()
    debate: Debate = Debate()
    frontier: Frontier = Frontier()
    hacking: Hacking = Hacking()
    emergence: Emergence = Emergence()
    grids: Grids = Grids()
    amplification: Amplification = Amplification()
    amplify: Amplify = Amplify()
    process: Process = Process()
    weak_to_strong: WeakToStrong = WeakToStrong()
    probing: Probing = Probing()
    evaluation: Evaluation = Evaluation()
