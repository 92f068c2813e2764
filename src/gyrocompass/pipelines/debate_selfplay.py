"""Debaters that learn from games with themselves: winning becomes a preference for dpo, or a reward for ppo.

Source: Irving et al. 2018, arXiv:1805.00899; on language models, Kenton et al. 2024, arXiv:2407.04622, and Arnesen et
al. 2024, arXiv:2409.16636.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
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

START, LEARNT, GAMES = "debater-start", "debater", "self-play"
"""Stages: the debater that self-play starts from, what it comes to, and the games in between."""
CHECKED: Protocol = PROTOCOLS["debate"].model_copy(update={"rounds": 1})
TRUSTED: Protocol = CHECKED.model_copy(update={"quotes": "trusted"})
"""Learners play one simultaneous round: their turn is all that they add to it."""


def one_round(protocols: Sequence[Protocol]) -> Protocol:
    """What a learner plays: a round of the first of these in which A and B speak at once, of `debate` where none is."""
    together = (one for one in protocols if any({"A", "B"} <= set(group) for group in one.turns))
    return next(together, CHECKED).model_copy(update={"turns": (("A", "B"),), "rounds": 1, "open": False})


def self_play(run: Run, recipe: Recipe, judge: Judging, heldout: Sequence[Question]) -> None:
    """On the town: a debater that quotes strengths for its side at random learns which ones to quote.

    It learns twice: where quotes are checked, and where they are trusted.
    """
    # 1. A debater that knows what a quote for its side looks like.
    start = stages.sft(run, base_of(recipe.model), _quoting(recipe, run.seed), recipe.sft, recipe.compute, name=START)
    practice = world.short_questions(recipe.preferences.prompts, seed_of(run.seed, "practice"))
    for protocol in (CHECKED, TRUSTED):
        # 2. It plays against itself, and learns what the judge is swayed by.
        learnt = trained(run, str(start), practice, judge, recipe, world.WORDING, protocol)
        # 3. Who wins, and what does it do to the judge?
        models = {START: str(start), LEARNT: str(learnt)}
        meet(run, models, heldout, judge, recipe, world.WORDING, protocol)


def _quoting(recipe: Recipe, seed: int) -> list[Example]:
    """What a debater is shown: turns with how strongly one fact of its side speaks, picked at random."""
    some = world.short_questions(recipe.preferences.demonstrations, seed_of(seed, "demonstrations"))
    views = [View(Transcript(question, CHECKED.name, i % 2), CHECKED, "A") for i, question in enumerate(some)]
    said = Scripted(evidence.fragment)(views, seed=seed)
    return [Example(asked(view, world.WORDING), texts[0]) for view, texts in zip(views, said, strict=True) if texts[0]]


def trained(
    run: Run,
    base: str,
    questions: Sequence[Question],
    judge: Judging,
    recipe: Recipe,
    wording: Wording,
    protocol: Protocol = CHECKED,
) -> Path:
    """A debater that learnt from self-play, starting at `base`; its folder. Raises InputError if nothing is learnt."""
    compute, seed, name = recipe.compute, run.seed, f"{LEARNT}-{protocol.quotes}"
    speaker = PolicySpeaker(LocalPolicy(load(base, stages.frozen(compute)), recipe.sampling), wording)
    if recipe.debate.learn == "dpo":
        found = _preferences(run, speaker, questions, judge, recipe.debate.tries, wording, protocol)
        return preference_stages.dpo(run, base, found, recipe.dpo, compute, name=name)
    views = against_itself(questions, protocol, speaker, wording, seed_of(seed, GAMES))
    scorer = SwayScorer({asked(view, wording): view for view in views}, judge, wording)
    policy, reference = stages.load_policy(base, compute, seed)
    return stages.ppo(
        run, policy, reference, None, scorer, list(scorer.views), recipe.ppo, recipe.sampling, base=base, name=name
    )


def _preferences(
    run: Run,
    speaker: Speaking,
    questions: Sequence[Question],
    judge: Judging,
    tries: int,
    wording: Wording,
    protocol: Protocol,
) -> list[Preference]:
    name = f"{GAMES}-{protocol.quotes}"
    file = run.stage_folder(name) / "preferences.jsonl"
    if not run.stage_done(name):
        with run.stage(name):
            views = against_itself(questions, protocol, speaker, wording, seed_of(run.seed, GAMES))
            drawn = speaker([before(view) for view in views], tries, seed=seed_of(run.seed, "tries"))
            found = preferences(views, drawn, judge, wording)
            if not found:
                raise InputError("self-play: no turn sways the judge more than another; raise sampling.temperature")
            data.write(found, file)
    return data.read_preferences(file)[0]


def met_in(protocol: Protocol) -> str:
    """The stage whose folder holds the games of a start and what it came to."""
    return f"met-{protocol.quotes}"


def meet(
    run: Run,
    models: Mapping[str, str],
    questions: Sequence[Question],
    judge: Judging,
    recipe: Recipe,
    wording: Wording,
    protocol: Protocol = CHECKED,
) -> None:
    """Every model debates itself and each other one, in either seat, on the same questions."""
    if run.stage_done(met_in(protocol)):
        return
    compute = stages.frozen(recipe.compute)
    speakers = {
        name: PolicySpeaker(LocalPolicy(load(model, compute), recipe.sampling), wording)
        for name, model in models.items()
    }
    with run.stage(met_in(protocol)) as folder:
        for (a, one), (b, other) in product(speakers.items(), speakers.items()):
            play(
                questions, protocol, {"A": one, "B": other}, judge, wording, seats="alternate", seed=recipe.seed,
                kept=folder / f"{a} {b}.jsonl",
            )  # fmt: skip
