"""A study's seeds: each a run of its own within the study's folder, several side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..config import Recipe
from ..files import read_json
from ..run import Run
from .side_by_side import complete_all

STAGE = "seeds"
Work = Callable[[Recipe, Run], None]
"""What a seed does in its own run: a function of a module, since other processes call it by name."""


@dataclass(frozen=True, slots=True)
class Seed:
    """The folder of a seed's run, its recipe, the recipe's section on the study, and the number of steps it takes."""

    folder: Path
    recipe: Recipe
    section: str
    steps: int

    @property
    def config(self) -> dict[str, Any]:
        """The settings that its results depend on."""
        config = self.recipe.model_dump(mode="json")
        del config[self.section]["seeds"], config[self.section]["processes"]
        return config

    @property
    def done(self) -> int:
        """How many of its steps are done: a stage is a step, and all are once the run is done."""
        path = self.folder / "run.json"
        if not path.exists():
            return 0
        state = read_json(path)
        if state["status"] == "done":
            return self.steps
        ended = [stage["name"] for stage in state["stages"] if stage["status"] == "done"]
        return min(len(ended), self.steps - 1)


def every_seed(recipe: Recipe, run: Run, section: str, work: Work, steps: int = 1) -> list[Path]:
    """Runs or resumes the work of each seed, and returns the seeds' folders.

    The recipe's section has the settings `seeds` and `processes`.
    """
    settings, folder = getattr(recipe, section), run.stage_folder(STAGE)
    seeds = [
        Seed(folder / f"seed-{seed}", recipe.model_copy(update={"seed": seed}), section, steps)
        for seed in range(recipe.seed, recipe.seed + settings.seeds)
    ]
    if not run.stage_done(STAGE):
        with run.stage(STAGE), run.progress(STAGE, steps * len(seeds)) as bar:
            complete_all(
                partial(_complete, work), seeds, settings.processes,
                tick=lambda: bar(sum(seed.done for seed in seeds)),
                where=run.folder, setting=f"{section}.processes",
            )  # fmt: skip
    for warning in dict.fromkeys(w for seed in seeds for w in read_json(seed.folder / "run.json")["warnings"]):
        run.warn(warning)
    return [seed.folder for seed in seeds]


def _complete(work: Work, seed: Seed) -> None:
    """Takes a seed to its end; stages that are done stay as they are."""
    run = Run.open(seed.folder, seed.config, quiet=True)
    if run.done:
        return
    with run.guard():
        work(seed.recipe, run)
        run.save(status="done")
