"""Settings of the stages, which a run of any kind has, and of how models are loaded, run and asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator
from pydantic_core import PydanticCustomError

from ..records import PROPERTIES
from .base import Config


class Compute(Config):
    """How models are loaded and run."""

    device: str = Field("auto", description="cpu, cuda, cuda:1, mps; auto takes a GPU if there is one")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="type of matrix products; auto is bf16 where the processor has it and the model gains",
    )
    micro_batch_tokens: PositiveInt | None = Field(
        None,
        description="tokens held at once, padding included; results don't depend on it; "
        "default: 768 on a CPU, 16,384 on a GPU",
    )
    max_tokens: PositiveInt | None = Field(
        None,
        description="longest prompt with response, tokens; longer ones are counted and left out; "
        "default: the model's context",
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations: less memory, more time")
    lora_rank: int = Field(0, ge=0, description="rank of the LoRA adapters; 0 trains all weights")
    lora_alpha: PositiveFloat = Field(16.0, description="LoRA scale: updates are multiplied by alpha / rank")
    trust_remote_code: bool = Field(False, description="run code shipped with a model; recorded in run.json")


class Sampling(Config):
    """How responses are drawn, in rollouts and in evaluation alike."""

    max_new_tokens: PositiveInt = Field(256, description="longest response, tokens")
    temperature: PositiveFloat = Field(1.0, description="softmax temperature; training uses the same one")


class Optimisation(Config):
    """What every learning stage shares."""

    learning_rate: PositiveFloat = Field(1e-5, description="peak learning rate of AdamW")
    batch_size: PositiveInt = Field(64, description="examples, pairs or responses per optimiser step")
    epochs: PositiveInt = Field(1, description="passes over the data (ppo: over each step's rollouts)")
    warmup_fraction: float = Field(0.05, ge=0, lt=1, description="share of the steps over which the rate rises")
    max_grad_norm: PositiveFloat = Field(1.0, description="gradients are scaled down to this norm")
    checkpoint_every: PositiveInt = Field(50, description="steps between checkpoints a killed run resumes from")


class SFT(Optimisation):
    """Supervised fine-tuning on demonstrations."""

    loss_on: Literal["response", "all"] = Field("response", description="tokens that count in the loss")


class Reward(Optimisation):
    """Reward model from preferences (Bradley-Terry)."""

    margin: bool = Field(False, description="subtract a preference's stated strength from the score difference")
    centring: float = Field(0.01, ge=0, description="weight of (first + second)^2, which keeps scores near 0")
    heldout_fraction: float = Field(0.1, gt=0, lt=1, description="share of the prompts kept for measuring accuracy")


class DPO(Optimisation):
    """Learning from preferences without a reward model (DPO and its family)."""

    loss: Literal["sigmoid", "robust", "ipo", "hinge", "kto", "orpo", "simpo"] = Field(
        "sigmoid", description="sigmoid is DPO; orpo and simpo need no reference"
    )
    beta: PositiveFloat = Field(0.1, description="strength of the pull to the reference (orpo: of the odds ratio)")
    label_noise: float = Field(
        0.0, ge=0, lt=0.5, description="share of labels taken to be flipped: sigmoid hedges (cDPO), robust corrects"
    )
    length_normalised: bool = Field(False, description="log-ratios per response token and not per response")
    target_margin: float = Field(0.5, ge=0, description="simpo: by how much the chosen reward is to lead")
    sft_weight: float = Field(
        0.0, ge=0, description="weight of the chosen responses' loss in nats a token, which keeps them likely"
    )
    reference: str = Field(
        "start", description="start: the model as it began; none; or the folder or hub name of another"
    )
    heldout_fraction: float = Field(0.1, gt=0, lt=1, description="share of the prompts kept for measuring accuracy")


class Online(Config):
    """Online DPO: sample, score or judge, learn, repeat."""

    steps: PositiveInt = Field(100, description="sampling phases of online dpo")
    samples_per_prompt: int = Field(2, ge=2, description="responses a prompt; the best is set against the worst")
    missing_end_penalty: float = Field(1.0, ge=0, description="taken off the score of a response that never ended")


class PPO(Optimisation):
    """Policy optimisation against a scorer, with a KL penalty to the reference."""

    steps: PositiveInt = Field(200, description="rollout phases")
    minibatches: PositiveInt = Field(4, description="optimiser steps per pass over a step's rollouts")
    samples_per_prompt: PositiveInt = Field(1, description="responses a prompt; rloo and grpo need at least 2")
    estimator: Literal["gae", "rloo", "grpo"] = Field("gae", description="advantage estimator")
    kl_coef: float = Field(0.05, ge=0, description="weight of the KL penalty, reward units per nat")
    kl_target: PositiveFloat | None = Field(None, description="nats a response; adapts kl_coef to hold this KL")
    kl_limit: PositiveFloat = Field(200.0, description="nats a response; beyond it the run stops as diverged")
    clip: PositiveFloat = Field(0.2, description="range of the probability ratio and of the value update")
    missing_end_penalty: float = Field(1.0, ge=0, description="taken off the score of a response that never ended")
    constrain: float | None = Field(
        None, description="mean score at which a Lagrange multiplier holds the policy, in the scorer's units"
    )
    constrain_rate: PositiveFloat = Field(2.0, description="logits that the multiplier moves a step and score unit")


class Access(Config):
    """How an endpoint is asked, and how much."""

    concurrency: PositiveInt = Field(32, description="requests in flight at once")
    retries: NonNegativeInt = Field(6, description="further tries of a request that failed for a passing reason")
    backoff_seconds: PositiveFloat = Field(
        0.5, description="wait before the first retry; doubles with each, up to 60 s; a server's Retry-After holds"
    )
    timeout_seconds: PositiveFloat = Field(120.0, description="longest wait for an answer")
    max_requests: PositiveInt | None = Field(
        None, description="requests sent at most, probe and retries too; cached answers are free"
    )
    max_cost: PositiveFloat | None = Field(
        None, description="no request is sent once the reported tokens cost this much, in the currency of the prices"
    )
    price_in: NonNegativeFloat = Field(0.0, description="price of a million prompt tokens")
    price_out: NonNegativeFloat = Field(0.0, description="price of a million response tokens")

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        """The price of these tokens."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


class Preferences(Config):
    """What the embedded world gives: demonstrations, and pairs of responses labelled by simulated raters."""

    demonstrations: PositiveInt = Field(2000, description="demonstrations for SFT, where the world writes them")
    prompts: PositiveInt = Field(2000, description="prompts that get a pair of responses")
    raters: PositiveInt = Field(8, description="simulated raters; each pair is labelled by one of them")
    disagreement: float = Field(0.27, gt=0, lt=0.5, description="share of pairs on which two raters disagree")


class Evaluation(Config):
    """What is measured on held-out prompts, and how often."""

    prompts: PositiveInt = Field(200, description="held-out prompts")
    probes: PositiveInt = Field(10, description="evaluations during ppo, evenly spaced")
    best_of: PositiveInt = Field(16, description="responses pooled a prompt for best-of-n; 1 skips it")
    properties: int = Field(1000, ge=0, description="prompts for the five properties, on the town; 0 skips them")


class Probing(Config):
    """Properties measured in step with training."""

    probe: str = Field("", description="properties measured on the way, with commas between: honesty,harmlessness")
    probe_every: PositiveInt | None = Field(None, description="steps between; default: five times in all")
    probe_prompts: PositiveInt = Field(60, description="prompts over all of these properties")
    probe_suite: str = Field("town", description="town, public, or a file of questions")

    @field_validator("probe")
    @classmethod
    def _known(cls, text: str) -> str:
        unknown = {name for name in cls._split(text) if name not in PROPERTIES}
        if unknown:
            raise PydanticCustomError("property", f"no such property; there are {', '.join(PROPERTIES)}")
        return text

    @staticmethod
    def _split(text: str) -> tuple[str, ...]:
        return tuple(name.strip() for name in text.split(",") if name.strip())

    @property
    def properties(self) -> tuple[str, ...]:
        return self._split(self.probe)
