"""Settings of iterated amplification: the study on puzzles, and the method on a language model."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic_core import PydanticCustomError

from .base import Config

PuzzleName = Literal["powering", "assignments", "wildcard", "paths", "union"]
AmplificationMethod = Literal["ida", "supervised", "one-shot", "no-ema", "noisy"]


class Amplification(Config):
    """Iterated amplification and its controls on puzzles that a small transformer learns from nothing."""

    puzzles: tuple[PuzzleName, ...] = Field(("powering", "wildcard"), description="which puzzles to learn")
    methods: tuple[AmplificationMethod, ...] = Field(
        get_args(AmplificationMethod), min_length=1, description="iterated amplification, and what it is compared with"
    )
    seeds: PositiveInt = Field(3, description="training runs of each method")
    steps: PositiveInt = Field(
        90, description="updates of X for each depth (powering: 2.25 times as many), the same for every method"
    )
    batch_size: PositiveInt = Field(20, description="cases a step, with 24 questions about each")
    width: int = Field(64, ge=16, multiple_of=16, description="hidden width of X and of H'")
    learning_rate: PositiveFloat = Field(3e-3, description="peak learning rate of X and of H'")
    overseer_questions: PositiveInt = Field(8, description="questions that H itself takes apart in a lesson for H'")
    decay: float = Field(0.95, ge=0, lt=1, description="share of the teacher that stays at each step; 0: X itself")
    sure: float = Field(0.8, ge=0, lt=1, description="below this probability of its answer the teacher says idk")
    agreement: float = Field(
        0.9, gt=0, lt=1, description="share of amplified answers that X must give before deeper questions are asked"
    )
    noise: float = Field(0.1, ge=0, lt=1, description="share of random moves of a noisy H")
    processes: PositiveInt = Field(2, description="training runs side by side; results don't depend on it")


class Amplify(Config):
    """Amplification of a language model: an overseer asks sub-questions of it, and it learns the overseer's answers."""

    overseer: str = Field(
        "model",
        description="who takes questions apart: model (of the town's sums: a script), town, people, a folder or "
        "hub name, or http://HOST:PORT/v1#NAME",
    )
    task: Literal["questions", "summaries"] = Field(
        "questions", description="answer questions, or shorten texts that are too long to read at once"
    )
    depth: NonNegativeInt = Field(2, description="levels of sub-questions; 0 is the model alone")
    budget: PositiveInt = Field(32, description="calls at most for one question, of overseer and model together")
    moves: PositiveInt = Field(8, description="sub-questions at most of one decomposition")
    iterations: PositiveInt = Field(1, description="rounds of amplifying and distilling")
    words: PositiveInt = Field(400, description="words that are read at once, where texts are shortened")
    questions: PositiveInt = Field(600, description="questions of a round, where the embedded world asks them")
    distil: bool = Field(True, description="fine-tune the model on the amplified answers")

    @model_validator(mode="after")
    def _overseen(self) -> Self:
        if self.task == "summaries" and self.overseer != "model":
            raise PydanticCustomError(
                "overseer", "task = summaries splits texts by length, and asks no overseer; leave overseer out"
            )
        return self
