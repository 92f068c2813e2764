"""The town's debates: questions on graded evidence, scripted speakers, and the lessons of the judge that is trained."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
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
EQUAL_EXCERPTS, EQUAL_CONSULTANCY = "excerpts at equal facts", "consultancy at equal facts"
"""Controls that quote as many facts as a debate of two rounds does, so that it can't win by quoting more."""
COMPARED = (("debate", EQUAL_CONSULTANCY), ("debate", EQUAL_EXCERPTS), (CHECKED, TRUSTED))
"""The town's own comparisons, better first."""
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
    """What is played: the protocols, controls at equal facts, the informed judge, and debates in which the dishonest
    side invents its quotes."""
    debate = PROTOCOLS["debate"]
    faker = BySide(_strongest(quotes), Scripted(evidence.fabricated(quotes)))
    both: dict[Speaker, Speaking] = {"A": faker, "B": faker}
    trusting = debate.model_copy(update={"quotes": "trusted"})
    return [
        *(_game(protocol, quotes) for protocol in protocols),
        *_at_equal_facts(quotes),
        Game(READ_OUT, PROTOCOLS["excerpts"], _reader(evidence.WITNESSES)),
        Game(CHECKED, debate, both),
        Game(TRUSTED, trusting, both),
    ]


def _game(protocol: Protocol, quotes: int) -> Game:
    debater = _strongest(quotes)
    seats: Seats = "both" if protocol.kind == "consultancy" else "alternate"
    return Game(protocol.name, protocol, {"A": debater, "B": debater, **_reader(2 * quotes)}, seats)


def _at_equal_facts(quotes: int) -> list[Game]:
    """A consultant has the turns of one debater and quotes for two, its strongest; where its side has fewer facts than
    that it quotes all of them."""
    facts = quotes * sum(map(len, PROTOCOLS["debate"].groups))
    return [
        Game(EQUAL_EXCERPTS, PROTOCOLS["excerpts"], _reader(facts)),
        Game(EQUAL_CONSULTANCY, PROTOCOLS["consultancy"], {"A": _strongest(2 * quotes)}, "both"),
    ]


def _reader(facts: int) -> dict[Speaker, Speaking]:
    return {"reader": Scripted(evidence.at_random(facts))}


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
    "consultancy": 0.15,
    EQUAL_CONSULTANCY: 0.12,
    "open-consultancy": 0.08,
    "debate": 0.25,
    "open-debate": 0.05,
    CHECKED: 0.05,
}
"""Shares of the judge's lessons by game; the excerpts are of one fact to all."""
WORDLESS, WHOLE = 0.06, 0.65
"""Which lessons break off before a word is said, and up to which share of them all is said; the rest in between."""


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
    for name, share in LESSONS.items():
        asked = questions(max(round(n * share), 1), seed_of(seed, "lessons", name))
        parts = _excerpted(asked) if name == "excerpts" else [(by_name[name], asked)]
        for game, some in parts:
            played = play(some, game.protocol, game.speakers, silent, WORDING, seats="alternate")
            yield from ((game.protocol, one) for one in played)


def _excerpted(asked: Sequence[Question]) -> Iterator[tuple[Game, Sequence[Question]]]:
    """Of k facts k times as many as of one, for many are harder to add up; in fours, half of which have either answer,
    so that how many there are tells nothing."""
    fours, each = len(asked) // 4, evidence.WITNESSES
    ends = [4 * (fours * k * (k + 1) // (each * (each + 1))) for k in range(each + 1)]
    for k, (start, end) in enumerate(pairwise(ends), 1):
        yield Game("excerpts", PROTOCOLS["excerpts"], _reader(k)), asked[start:end]


def silent(views: Sequence[View]) -> list[Belief]:
    """A judge that tells nothing: for games whose course is not judged."""
    return [Belief(None, None)] * len(views)


def _broken_off(game: Transcript, protocol: Protocol, rng: random.Random) -> Transcript:
    """The game up to the end of one of its groups, most often of the last; seldom before a word."""
    sizes, drawn = [len(group) for group in protocol.groups], rng.random()
    kept = 0 if drawn < WORDLESS else len(sizes) if drawn < WHOLE else rng.randint(1, len(sizes))
    return Transcript(game.question, game.protocol, game.opens, game.turns[: sum(sizes[:kept])])


def _truth(game: Transcript) -> str:
    truth = game.question.truth
    assert truth is not None
    return game.question.answers[truth]
