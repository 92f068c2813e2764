"""One seed of the town's debates: a judge trained on outcomes, then every game on questions that it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Recipe
from ..feedback.debate import PolicyJudge, Question, Transcript, play, read_games, read_protocols
from ..files import read_json
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..run import Run, stage_title
from . import debate_town as world
from . import stages
from .debate_selfplay import CHECKED, TRUSTED, met_in, self_play
from .task import base_of

JUDGE, GAMES, MEETINGS = "judge", "games", "meetings"
MET = (met_in(CHECKED), met_in(TRUSTED))
"""Where the games of debaters lie that learnt with quotes checked and with quotes trusted."""


@dataclass(frozen=True)
class Job:
    """A seed's run, in a folder of its own."""

    folder: Path
    seed: int
    recipe: Recipe

    @property
    def steps(self) -> tuple[str, ...]:
        """The stages that it takes."""
        learn = self.recipe.debate.learn != "none"
        return (JUDGE, GAMES, MEETINGS, *(MET if learn else ()))

    @property
    def done(self) -> int:
        """How many of these are done."""
        path = self.folder / "run.json"
        if not path.exists():
            return 0
        ended = {stage_title(stage["name"]) for stage in read_json(path)["stages"] if stage["status"] == "done"}
        return sum(step in ended for step in self.steps)

    @property
    def config(self) -> dict[str, Any]:
        """What the seed's results depend on."""
        chosen = {"model", "compute", "sampling", "sft", "dpo", "ppo", "preferences", "debate"}
        return {"stage": "debate seed", "seed": self.seed, **self.recipe.model_dump(mode="json", include=chosen)}

    @property
    def questions(self) -> list[Question]:
        """Held out: none of them is a lesson."""
        return world.questions(self.recipe.debate.questions, seed_of(self.seed, "heldout questions"))

    @property
    def practice(self) -> list[Question]:
        """Held out likewise, for debaters that learn: these read the whole passage, so theirs are short."""
        return world.short_questions(self.recipe.debate.questions // 2, seed_of(self.seed, "heldout practice"))


def jobs(recipe: Recipe, folder: Path) -> list[Job]:
    """Every seed's."""
    seeds = range(recipe.seed, recipe.seed + recipe.debate.seeds)
    return [Job(folder / f"seed-{seed}", seed, recipe) for seed in seeds]


def complete(job: Job) -> None:
    """Takes a seed to its end; stages that are done stay as they are, and so do games as far as they went."""
    run = Run.open(job.folder, job.config, quiet=True)
    if run.done:
        return
    recipe = job.recipe
    with run.guard():
        # 1. A judge learns from outcomes.
        lessons = [] if run.stage_done(JUDGE) else world.lessons(recipe.debate.lessons, recipe.debate.quotes, job.seed)
        folder = stages.sft(run, base_of(recipe.model), lessons, recipe.sft, recipe.compute, name=JUDGE)
        judge = PolicyJudge(
            LocalPolicy(load(str(folder), stages.frozen(recipe.compute)), recipe.sampling), world.WORDING
        )
        # 2. Every game on the same questions.
        asked, protocols = job.questions, read_protocols(recipe.debate.protocols)
        _play(run, GAMES, {game.name: game for game in world.games(protocols, recipe.debate.quotes)}, asked, judge)
        # 3. Debaters of different skill meet.
        met = {f"{a} {b}": game for (a, b), game in world.meetings(recipe.debate.quotes)}
        _play(run, MEETINGS, met, asked[: len(asked) // 3], judge)
        # 4. A debater learns from games with itself.
        if recipe.debate.learn != "none":
            self_play(run, recipe, judge, job.practice)
        run.save(status="done")


def _play(run: Run, stage: str, todo: Mapping[str, world.Game], asked: Sequence[Question], judge: PolicyJudge) -> None:
    if run.stage_done(stage):
        return
    with run.stage(stage) as folder:
        for name, game in todo.items():
            play(
                asked, game.protocol, game.speakers, judge, world.WORDING, seats=game.seats, seed=run.seed,
                kept=folder / f"{name}.jsonl",
            )  # fmt: skip


def played(job: Job, stage: str) -> dict[str, list[Transcript]]:
    """A finished seed's games by name."""
    asked = job.practice if stage in MET else job.questions
    return read_games(Run.attach(job.folder, quiet=True).stage_folder(stage), asked)
