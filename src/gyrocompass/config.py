"""One model per stage: command-line flags, YAML keys and the reference page all derive from these classes."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .records import PROPERTIES


class Config(BaseModel):
    """Base of every stage's settings: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Frontier(Config):
    """Which settings of each method are set against each other, at what distance from the SFT model."""

    betas: tuple[PositiveFloat, ...] = Field((0.03, 0.1, 0.3, 1.0), min_length=1, description="beta of each dpo run")
    kl_coefs: tuple[NonNegativeFloat, ...] = Field((0.03, 0.1), min_length=1, description="kl_coef of each ppo run")
    changed_raters: bool = Field(True, description="then let the raters change their minds, and see who can follow")


class Hacking(Config):
    """Mitigations of reward hacking, each set against PPO on a single reward model."""

    mitigations: tuple[
        Literal["mean", "worst-case", "variance", "averaged", "length", "constrained", "kl", "stopped"], ...
    ] = Field(
        ("mean", "worst-case", "variance", "averaged", "length", "constrained", "kl", "stopped"),
        min_length=1,
        description="which to compare; docs/methods/mitigations.md says what they are",
    )
    again: bool = Field(
        True, description="also train without a mitigation again, with another seed: what chance in training does"
    )
    members: int = Field(4, ge=2, description="reward models of an ensemble, the single one among them")
    variance_weight: PositiveFloat = Field(1.0, description="of the members' variance, taken off their mean")
    high_kl_coef: PositiveFloat = Field(0.3, description="kl_coef of the mitigation kl")
    validation_fraction: float = Field(
        0.25, gt=0, lt=1, description="share of the held-out prompts that stops and thresholds are chosen on"
    )


class Emergence(Config):
    """The sizes of model that are trained from nothing under one fixed reward, over several seeds."""

    widths: tuple[PositiveInt, ...] = Field(
        (16, 24, 32, 48, 64, 96, 128), min_length=2, description="hidden widths, each a multiple of head_size"
    )
    seeds: int = Field(5, ge=2, description="models of each width, each with data and weights of its own")
    head_size: PositiveInt = Field(8, description="width of an attention head, the same for all; even")
    layers: PositiveInt = Field(4, description="transformer layers, the same for all")
    tokens: PositiveInt = Field(400_000, description="tokens that each model is pretrained on")
    batch_size: PositiveInt = Field(32, description="documents a step of pretraining")
    learning_rate: PositiveFloat = Field(3e-3, description="peak learning rate of pretraining")
    answers: int = Field(200, ge=8, description="held-out questions with a right answer, which measure capability")
    processes: PositiveInt = Field(2, description="models trained side by side; results don't depend on it")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        odd = [width for width in self.widths if width % self.head_size or self.head_size % 2]
        if odd:
            raise PydanticCustomError("width", f"width {odd[0]} is no multiple of an even head_size")
        if list(self.widths) != sorted(set(self.widths)):
            raise PydanticCustomError("order", "widths are to increase")
        return self


World = Literal["boat-race", "coast", "tomato-watering", "absent-supervisor", "off-switch", "box-pushing", "lava"]


class Grids(Config):
    """Agents with a table in small worlds, and honest controls that learn from the hidden performance."""

    worlds: tuple[World, ...] = Field(
        get_args(World),
        min_length=1,
        description="which worlds; in lava the agent is judged where the bridge has moved",
    )
    runs: PositiveInt = Field(8, description="training runs of the agent in each world, and as many of the control")
    moves: PositiveInt = Field(100_000, description="moves of a training run")
    episodes: int = Field(20, ge=2, description="episodes that each trained policy is measured on")
    discount: float = Field(0.99, gt=0, lt=1, description="worth of the next move's reward against this one's")
    slowing: float = Field(
        0.6, gt=0.5, le=1, description="the learning rate of a value at its nth visit is n to the power of minus this"
    )
    least_exploration: float = Field(0.1, gt=0, le=1, description="share of random moves from half of training on")


class CAI(Config):
    """Constitutional AI: a model revises its own responses by principles, then principles stand in for raters."""

    constitution: str = Field("town", description="the principles: a file, or the name of a shipped constitution")
    chains: PositiveInt = Field(
        1000, description="prompts at most whose responses are criticised and revised; as many get a pair to be judged"
    )
    rounds: int = Field(1, ge=1, le=4, description="revisions of each response, each by a principle drawn anew")
    critiques: bool = Field(True, description="ask for a critique before each revision")
    judge: str = Field(
        "base", description="who compares responses: base, sl-cai, a folder or hub name, or http://HOST:PORT/v1#NAME"
    )
    labels: Literal["hard", "soft", "clamped"] | None = Field(
        None, description="what becomes of a judge's probabilities; default: soft, with reasoning clamped"
    )
    clamp: float = Field(0.4, ge=0, lt=0.5, description="clamped labels lie between this and 1 minus this")
    reasoning: bool = Field(False, description="the judge thinks aloud before it answers")
    votes: PositiveInt = Field(8, description="replies an order, where a judge tells no probabilities")
    helpfulness: Literal["people", "model"] = Field(
        "people", description="who compares responses to prompts that ask for no harm"
    )
    preferences: str | None = Field(
        None, description="what people said of helpfulness: file, folder or hub name; not needed on the town"
    )
    learn: Literal["ppo", "dpo"] = Field("ppo", description="how the policy learns from the labels")


class Recipe(Config):
    """A whole run: base -> SFT -> preferences -> reward model -> PPO or DPO, evaluated against intent."""

    pipeline: Literal["rlhf", "cai", "frontier", "hacking", "emergence", "grids"] = Field(
        "rlhf", description="which road to take"
    )
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
    frontier: Frontier = Frontier()
    hacking: Hacking = Hacking()
    emergence: Emergence = Emergence()
    grids: Grids = Grids()
    probing: Probing = Probing()
    evaluation: Evaluation = Evaluation()
