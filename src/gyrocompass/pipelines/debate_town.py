"""The town's debates: questions on graded evidence, scripted speakers, and the lessons of the judge that is trained."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from ..feedback.debate import PROTOCOLS, BySide, Protocol, Question, Scripted, Speaking, Transcript, View, Wording, play
from ..feedback.debate.play import Seats
from ..feedback.debate.protocol import Speaker
from ..feedback.debate.records import Belief
from ..feedback.debate.wording import prompt
from ..models.batching import seed_of, shuffled
from ..records import Example
from ..worlds.town import evidence

WORDING = Wording.model_validate({**Wording().model_dump(), **evidence.WORDING})
SKILLS = {"careless": None, "hurried": evidence.WITNESSES // 2, "thorough": evidence.WITNESSES}
"""Debaters by what they choose their quotes from: chance, the first half of the facts, all of them."""
CHECKED, TRUSTED = "invented quotes, checked", "invented quotes, trusted"
ONE_ROUND = PROTOCOLS["debate"].model_copy(update={"rounds": 1})
READ_OUT = "all read out"
"""The fully informed judge of the town: its passages are too long for it, but all facts of one are not."""


class Game(NamedTuple):
    """A protocol with who plays it, under the name that its numbers have."""

    name: str
    protocol: Protocol
    speakers: Mapping[Speaker, Speaking]
    seats: Seats = "alternate"


def questions(n: int, seed: int, sights: int = evidence.WITNESSES - 1) -> list[Question]:
    """n questions, the same for the same seed, no two seeds with any in common but by chance."""
    drawn = evidence.evidence(n, seed, sights)
    return [
        Question(f"{seed}-{i}", one.question, evidence.ANSWERS, one.passage, one.truth) for i, one in enumerate(drawn)
    ]


def short_questions(n: int, seed: int) -> list[Question]:
    """The same with passages of facts alone, which the town's models can read."""
    return questions(n, seed, sights=0)


def games(protocols: Sequence[Protocol], quotes: int) -> list[Game]:
    """What is played: the protocols, the informed judge, and debates in which the dishonest side invents its quotes."""
    debate = PROTOCOLS["debate"]
    faker = BySide(_strongest(quotes), Scripted(evidence.fabricated(quotes)))
    both: dict[Speaker, Speaking] = {"A": faker, "B": faker}
    trusting = debate.model_copy(update={"quotes": "trusted"})
    everything: dict[Speaker, Speaking] = {"reader": Scripted(evidence.at_random(evidence.WITNESSES))}
    return [
        *(_game(protocol, quotes) for protocol in protocols),
        Game(READ_OUT, PROTOCOLS["excerpts"], everything),
        Game(CHECKED, debate, both),
        Game(TRUSTED, trusting, both),
    ]


def _game(protocol: Protocol, quotes: int) -> Game:
    debater = _strongest(quotes)
    reader = Scripted(evidence.at_random(2 * quotes))
    seats: Seats = "both" if protocol.kind == "consultancy" else "alternate"
    return Game(protocol.name, protocol, {"A": debater, "B": debater, "reader": reader}, seats)


def _strongest(quotes: int) -> Scripted:
    return Scripted(evidence.strongest(quotes), evidence.hasty)


def meetings(quotes: int) -> Iterator[tuple[tuple[str, str], Game]]:
    """Debates of one round of each skill with each: A's, then B's."""
    skilled = {name: _skilled(quotes, seen) for name, seen in SKILLS.items()}
    for a, b in product(skilled, skilled):
        yield (a, b), Game(f"{a}-{b}", ONE_ROUND, {"A": skilled[a], "B": skilled[b]})


def _skilled(quotes: int, seen: int | None) -> Scripted:
    return Scripted(evidence.at_random(quotes) if seen is None else evidence.strongest(quotes, seen))


LESSONS = {
    "excerpts": 0.30,
    "consultancy": 0.20,
    "open-consultancy": 0.10,
    "debate": 0.25,
    "open-debate": 0.05,
    "invented": 0.10,
}
"""Shares of the judge's lessons by game."""


def lessons(n: int, quotes: int, seed: int) -> list[Example]:
    """Games with the right answer as the response, some of them broken off, the answers in either order.

    A judge that learns from outcomes learns what quotes are worth, and what those of a consultant are.
    """
    rng = random.Random(f"lessons {seed}")
    found = [
        Example(prompt(View(cut, protocol, backward=rng.random() < 0.5), WORDING), _truth(cut))
        for protocol, game in _lesson_games(n, quotes, seed)
        for cut in [_broken_off(game, protocol, rng)]
    ]
    return [found[i] for i in shuffled(len(found), seed_of(seed, "order of lessons"))]


def _lesson_games(n: int, quotes: int, seed: int) -> Iterator[tuple[Protocol, Transcript]]:
    by_name = {game.name: game for game in games(list(PROTOCOLS.values()), quotes)}
    by_name["invented"] = by_name[CHECKED]
    for name, share in LESSONS.items():
        game = by_name[name]
        asked = questions(max(round(n * share), 1), seed_of(seed, "lessons", name))
        if name != "excerpts":
            played = play(asked, game.protocol, game.speakers, silent, WORDING, seats="alternate")
            yield from ((game.protocol, one) for one in played)
            continue
        each = -(-len(asked) // evidence.WITNESSES)
        for k in range(1, evidence.WITNESSES + 1):
            reader: dict[Speaker, Speaking] = {"reader": Scripted(evidence.at_random(k))}
            for one in play(asked[(k - 1) * each : k * each], game.protocol, reader, silent, WORDING):
                yield game.protocol, one


def silent(views: Sequence[View]) -> list[Belief]:
    """A judge that tells nothing: for games whose course is not judged."""
    return [Belief(None, None)] * len(views)


def _broken_off(game: Transcript, protocol: Protocol, rng: random.Random) -> Transcript:
    """The game up to the end of one of its groups; half of the time all of it."""
    sizes = [len(group) for group in protocol.groups]
    kept = len(sizes) if rng.random() < 0.5 else rng.randint(0, len(sizes))
    return Transcript(game.question, game.protocol, game.opens, game.turns[: sum(sizes[:kept])])


def _truth(game: Transcript) -> str:
    truth = game.question.truth
    assert truth is not None
    return game.question.answers[truth]
