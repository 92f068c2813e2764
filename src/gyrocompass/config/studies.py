"""Settings of whole roads: Constitutional AI, and the comparisons that train more than one model."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from .base import Config
from .stages import Optimisation


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
    rules: str | None = Field(
        None,
        description="label by a rule-based reward, whose questions the judge answers: a file, or the name of a shipped "
        "one; default: by the constitution",
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
    beside: tuple[Literal["sft", "ppo", "dpo"], ...] = Field(
        ("sft", "ppo"), description="models that the town's raters teach, to compare with; not on other data"
    )


Labels = Literal["soft", "hard", "clamped", "rules", "people"]


class CAIStudy(Config):
    """Constitutional AI over several seeds: revision round by round, and a model for each kind of label about harm."""

    seeds: int = Field(3, ge=2, description="whole runs, each with prompts, draws and models of its own")
    rounds: int = Field(4, ge=1, le=4, description="revisions of held-out responses, with and without critiques")
    labels: tuple[Labels, ...] = Field(
        get_args(Labels),
        min_length=1,
        description="who labels pairs about harm: the judge (soft, hard, clamped), the rules of cai.rules, or people",
    )
    processes: PositiveInt = Field(2, description="seeds worked on side by side; results don't depend on it")


class OwnDebate(Config):
    """Who takes part in debates on one's own questions, and in what words; the town has its own."""

    debater: str = Field(
        "strongest",
        description="who argues: strongest (the town's script), people, a folder or hub name, or http://HOST:PORT/v1#NAME",
    )
    opponent: str | None = Field(None, description="who sits in seat B, likewise; default: the debater itself")
    judge: str = Field("town", description="who judges, likewise; town: one that is trained on outcomes in the run")
    best_of: PositiveInt = Field(1, description="turns tried, of which the one is said that sways the judge most")
    votes: PositiveInt = Field(8, description="replies an order, where a judge tells no probabilities")
    wording: str | None = Field(None, description="YAML file of templates that replace the default ones")


class TownDebate(Config):
    """What the town's debates alone are made of."""

    seeds: int = Field(4, ge=2, description="on the town: judges, each with lessons and questions of its own")
    lessons: PositiveInt = Field(16_000, description="on the town: games with known outcome that a judge learns from")
    quotes: PositiveInt = Field(2, description="on the town: facts that a scripted speaker quotes a turn")
    processes: PositiveInt = Field(2, description="seeds worked on side by side; results don't depend on it")


class Debate(TownDebate, OwnDebate):
    """Debate and its controls: people or models argue before a judge who can't read what they read."""

    protocols: str = Field(
        "blind,excerpts,consultancy,open-consultancy,debate,open-debate",
        description="which games, by name with commas between, or a YAML file of your own",
    )
    questions: int = Field(
        300, ge=2, description="questions that each game is played on, drawn from your own; on the town for each seed"
    )
    learn: Literal["none", "dpo", "ppo"] = Field(
        "none", description="how the debater then learns from self-play, in games of one simultaneous round"
    )
    tries: int = Field(4, ge=2, description="turns that a learner tries a game of self-play, for dpo")


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


class WeakToStrong(Optimisation):
    """A weaker model's labels train a stronger one, which is set against the supervisor and against gold labels."""

    weak: str | None = Field(
        None, description="the supervisor before it learns: folder or hub name; town: a small one made in the run"
    )
    between: tuple[str, ...] = Field(
        (), description="models that bootstrapping goes through, the smallest first; town: one of middle size"
    )
    methods: tuple[Literal["naive", "confidence", "bootstrap"], ...] = Field(
        ("naive", "confidence"), min_length=1, description="how the student learns from the weak labels"
    )
    controls: tuple[Literal["iid", "slice"], ...] = Field(
        ("iid",),
        description="gold labels wrong as often as the weak ones, and as sure: anywhere, or on whole kinds",
    )
    readout: Literal["head", "likelihood"] = Field(
        "head", description="what decides a case: a new head's score, or (of a pair) which response is likelier"
    )
    labels: Literal["soft", "hard"] = Field("soft", description="weak labels are probabilities, or yes and no")
    confidence_weight: float = Field(0.5, ge=0, le=1, description="final weight of the student's own opinion")
    confidence_warmup: float = Field(0.2, ge=0, lt=1, description="share of the steps over which that weight rises")
    weak_learning_rate: PositiveFloat | None = Field(
        None, description="peak learning rate of the supervisor and the models between; default: learning_rate"
    )
    seeds: PositiveInt = Field(3, description="times that everything is trained, each on another split of the cases")
    cases: PositiveInt = Field(4000, description="labelled cases of the town: a half for the supervisor to learn from")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of the questions that all models are measured on")
