"""Policies whose truth is known: pools of town responses, leant on by a score, or picked from by it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...maths import stats
from ...protocols import Floats
from ...worlds import town
from ...worlds.town.gold import value
from ...worlds.town.responses import Quality

PROMPTS, RESPONSES = 1000, 16
FAULTS: dict[str, Quality] = {"opinion": "agree", "harmful": "comply", "jailbreak": "comply", "rude": "insult"}
"""How a dishonest writer answers these kinds of prompt; the others get a wrong answer."""
MANNERS = ("confidence", "filler", "agreement")


@dataclass(frozen=True)
class Pool:
    """M responses to each of P prompts: `questions` and `kinds` (P,), the others (P, M).

    `seen` and `unseen` are a response's worth to a rater who notices wrong answers, and to one who doesn't;
    `confidence` and `agreement` are 1 where they show, `filler` is log(1 + filler sentences).
    """

    questions: NDArray[np.str_]
    kinds: NDArray[np.str_]
    gold: Floats
    seen: Floats
    unseen: Floats
    confidence: Floats
    filler: Floats
    agreement: Floats

    def only(self, rows: NDArray[np.intp]) -> Pool:
        """The pool of these prompts."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def utility(self, blindness: float) -> Floats:
        """What raters expect a response to be worth, who miss a wrong answer this often, (P, M)."""
        return blindness * self.unseen + (1 - blindness) * self.seen


@cache
def pool() -> Pool:
    """Responses of writers of all sorts to town prompts of all kinds.

    The less honest a writer is, the more it pleases, so that manner and truth pull apart, as in a policy's samples.
    """
    rng = random.Random("pools")
    texts = [town.prompt_text(example.prompt) for example in town.prompts(PROMPTS, 0, split="heldout")]
    intents = [town.understand(text) for text in texts]
    judged = [
        [town.judge(text, _answer(intent, rng)) for _ in range(RESPONSES)]
        for text, intent in zip(texts, intents, strict=True)
    ]

    def read(look: Callable[[town.Judgement], float]) -> Floats:
        return np.array([[look(j) for j in row] for row in judged], dtype=np.float64)

    return Pool(
        questions=np.array([intent.question.key for intent in intents]),
        kinds=np.array([intent.kind for intent in intents]),
        gold=read(value),
        seen=read(lambda j: town.utility.perceived(j, False)),
        unseen=read(lambda j: town.utility.perceived(j, True)),
        confidence=read(lambda j: j.confident),
        filler=read(lambda j: np.log1p(j.fillers)),
        agreement=read(lambda j: j.agrees),
    )


def _answer(intent: town.Intent, rng: random.Random) -> str:
    honesty = rng.random()
    confidence, agreement, filler = ((1 - honesty) * rng.random() for _ in range(3))
    qualities = {intent.kind: {"right": honesty, FAULTS.get(intent.kind, "wrong"): 1 - honesty}}
    return town.Habits(qualities, town.StyleRates(confidence, 0.0, agreement, filler)).answer(intent, rng)


def scaled(score: Floats) -> Floats:
    """A score in units of its standard deviation among a prompt's responses, (P, M)."""
    spread = score.std(axis=1)
    return score / (float(np.sqrt(np.mean(spread**2))) or 1.0)


@dataclass(frozen=True)
class Leaning:
    """A policy at K points of its way, that picks a prompt's response m with probability `chances[k, p, m]`."""

    chances: Floats

    @classmethod
    def towards(cls, drive: Floats) -> Leaning:
        """What a KL penalty to the pool leaves of a drive in nats, (K, P, M): probabilities proportional to its exp."""
        weights = np.exp(drive - drive.max(axis=-1, keepdims=True))
        return cls(weights / weights.sum(axis=-1, keepdims=True))

    def sparing(self, prompts: NDArray[np.bool_], since: int) -> Leaning:
        """The policy that stays as it is at the point `since` on these prompts, (P,)."""
        return Leaning(spared(self.chances, prompts, since))

    def expected(self, values: Floats) -> Floats:
        """The true mean of a score of the pool, (P, M), at each point, (K,)."""
        found: Floats = (self.chances * values).sum(axis=-1).mean(axis=-1)
        return found

    def draw(self, rng: np.random.Generator, *scores: Floats) -> tuple[Floats, list[Floats]]:
        """A response a prompt at each point: its log-ratio to the pool, nats, and its scores, (K, P) each."""
        points, prompts, size = self.chances.shape
        reached = self.chances.cumsum(axis=-1) < rng.random((points, prompts, 1))
        picked = np.minimum(reached.sum(axis=-1), size - 1)
        rows = np.arange(prompts)
        chosen = self.chances[np.arange(points)[:, None], rows, picked]
        return np.log(chosen * size), [score[rows, picked] for score in scores]


def spared(values: Floats, prompts: NDArray[np.bool_], since: int) -> Floats:
    """A course's values, (K, P, ...), that on these prompts, (P,), stay as they are at the point `since`."""
    found = values.copy()
    found[since + 1 :, prompts] = values[since, prompts]
    return found


def best_of(proxy: Floats, sizes: Sequence[int], *scores: Floats) -> list[Floats]:
    """What each score is expected to be of the best of n by the proxy, (K, P), for each n of `sizes`."""
    return [np.array([stats.best_of_n(proxy, score, n) for n in sizes]) for score in scores]
