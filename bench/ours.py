"""This project's side of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import machine
import numpy as np
from steps import NEVER, watch
from task import LEARNING_RATE, MAX_GRAD_NORM, RLOO_KL, SAMPLED, Task, Trial, resident_mib, share_of_long_words

from gyrocompass.config import DPO, PPO, SFT, Optimisation, Reward, Sampling
from gyrocompass.learn import reference
from gyrocompass.learn.dpo import DirectPreferenceOptimisation
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.learn.reward import RewardModelling
from gyrocompass.learn.sft import Finetuning
from gyrocompass.models.batching import Passes
from gyrocompass.models.loading import load
from gyrocompass.models.network import Network
from gyrocompass.models.pairs import PairRows
from gyrocompass.protocols import Floats
from gyrocompass.records import Example


@dataclass(frozen=True)
class Given(Passes):
    """Passes whose order is told and not drawn."""

    order: tuple[tuple[int, ...], ...] = ()

    def indices(self, step: int) -> list[int]:
        return list(self.order[step - 1])


COMMON: dict[str, Any] = {
    "learning_rate": LEARNING_RATE,
    "max_grad_norm": MAX_GRAD_NORM,
    "checkpoint_every": NEVER,
}

Built = tuple[Any, Optimisation, float | None]
"""A method, its settings, and the seconds spent on its reference before the first step."""


def sft(task: Task, network: Network) -> Built:
    config = SFT(batch_size=task.batch, **COMMON)
    return Finetuning(network, [item.rows[0] for item in task.items], config, 0), config, None


def reward(task: Task, network: Network) -> Built:
    config = Reward(batch_size=task.batch, **COMMON, centring=0.0)
    return RewardModelling(network, pairs(task), config, 0), config, None


def pairs(task: Task) -> list[PairRows]:
    return [PairRows(*item.rows, p_first=1.0, strength=0.0) for item in task.items]


def dpo(task: Task, network: Network) -> Built:
    """The reference is the policy before its first step, read once."""
    config, many = DPO(batch_size=task.batch, **COMMON), pairs(task)
    known, seconds = machine.timed(lambda: reference.logprobs(network, many), network.device)
    return DirectPreferenceOptimisation(network, many, known, config, 0), config, seconds


def group_relative(task: Task, network: Network) -> Built:
    """One update per rollout and no KL penalty, as TRL has it by default."""
    config = PPO(
        batch_size=task.batch,
        steps=task.steps + 1,
        minibatches=1,
        samples_per_prompt=task.generations,
        estimator="grpo" if task.method == "grpo" else "rloo",
        kl_coef=0.0 if task.method == "grpo" else RLOO_KL,
        missing_end_penalty=0.0,
        **COMMON,
    )
    frozen = load(str(task.folder), task.compute) if config.kl_coef else None
    sampling = Sampling(max_new_tokens=task.shape.new_tokens)
    return PolicyOptimisation(network, frozen, None, scored, task.prompts, config, sampling, 0), config, None


def scored(examples: Sequence[Example], /) -> Floats:
    return np.array([share_of_long_words(example.response or "") for example in examples])


METHODS: dict[str, Callable[[Task, Network], Built]] = {
    "sft": sft,
    "reward": reward,
    "dpo": dpo,
    "grpo": group_relative,
    "rloo": group_relative,
}


def trial(task: Task) -> Trial:
    """All steps of a task, timed."""
    network = load(str(task.folder), task.compute, scalar=task.scalar, trainable=True)
    before = resident_mib()
    method, config, reference_seconds = METHODS[task.method](task, network)
    order = task.order("random")
    if task.method not in SAMPLED:
        method.passes = Given(len(task.items), task.batch, 1, 0, tuple(map(tuple, order)))
    watched = watch(method, config)
    seconds = [step.seconds for step in watched.done]
    if task.method in SAMPLED:
        answered = [round(step.collected.metrics["response_tokens"] * task.batch) for step in watched.done]
        tokens, loss, gradient = [step.collected.tokens for step in watched.done], None, None
    else:
        (tokens, answered), loss, gradient = task.counted(order), watched.first_loss, watched.first_gradient
    return Trial(seconds, tokens, answered, loss, gradient, before, reference_seconds, machine.device_peak_mib())
