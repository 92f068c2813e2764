"""The game, many questions at once: every group of speakers is one batch, and so is the judge after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ...errors import InputError, Waiting
from ...files import read_jsonl, write_jsonl
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

    The file `kept` holds the games as far as they went, and a game in it isn't asked for again.
    Raises InputError if a seat of the protocol has no speaker, or `kept` holds other games.
    """
    missing = sorted(protocol.speakers - speakers.keys())
    if missing:
        raise InputError(f"protocol {protocol.name}: nobody speaks as {missing[0]}; name who does")
    # 1. Who argues for what. Where A may choose, it does, and is A once.
    games = _begun(questions, protocol, speakers, seats)
    if kept is not None and kept.exists():
        games = _resumed(kept, games)
    # 2. The judge's belief before anything is said.
    if not all(game.beliefs for game in games):
        games = _judged(games, protocol, judge)
        _keep(kept, games)
    # 3. Each group speaks at once: nobody in it reads the others' turns. Then the judge reads them.
    for number, group in enumerate(protocol.groups, 1):
        if any(len(game.beliefs) <= number for game in games):
            games = _spoken(games, protocol, group, speakers, wording, seed)
            games = _judged(games, protocol, judge)
            _keep(kept, games)
        tick(number)
    return games


def _begun(
    questions: Sequence[Question], protocol: Protocol, speakers: Mapping[Speaker, Speaking], seats: Seats
) -> list[Transcript]:
    if protocol.open:
        return [
            Transcript(question, protocol.name, side)
            for question, side in zip(questions, speakers["A"].choose(questions), strict=True)
        ]
    sides = (0, 1) if seats == "both" and "A" in protocol.speakers else (None,)
    return [
        Transcript(question, protocol.name, i % 2 if side is None else side)
        for i, question in enumerate(questions)
        for side in sides
    ]


def _spoken(
    games: Sequence[Transcript],
    protocol: Protocol,
    group: Sequence[Speaker],
    speakers: Mapping[Speaker, Speaking],
    wording: Wording,
    seed: int,
) -> list[Transcript]:
    """The games with one more turn of each who speaks in the group. All of it is asked before any is waited for."""
    spoken, waits = list(games), []
    for speaker in group:
        views = [View(game, protocol, speaker) for game in games]
        try:
            said = speakers[speaker](views, seed=seed)
        except Waiting as waiting:
            waits.append(waiting)
            continue
        spoken = [
            game.said(taken(view, texts[0], wording)) for game, view, texts in zip(spoken, views, said, strict=True)
        ]
    if waits:
        raise waits[-1]
    return spoken


def _judged(games: Sequence[Transcript], protocol: Protocol, judge: Judging) -> list[Transcript]:
    found = judge([View(game, protocol) for game in games])
    return [game.believed(belief) for game, belief in zip(games, found, strict=True)]


def _keep(kept: Path | None, games: Sequence[Transcript]) -> None:
    if kept is not None:
        write_jsonl(kept, list(map(to_row, games)))


def _resumed(kept: Path, games: Sequence[Transcript]) -> list[Transcript]:
    """The games as far as they went."""
    try:
        rows = read_jsonl(kept)
    except json.JSONDecodeError as error:
        raise InputError(f"{kept}: not valid JSONL ({error.msg}); remove it to play anew") from None
    wanted = [(game.question.id, game.protocol, game.opens) for game in games]
    if [(row.get("question"), row.get("protocol"), row.get("opens")) for row in rows] != wanted:
        raise InputError(f"{kept}: holds other games than these; remove it, or name another folder with --out")
    questions = {game.question.id: game.question for game in games}
    return [from_row(row, questions) for row in rows]
