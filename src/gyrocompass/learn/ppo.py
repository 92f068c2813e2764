"""Proximal policy optimisation of a language model against a scorer, with a KL penalty to a reference.

Source: Schulman et al. 2017, arXiv:1707.06347; for language: Ziegler et al. 2019, arXiv:1909.08593, and the
details of Huang et al. 2024, arXiv:2403.17031. With `estimator` rloo or grpo there is no critic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..config import PPO, Sampling
from ..errors import Diverged, InputError
from ..maths import advantages as adv
from ..maths import losses, masked
from ..maths.kl import adapt_coef
from ..models import chat
from ..models.batching import Padded, pad, seed_of, shuffled
from ..models.chat import Row
from ..models.network import Network
from ..models.policy import Drawn, check_room, over_rows, reference_logprobs, response_texts, sampled_logprobs
from ..models.rollouts import LocalRollouts, Rollouts
from ..models.scorer import checked
from ..models.steps import StepPay, placed
from ..protocols import Scorer
from ..records import Example, Prompt
from . import constraint
from .loop import Collected


@dataclass(frozen=True)
class Trajectory:
    """A step's responses. Tensors are (B, T - 1): entry t is about token t + 1, as in `Padded.mask`."""

    rows: list[Row]
    mask: Bool[Tensor, "B t"]
    logp: Float[Tensor, "B t"]
    ref: Float[Tensor, "B t"]
    values: Float[Tensor, "B t"]
    advantages: Float[Tensor, "B t"]
    returns: Float[Tensor, "B t"]


class Micro(NamedTuple):
    batch: Padded
    old: Trajectory
    chosen: list[int]
    total_tokens: int
    """Response tokens in the whole minibatch."""


class PolicyOptimisation:
    """One step: sample responses, score them, estimate advantages, then a few passes of clipped updates.

    `reference` None means the policy with its adapters off; without adapters there is no reference then, nor a KL to
    it. `critic` is needed for `gae` only. A StepPay pays at the steps' ends. `rollouts` is who samples; None is the
    policy itself.
    Raises InputError if the settings don't fit together.
    """

    def __init__(
        self,
        policy: Network,
        reference: Network | None,
        critic: Network | None,
        scorer: Scorer | StepPay,
        prompts: Sequence[Prompt],
        config: PPO,
        sampling: Sampling,
        seed: int,
        rollouts: Rollouts | None = None,
    ) -> None:
        check(config, len(prompts))
        if config.estimator == "gae" and critic is None:
            raise InputError("ppo: the gae estimator needs a critic; give one, or set ppo.estimator to rloo or grpo")
        self.myopic = isinstance(scorer, StepPay) and scorer.myopic
        if config.estimator != "gae" and self.myopic:
            raise InputError(f"ppo: {config.estimator} compares whole responses, not steps; set ppo.estimator to gae")
        self.held = reference is not None or policy.compute.lora_rank > 0
        if not self.held and (config.kl_coef or config.kl_target is not None):
            raise InputError("ppo: a KL penalty needs a reference; give one, or set ppo.kl_coef to 0")
        self.policy, self.reference, self.critic, self.scorer = policy, reference, critic, scorer
        self.networks: Mapping[str, Network] = {"policy": policy} | ({"critic": critic} if critic else {})
        self.prompts, self.config, self.sampling, self.seed = prompts, config, sampling, seed
        self.rollouts = rollouts or LocalRollouts(policy, sampling)
        self.prompt_ids = chat.encode_prompts(policy.tokenizer, prompts)
        check_room(self.prompt_ids, policy, sampling)
        self.steps = config.steps
        self.state = {"kl_coef": config.kl_coef, "multiplier_logit": 0.0}

    def collect(self, step: int) -> Collected:
        # 1. Prompts of this step, and the policy's responses to them.
        chosen = self._prompts_of(step)
        drawn = self._rollout(chosen, step)
        rows, ended, logp = drawn
        # 2. Log-probabilities under policy and reference, values under the critic.
        mask = pad(rows).mask.to(self.policy.device)
        if not self.rollouts.exact:
            logp = sampled_logprobs(self.policy, rows, self.sampling.temperature)
        ref = logp
        if self.held:
            ref = reference_logprobs(self.policy, self.reference, rows, self.sampling.temperature)
        values = self._values(rows, logp)
        # 3. Scores of the texts, or of their steps; a response that never ended pays a penalty.
        scores, ends = self._scores(chosen, rows, ended, mask)
        # 4. The KL penalty per token, each score at its end; from these the advantages.
        weight = self._weight()
        rewards = adv.shaped_rewards(weight * scores, logp, ref, mask, self.state["kl_coef"])
        advantages, returns = self._advantages(rewards, values, mask, ends if self.myopic else None)
        trajectory = Trajectory(rows, mask, logp, ref, values, advantages, returns)
        # 5. Hold the KL near its target and the score at its threshold, where they are set.
        metrics = self._metrics(trajectory, scores.sum(1), ended) | self.rollouts.compare(drawn, logp)
        if self.held:
            self._adapt(metrics["kl_nats"], len(rows), step)
        if self.config.constrain is not None:
            metrics["multiplier"] = weight
            # the threshold is one for scores, and the penalty for missing ends is no part of them
            penalty = self.config.missing_end_penalty * (1 - metrics["ended_fraction"])
            self._constrain(metrics["score"] + penalty, self.config.constrain)
        return Collected(self._minibatches(trajectory, step), sum(map(len, rows)), metrics)

    def loss(self, micro: Micro) -> tuple[Tensor, losses.Metrics]:
        batch, old, chosen = micro.batch, micro.old, micro.chosen
        width, clip = batch.mask.shape[1], self.config.clip

        def then(x: Tensor) -> Tensor:
            return x[chosen, :width]

        logp = self.policy.logprobs(batch, self.sampling.temperature)
        loss, metrics = losses.ppo_policy(
            logp, then(old.logp), then(old.advantages), batch.mask, clip, micro.total_tokens
        )
        if self.critic is None:
            return loss, metrics
        values = self.critic.scalars(batch)[:, :-1]
        value_loss, more = losses.ppo_value(
            values, then(old.values), then(old.returns), batch.mask, clip, micro.total_tokens
        )
        return loss + value_loss, metrics | more

    def _prompts_of(self, step: int) -> list[int]:
        """Indices of this step's prompts, from shuffled passes over all of them."""
        need, total = self.config.batch_size // self.config.samples_per_prompt, len(self.prompts)
        positions = range((step - 1) * need, step * need)
        orders = {p // total: shuffled(total, seed_of(self.seed, "ppo", p // total)) for p in positions}
        return [orders[p // total][p % total] for p in positions]

    def _rollout(self, chosen: list[int], step: int) -> Drawn:
        prompts = [self.prompt_ids[i] for i in chosen]
        return self.rollouts(prompts, self.config.samples_per_prompt, seed_of(self.seed, "rollout", step), step)

    def _scores(
        self, chosen: list[int], rows: list[Row], ended: Bool[Tensor, "B"], mask: Bool[Tensor, "B t"]
    ) -> tuple[Float[Tensor, "B t"], Bool[Tensor, "B t"]]:
        """Each score at the token that earns it, and where these are: the response's end, or its steps' ends."""
        owners = [i for i in chosen for _ in range(self.config.samples_per_prompt)]
        texts = response_texts(self.policy, rows)
        examples = [Example(self.prompts[i], text) for i, text in zip(owners, texts, strict=True)]
        penalty, end = adv.at_end(self.config.missing_end_penalty * (~ended), mask)
        if isinstance(self.scorer, StepPay):
            scores, ends = placed(self.policy.tokenizer, rows, self.scorer.step_scores(examples), mask)
        else:
            raw = checked(self.scorer(examples), len(examples), "the scorer")
            scores, ends = adv.at_end(torch.from_numpy(raw).float().to(self.policy.device), mask)
        return scores - penalty, ends | end

    def _values(self, rows: list[Row], like: Float[Tensor, "B t"]) -> Float[Tensor, "B t"]:
        critic = self.critic
        if critic is None:
            return torch.zeros_like(like)
        return over_rows(critic, rows, lambda batch: critic.scalars(batch)[:, :-1])

    def _advantages(
        self,
        rewards: Float[Tensor, "B t"],
        values: Float[Tensor, "B t"],
        mask: Bool[Tensor, "B t"],
        ends: Bool[Tensor, "B t"] | None,
    ) -> tuple[Float[Tensor, "B t"], Float[Tensor, "B t"]]:
        if self.config.estimator == "gae":
            advantages, returns = adv.gae(rewards, values, mask, ends=ends)
            return masked.whiten(advantages, mask), returns
        group = rewards.sum(1).view(-1, self.config.samples_per_prompt)
        per_response = (adv.rloo if self.config.estimator == "rloo" else adv.grpo)(group).flatten()
        return per_response[:, None] * mask, rewards

    def _metrics(self, t: Trajectory, scores: Float[Tensor, "B"], ended: Bool[Tensor, "B"]) -> dict[str, float]:
        found = {
            "score": float(scores.mean()),
            "entropy_nats": -float(masked.mean(t.logp, t.mask)),
            "response_tokens": float(t.mask.sum(1).float().mean()),
            "ended_fraction": float(ended.float().mean()),
            "kl_coef": self.state["kl_coef"],
        }
        if self.held:
            found["kl_nats"] = float((t.logp - t.ref).sum(1).mean())
        if self.critic is not None:
            residual = masked.mean((t.returns - t.values).square(), t.mask)
            spread = masked.mean((t.returns - masked.mean(t.returns, t.mask)).square(), t.mask)
            found["value_explained_fraction"] = float(1 - residual / (spread + 1e-8))
        return found

    def _adapt(self, kl: float, episodes: int, step: int) -> None:
        if not kl <= self.config.kl_limit:
            raise Diverged(
                f"ppo: the KL to the reference is {kl:.1f} nats at step {step}, above kl_limit = "
                f"{self.config.kl_limit:g}; raise ppo.kl_coef or lower ppo.learning_rate"
            )
        if self.config.kl_target is not None:
            self.state["kl_coef"] = adapt_coef(self.state["kl_coef"], kl, self.config.kl_target, episodes)

    def _weight(self) -> float:
        """Of the score against the KL penalty."""
        return 1.0 if self.config.constrain is None else constraint.multiplier(self.state["multiplier_logit"])

    def _constrain(self, score: float, threshold: float) -> None:
        logit, rate = self.state["multiplier_logit"], self.config.constrain_rate
        self.state["multiplier_logit"] = constraint.adapted(logit, score, threshold, rate)

    def _minibatches(self, t: Trajectory, step: int) -> Iterator[list[Micro]]:
        for epoch in range(self.config.epochs):
            order = shuffled(len(t.rows), seed_of(self.seed, "minibatch", step, epoch))
            for part in range(self.config.minibatches):
                yield self._micros(t, order[part :: self.config.minibatches])

    def _micros(self, t: Trajectory, chosen: list[int]) -> list[Micro]:
        total = sum(t.rows[i].n_response for i in chosen)
        reader = self.policy if self.critic is None or self.critic.packs else self.critic
        cuts = reader.cuts([t.rows[i] for i in chosen])
        indices = [[chosen[i] for i in cut] for cut in cuts]
        return [Micro(reader.batch([t.rows[i] for i in cut]), t, cut, total) for cut in indices]


def check(config: PPO, n_prompts: int) -> None:
    """Raises InputError if there are no prompts, or settings don't fit together."""
    if not n_prompts:
        raise InputError("ppo: there are no prompts to answer")
    if config.estimator != "gae" and config.samples_per_prompt < 2:
        raise InputError(f"ppo: {config.estimator} compares responses to one prompt; set ppo.samples_per_prompt >= 2")
    if config.kl_target is not None and config.kl_coef == 0:
        raise InputError("ppo: kl_target adapts kl_coef by factors, so kl_coef = 0 stays 0; start it above 0")
    if config.constrain is not None and config.kl_coef == 0:
        raise InputError("ppo: constrain weighs the score against the KL penalty; set ppo.kl_coef above 0")
    if config.batch_size % config.samples_per_prompt:
        raise InputError(
            f"ppo: batch_size {config.batch_size} is no multiple of samples_per_prompt {config.samples_per_prompt}"
        )
    if config.minibatches > config.batch_size:
        raise InputError(f"ppo: {config.minibatches} minibatches of {config.batch_size} responses leave some empty")
