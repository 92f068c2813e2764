"""`gyro weak-to-strong`: a weaker model's labels train a stronger one, on a user's own models and labelled data."""

from __future__ import annotations

from typing import Any

import click

from ..config import Compute, Config, WeakToStrong
from .flags import common_flags, stage_flags
from .road import recipe_of, take

STAGE, PIPELINE = "weak-to-strong", "weak_to_strong"
SECTIONS: dict[str, type[Config]] = {PIPELINE: WeakToStrong, "compute": Compute}


@click.command(STAGE)
@click.option("--strong", required=True, help="The student before it learns: folder or hub name; town: the base.")
@click.option("--data", required=True, help="Responses with a true/false label, or preferences; town: its own.")
@common_flags
@stage_flags(**SECTIONS)
def weak_to_strong(strong: str, data: str, **flags: Any) -> None:
    """Train STRONG on the labels of a weaker model, and tell how much of the gap to gold labels it recovers.

    A part of DATA teaches the supervisor --weak, another is labelled by it for the student, the rest measures all.
    """
    recipe, _ = recipe_of(STAGE, {"pipeline": PIPELINE, "model": strong, "data": data}, flags, SECTIONS)
    take(STAGE, recipe, flags)
