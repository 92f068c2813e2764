"""Debaters that learn from games with themselves: winning becomes a preference for dpo, or a reward for ppo.

Source: Irving et al. 2018, arXiv:1805.00899; on language models, Kenton et al. 2024, arXiv:2407.04622, and Arnesen et
al. 2024, arXiv:2409.16636.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import data
from ..config import Recipe
from ..errors import InputError
from ..feedback.debate import (
    PROTOCOLS,
    Judging,
    PolicySpeaker,
    Protocol,
    Question,
    Scripted,
    Speaking,
    View,
    Wording,
    play,
)
from ..feedback.debate.records import Transcript
from ..feedback.debate.training import SwayScorer, asked, before, preferences
from ..feedback.debate.training import self_play as against_itself
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..records import Example, Preference
from ..run import Run
from ..worlds.town import evidence
from . import debate_town as world
from . import preference_stages, stages
from .task import base_of

START, LEARNT = "debater-start", "debater"
ONE_ROUND: Protocol = PROTOCOLS["debate"].model_copy(update={"rounds": 1})
"""Learners play one simultaneous round: their turn is all that they add to it."""


def self_play(run: Run, stage: str, recipe: Recipe, judge: Judging, heldout: Sequence[Question]) -> None:
    """On the town: a debater that quotes at random learns to quote what wins; then both meet on new questions."""
    if run.stage_done(stage):
        return
    # 1. A debater that knows how to quote for its side, and not what.
    start = stages.sft(run, base_of(recipe.model), _quoting(recipe, run.seed), recipe.sft, recipe.compute, name=START)
    # 2. It plays against itself, and learns what the judge is swayed by.
    practice = world.short_questions(recipe.preferences.prompts, seed_of(run.seed, "practice"))
    learnt = trained(run, str(start), practice, judge, recipe, world.WORDING)
    # 3. Who wins, and what does it do to the judge?
    with run.stage(stage) as folder:
        meet(folder, {START: str(start), LEARNT: str(learnt)}, heldout, judge, recipe, world.WORDING)


def _quoting(recipe: Recipe, seed: int) -> list[Example]:
    """What a debater is shown: turns with one fact of its side, picked at random."""
    some = world.short_questions(recipe.preferences.demonstrations, seed_of(seed, "demonstrations"))
    script = Scripted(evidence.at_random(1))
    views = [View(Transcript(question, ONE_ROUND.name, i % 2), ONE_ROUND, "A") for i, question in enumerate(some)]
    said = script(views, seed=seed)
    return [Example(asked(view, world.WORDING), texts[0]) for view, texts in zip(views, said, strict=True) if texts[0]]


def trained(
    run: Run, base: str, questions: Sequence[Question], judge: Judging, recipe: Recipe, wording: Wording
) -> Path:
    """A debater that learnt from self-play, starting at `base`; its folder. Raises InputError if nothing is learnt."""
    compute, seed = recipe.compute, run.seed
    debater = LocalPolicy(load(base, stages.frozen(compute)), recipe.sampling)
    speaker = PolicySpeaker(debater, wording)
    if recipe.debate.learn == "dpo":
        found = _preferences(run, speaker, questions, judge, recipe.debate.tries, wording)
        return preference_stages.dpo(run, base, found, recipe.dpo, compute, name=LEARNT)
    views = against_itself(questions, ONE_ROUND, speaker, wording, seed_of(seed, "self-play"))
    scorer = SwayScorer({asked(view, wording): view for view in views}, judge, wording)
    policy, reference = stages.load_policy(base, compute, seed)
    return stages.ppo(
        run, policy, reference, None, scorer, list(scorer.views), recipe.ppo, recipe.sampling, base=base, name=LEARNT
    )


def _preferences(
    run: Run, speaker: Speaking, questions: Sequence[Question], judge: Judging, tries: int, wording: Wording
) -> list[Preference]:
    file = run.stage_folder("games-of-self-play") / "preferences.jsonl"
    if not run.stage_done("games-of-self-play"):
        with run.stage("games-of-self-play"):
            views = against_itself(questions, ONE_ROUND, speaker, wording, seed_of(run.seed, "self-play"))
            drawn = speaker([before(view) for view in views], tries, seed=seed_of(run.seed, "tries"))
            found = preferences(views, drawn, judge, wording)
            if not found:
                raise InputError("self-play: no turn sways the judge more than another; raise sampling.temperature")
            data.write(found, file)
    return data.read_preferences(file)[0]


def meet(
    folder: Path,
    models: dict[str, str],
    questions: Sequence[Question],
    judge: Judging,
    recipe: Recipe,
    wording: Wording,
) -> None:
    """Every model debates itself and each other one, in either seat, on the same questions; games in `folder`."""
    compute = stages.frozen(recipe.compute)
    speakers = {
        name: PolicySpeaker(LocalPolicy(load(model, compute), recipe.sampling), wording)
        for name, model in models.items()
    }  # fmt: skip
    for a, one in speakers.items():
        for b, other in speakers.items():
            play(
                questions, ONE_ROUND, {"A": one, "B": other}, judge, wording, seats="alternate", seed=recipe.seed,
                kept=folder / f"{a} {b}.jsonl",
            )  # fmt: skip
