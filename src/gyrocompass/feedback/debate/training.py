"""What debaters learn from: which of two turns the judge is swayed by more, or how far it is swayed by one.

Winning as a preference or a reward: Irving et al. 2018, arXiv:1805.00899; trained debaters: Kenton et al. 2024,
arXiv:2407.04622 and Arnesen et al. 2024, arXiv:2409.16636 (DPO on win rates by self-play).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...protocols import Floats
from ...records import Example, Preference, Prompt
from .judges import Judging
from .protocol import Protocol
from .records import Question, Transcript
from .speakers import Speaking, swayed
from .turns import taken
from .wording import View, Wording, prompt


def self_play(
    questions: Sequence[Question], protocol: Protocol, debater: Speaking, wording: Wording, seed: int
) -> list[View]:
    """Views to learn to speak from: for either side of each question, the game after the opponent's opening turn.

    The opponent is the debater itself. It speaks without having read the turn that answers it, as in a simultaneous
    round: who is to learn doesn't see it (`before`), and only the judge reads both.
    """
    games = [Transcript(question, protocol.name, side) for question in questions for side in (0, 1)]
    opponents = [View(game, protocol, "B") for game in games]
    said = debater(opponents, seed=seed)
    turns = [taken(view, texts[0], wording) for view, texts in zip(opponents, said, strict=True)]
    return [View(game.said(turn), protocol, "A") for game, turn in zip(games, turns, strict=True)]


def before(view: View) -> View:
    """What the learner sees: the game without the opponent's turn."""
    game = view.transcript
    return View(Transcript(game.question, game.protocol, game.opens), view.protocol, view.speaker)


def asked(view: View, wording: Wording) -> Prompt:
    """What the learner is asked."""
    return prompt(before(view), wording)


def preferences(
    views: Sequence[View], tries: Sequence[Sequence[str]], judge: Judging, wording: Wording
) -> list[Preference]:
    """For each view, of all its tries, the one that sways the judge most against the one that sways it least.

    Left out: views whose tries are equal, blank or equally good, and those on which the judge abstains.
    """
    found = []
    for view, texts, worth in zip(views, tries, swayed(views, tries, judge, wording, np.nan), strict=True):
        known = [
            (value, text) for value, text in zip(worth, texts, strict=True) if text.strip() and not np.isnan(value)
        ]
        if len(known) < 2:
            continue
        (least, worst), (most, best) = min(known), max(known)
        if best != worst and most > least:
            found.append(
                Preference(asked(view, wording), best, worst, 1.0, most - least, source=f"debate, {view.protocol.name}",
                           meta={"question": view.transcript.question.id})
            )  # fmt: skip
    return found


@dataclass(frozen=True)
class SwayScorer:
    """A Scorer for PPO: the log-odds of the judge's belief in the speaker's side after its turn, 0 if it abstains.

    Log-odds between -`bound` and `bound`. The turn answers the view that its prompt belongs to.
    """

    views: Mapping[Prompt, View]
    judge: Judging
    wording: Wording = field(default_factory=Wording)
    bound: float = 5.0

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        """(len(examples),). Raises KeyError for a prompt of no view."""
        views = [self.views[example.prompt] for example in examples]
        said = [[example.response or ""] for example in examples]
        p = np.array([worth[0] for worth in swayed(views, said, self.judge, self.wording, 0.5)], dtype=np.float64)
        with np.errstate(divide="ignore"):
            odds: Floats = np.clip(np.log(p) - np.log1p(-p), -self.bound, self.bound)
        return odds
