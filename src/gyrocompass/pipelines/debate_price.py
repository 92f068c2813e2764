"""What endpoints would be asked in debates on one's own questions, without asking them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

from ..config import Access, Recipe
from ..errors import Unsupported
from ..feedback.debate import (
    PolicyJudge,
    PolicySpeaker,
    Protocol,
    Question,
    Speaking,
    View,
    Wording,
    play,
    read_protocols,
    read_questions,
    read_wording,
)
from ..feedback.debate.speakers import swayed
from ..feedback.debate.training import self_play
from ..models.endpoint import CHARACTERS_PER_TOKEN, is_endpoint, open_endpoint
from ..protocols import Floats, Policy
from ..records import Example, Prompt
from .ai_feedback import Forecasting, added_up
from .debate_own import Cast, check_cast, drawn, halves, meetings, rated_in, seated
from .debate_selfplay import one_round


@dataclass(frozen=True)
class Standing:
    """A policy in the place of one that costs nothing: it replies with `reply`."""

    reply: str

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        return [[self.reply] * n for _ in prompts]

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        """Raises Unsupported."""
        raise Unsupported("nobody is asked")


@dataclass(frozen=True)
class Unlike:
    """Speaks as long as another, no two turns alike: of views that read alike a judge is asked about one."""

    speaker: Speaking
    turns: Iterator[int] = field(default_factory=count)

    def __call__(self, views: Sequence[View], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        said = self.speaker(views, n, seed=seed)
        return [[str(next(self.turns)).zfill(len(text)) for text in texts] for texts in said]

    def choose(self, questions: Sequence[Question]) -> list[int]:
        return self.speaker.choose(questions)


def forecast(recipe: Recipe, access: Access) -> dict[str, Any]:
    """What each endpoint would be asked at most: all turns as long as can be, judges by votes.

    The games are played with nobody there to reply. Raises InputError as the run itself would.
    """
    settings = recipe.debate
    names = [name for name in (settings.debater, settings.opponent, settings.judge) if name and is_endpoint(name)]
    if not names:
        return {}
    protocols, wording = read_protocols(settings.protocols), read_wording(settings.wording)
    check_cast(settings, protocols)
    longest = "a" * (recipe.sampling.max_new_tokens * CHARACTERS_PER_TOKEN)
    asked = {name: Forecasting(open_endpoint(name, recipe.sampling, access), longest) for name in names}

    def policy(name: str) -> Policy:
        return asked.get(name) or Standing(longest)

    judge = PolicyJudge(policy(settings.judge), wording, settings.votes)
    cast = seated(settings, lambda name: Unlike(PolicySpeaker(policy(name), wording, settings.votes)), judge, wording)
    questions = drawn(read_questions(Path(recipe.data)), settings.questions, recipe.seed)
    for protocol in protocols:
        play(questions, protocol, cast.seats, judge, wording, seats="alternate" if cast.people else "both")
    rating = rated_in(settings, protocols)
    if rating and not cast.people:
        meetings(settings, rating, questions, cast, wording, recipe.seed)
    if settings.learn != "none":
        _practise(recipe, cast, one_round(protocols), questions, wording, longest)
    return {name: added_up(one.told)._asdict() for name, one in asked.items()}


def _practise(
    recipe: Recipe, cast: Cast, protocol: Protocol, questions: Sequence[Question], wording: Wording, longest: str
) -> None:
    """Judges as many turns as a learner would have judged, and its games with its start."""
    practice, heldout = halves(questions, recipe.seed)
    debater = Unlike(PolicySpeaker(Standing(longest), wording))
    views, tries = self_play(practice, protocol, debater, wording, recipe.seed), recipe.debate.tries
    if recipe.debate.learn == "ppo":
        views, tries = list(islice(cycle(views), recipe.ppo.steps * recipe.ppo.batch_size)), 1
    swayed(views, debater(views, tries), cast.judge, wording)
    for _ in range(4):
        play(heldout, protocol, {"A": debater, "B": debater}, cast.judge, wording, seats="alternate")
