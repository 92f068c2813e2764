"""The game, many questions at once: every group of speakers is one batch, and so is the judge after it."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...errors import InputError, Waiting
from ...files import read_jsonl, write_jsonl
from ...models.batching import seed_of
from ...terminal import Tick
from .judges import Judging
from .protocol import Protocol, Speaker
from .records import Question, Transcript, from_row, to_row
from .speakers import Speaking
from .turns import taken
from .wording import View, Wording

Seats = Literal["both", "alternate"]


def play(
    questions: Sequence[Question],
    protocol: Protocol,
    speakers: Mapping[Speaker, Speaking],
    judge: Judging,
    wording: Wording,
    *,
    seats: Seats = "both",
    seed: int = 0,
    kept: Path | None = None,
    tick: Tick = lambda done: None,
) -> list[Transcript]:
    """Plays the protocol on each question; with `both` seats twice, A arguing for either answer in turn.

    With `alternate` seats A argues once, for the right answer in half of the games. The file `kept` holds the games as
    far as they went, and what is in it isn't asked for again.
    Raises InputError if a seat of the protocol has no speaker, or `kept` holds other games.
    """
    check_seats(protocol, speakers)
    # 1. Who argues for what. Where A may choose, it does, and is A once.
    games = _begun(questions, protocol, speakers, seats, seed)
    if kept is not None and kept.exists():
        games = _resumed(kept, games, protocol)
    # 2. The judge's belief before anything is said.
    if not all(game.beliefs for game in games):
        games = _judged(games, protocol, judge)
        _keep(kept, games, protocol)
    # 3. Each group speaks at once: nobody in it reads the others' turns. Then the judge reads them.
    for number, group in enumerate(protocol.groups, 1):
        if any(len(game.beliefs) <= number for game in games):
            start = sum(map(len, protocol.groups[: number - 1]))
            games = _spoken(games, protocol, group, start, speakers, wording, seed, kept)
            games = _judged(games, protocol, judge)
            _keep(kept, games, protocol)
        tick(number)
    return games


def check_seats(protocol: Protocol, speakers: Container[Speaker]) -> None:
    """Raises InputError if a seat of the protocol has no speaker."""
    missing = sorted(speaker for speaker in protocol.speakers if speaker not in speakers)
    if missing:
        raise InputError(f"protocol {protocol.name}: nobody speaks as {missing[0]}; name who does, or leave it out")


def _begun(
    questions: Sequence[Question], protocol: Protocol, speakers: Mapping[Speaker, Speaking], seats: Seats, seed: int
) -> list[Transcript]:
    if protocol.open:
        return [
            Transcript(question, protocol.name, side)
            for question, side in zip(questions, speakers["A"].choose(questions), strict=True)
        ]
    if seats == "both" and "A" in protocol.speakers:
        return [Transcript(question, protocol.name, side) for question in questions for side in (0, 1)]
    drawn = _alternating(questions, seed)
    return [Transcript(question, protocol.name, side) for question, side in zip(questions, drawn, strict=True)]


def _alternating(questions: Sequence[Question], seed: int) -> list[int]:
    """The answer that A argues for: the right and the wrong one in turn, in a drawn order of the questions by truth.

    So neither the order of the questions nor that of their answers tells who is honest.
    """
    drawn = sorted(
        range(len(questions)),
        key=lambda i: (str(questions[i].truth), seed_of(seed, "seats", questions[i].id)),
    )  # fmt: skip
    sides = {i: (place + (questions[i].truth or 0)) % 2 for place, i in enumerate(drawn)}
    return [sides[i] for i in range(len(questions))]


def _spoken(
    games: list[Transcript],
    protocol: Protocol,
    group: Sequence[Speaker],
    start: int,
    speakers: Mapping[Speaker, Speaking],
    wording: Wording,
    seed: int,
    kept: Path | None,
) -> list[Transcript]:
    """The games with a turn of each who speaks in the group; the group's turns begin at `start`.

    All of the group is asked before any is waited for, and what is there by then is kept.
    """
    before, waits = [replace(game, turns=game.turns[:start]) for game in games], []
    for speaker in group:
        if all(any(turn.speaker == speaker for turn in game.turns[start:]) for game in games):
            continue
        views = [View(game, protocol, speaker) for game in before]
        try:
            said = speakers[speaker](views, seed=seed)
        except Waiting as waiting:
            waits.append(waiting)
            continue
        games = [
            _seated(game.said(taken(view, texts[0], wording)), group, start)
            for game, view, texts in zip(games, views, said, strict=True)
        ]
        _keep(kept, games, protocol)
    if waits:
        raise waits[-1]
    return games


def _seated(game: Transcript, group: Sequence[Speaker], start: int) -> Transcript:
    """The game with the group's turns in the group's order, whoever replied first."""
    turns = sorted(game.turns[start:], key=lambda turn: group.index(turn.speaker))
    return replace(game, turns=(*game.turns[:start], *turns))


def _judged(games: Sequence[Transcript], protocol: Protocol, judge: Judging) -> list[Transcript]:
    found = judge([View(game, protocol) for game in games])
    return [game.believed(belief) for game, belief in zip(games, found, strict=True)]


def _keep(kept: Path | None, games: Sequence[Transcript], protocol: Protocol) -> None:
    if kept is not None:
        write_jsonl(kept, [to_row(game) | {"protocol_hash": protocol.hash} for game in games])


def _resumed(kept: Path, games: Sequence[Transcript], protocol: Protocol) -> list[Transcript]:
    """The games as far as they went."""
    try:
        rows = read_jsonl(kept)
    except json.JSONDecodeError as error:
        raise InputError(f"{kept}: not valid JSONL ({error.msg}); remove it to play anew") from None
    keys = ("question", "protocol", "opens", "protocol_hash")
    wanted = [(game.question.id, game.protocol, game.opens, protocol.hash) for game in games]
    if [tuple(map(row.get, keys)) for row in rows] != wanted:
        raise InputError(f"{kept}: holds other games than these; remove it, or name another folder with --out")
    questions = {game.question.id: game.question for game in games}
    return [from_row(row, questions) for row in rows]
