"""Settings of process supervision: how steps are labelled, learnt and chosen by, in the study and on a user's data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from .base import Config


class StepLabels(Config):
    """Labels of steps by where they lead."""

    chains: PositiveInt = Field(4, description="responses to each question whose steps are labelled")
    rollouts: PositiveInt = Field(8, description="continuations from after each step, for Monte-Carlo labels")


class StepLearning(Config):
    """Models of steps."""

    until_error: bool = Field(
        True, description="steps after the first wrong one don't count in learning, unless labelled by continuations"
    )
    readout: Literal["head", "likelihood"] = Field(
        "head",
        description="what scores a step: a new head at its last token, or by how much the response up to there became "
        "likelier in learning",
    )
    beta: PositiveFloat = Field(0.05, description="of scores by likelihood: logits a nat of log-ratio")


class StepChoice(Config):
    """Responses chosen by their steps."""

    aggregate: Literal["min", "product", "mean", "last"] = Field(
        "min", description="how the scores of steps become one of the response"
    )


class Process(StepLabels, StepLearning, StepChoice):
    """Outcome against process supervision: labels, models that learn them, and policies optimised against them."""

    questions: PositiveInt = Field(600, description="questions whose responses are labelled step by step")
    scorers: tuple[Literal["orm", "prm", "mc-soft", "mc-hard", "implicit"], ...] = Field(
        ("orm", "prm", "mc-soft", "implicit"), min_length=1, description="which reward models to learn"
    )
    policies: tuple[Literal["outcome-rl", "process-rl", "mona"], ...] = Field(
        ("outcome-rl", "process-rl", "mona"), min_length=1, description="which policies to optimise, by ppo"
    )
    rewards: Literal["checker", "model"] = Field(
        "checker", description="what pays in ppo: the checker of answers or steps, or the ORM or PRM learnt from it"
    )
    slips: float = Field(
        0.05, ge=0, lt=1, description="on the town: share of sums got wrong by one or two, anew in each demonstration"
    )
    habits: float = Field(
        0.15, ge=0, lt=1, description="on the town: share of all sums that demonstrators always get wrong alike"
    )
    seeds: PositiveInt = Field(4, description="times the whole is done, with demonstrations and draws of its own")
    processes: PositiveInt = Field(2, description="seeds worked on side by side; results don't depend on it")

    @model_validator(mode="after")
    def _paid(self) -> Self:
        missing = {"orm", "prm"} - set(self.scorers)
        if self.rewards == "model" and missing:
            raise PydanticCustomError("scorers", f"rewards = model needs {min(missing)} among the scorers")
        return self


class StepCuts(Config):
    """Where steps begin."""

    cut: str = Field(r"\n+", description="regular expression at which a response falls into steps")


class StepAnswers(StepCuts):
    """Where the final answer is."""

    answer: str | None = Field(
        None,
        description=r"regular expression with a group around the final answer; by default what the last \boxed{...} "
        "holds, else what follows the last #### or `answer`",
    )


class OwnLabels(StepAnswers, StepLabels):
    """Labels of a model's own responses."""

    labels: Literal["soft", "hard", "checker", "implicit", "people"] = Field(
        "soft",
        description="soft or hard: from continuations; checker: a program's; implicit: an implicit process reward "
        "model's; people: a sheet to fill in",
    )


class OwnLearning(StepLearning):
    """A process reward model from labelled chains."""

    joint: str = Field("\n", description="what stands between two steps of a response")
    implicit: bool = Field(False, description="learn the last label alone, the outcome's, by a language model")


class OwnChoice(StepAnswers, StepChoice):
    """Best-of-n by a process reward model."""

    best_of: PositiveInt = Field(16, description="responses pooled a question")


class StepPayment(StepCuts, StepChoice):
    """What ppo pays where the scorer is a process reward model."""

    myopic: bool = Field(False, description="a step earns its own score and no credit for those after it (MONA)")
