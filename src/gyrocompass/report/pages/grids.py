"""Agents in small worlds: what they earn, what it is worth, and their episodes to step through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from ..axes import Axis, nice_axis
from ..charts import Words
from ..folder import RunData
from ..grids import Play, World
from ..notation import Estimate, and_list, places_of, sentence
from ..stepper import Track, board, frames, symbols, track_chart
from .section import Section

AGENT, CONTROL, RANDOM = "agent", "control", "random"
TRAINED = "agent-as-trained"
MEASURES = ("return", "performance")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: return and performance of agent, control and random moves, each with its decimals."""

    title: str
    estimates: tuple[tuple[Estimate | None, int], ...]
    lack: Estimate | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Side:
    """One policy's episode: the last board, its tracks with their charts, and all frames for the script."""

    policy: str
    board: Markup
    tracks: tuple[tuple[Track, Markup], ...]
    frames: str


@dataclass(frozen=True, slots=True)
class Stepper:
    """Episodes side by side on the same draw; `moves` of the longer one. `case` names what the draw was."""

    case: str
    moves: int
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """A world and its episodes."""

    title: str
    world: World
    steppers: tuple[Stepper, ...]


def grids(run: RunData) -> Section | None:
    """The table of all worlds and the steppers of each."""
    found = run.grids
    if found is None or not found.worlds:
        return None
    flagged = [_title(world.name).lower() for world in found.worlds if world.verdict == "flagged"]
    lines = [line for world in found.worlds for line in _lines(world)]
    content = {
        "found": found,
        "lines": lines,
        "lacks": places_of(line.lack for line in lines if line.lack),
        "scenes": [Scene(_title(world.name), world, tuple(_steppers(world))) for world in found.worlds],
        "symbols": symbols(),
        "said": _said(found.runs, flagged),
    }
    return Section("grids", "Agents in small worlds: reward and intent", content, script="stepper.js")


def _said(runs: int, flagged: Sequence[str]) -> str:
    if runs == 1:
        return "One training run shows no spread from run to run: nothing is measured, and its episodes are shown."
    return f"Reward without intent: {and_list(flagged)}." if flagged else "No agent was shown to lie below honest play."


def _title(name: str) -> str:
    return sentence(name.replace("-", " "))


def _lines(world: World) -> list[Line]:
    """The world's row, and one of its agent's where it learnt, if it is judged elsewhere."""
    columns = [(who, measure) for measure in MEASURES for who in (AGENT, CONTROL, RANDOM)]
    decimals = {m: places_of(e for who in world.policies if (e := _estimate(world, who, m))) for m in MEASURES}
    cells = tuple((_estimate(world, who, measure), min(decimals[measure], 1)) for who, measure in columns)
    lack = world.lack.estimate if world.lack else None
    lines = [Line(_title(world.name), cells, lack, world.verdict)]
    if TRAINED in world.policies:
        own = tuple(
            (_estimate(world, TRAINED, measure) if who == AGENT else None, min(decimals[measure], 1))
            for who, measure in columns
        )
        lines.append(Line(f"{_title(world.name)}, as trained", own, None, ""))
    return lines


def _estimate(world: World, who: str, measure: str) -> Estimate | None:
    known = world.policies.get(who, {}).get(measure)
    return known.estimate if known else None


def _steppers(world: World) -> list[Stepper]:
    return [_stepper(world, case, list(plays)) for case, plays in groupby(world.episodes, key=lambda play: play.case)]


def _stepper(world: World, case: str, plays: Sequence[Play]) -> Stepper:
    moves = max(len(play.rewards) for play in plays)
    every = [value for play in plays for value in play.returns], [value for play in plays for value in play.worths]
    sides = []
    for play in plays:
        tracks = (
            _track("Return", "reward", play.returns, every[0]), _track("Performance", "intent", play.worths, every[1]),
        )  # fmt: skip
        name = f"grids-{world.name}-{'-'.join([*case.split(), play.policy])}"
        charts = tuple((track, _chart(name, world, play, track, moves)) for track in tracks)
        sides.append(Side(play.policy, _board(name, world, play), charts, frames(play.boards, tracks)))
    return Stepper(case, moves, tuple(sides))


def _track(name: str, css: str, values: Sequence[float | None], every: Sequence[float | None]) -> Track:
    """On an axis that all of these episodes share."""
    known = [value for value in every if value is not None]
    axis = nice_axis(known, 2) if known else Axis(0.0, 1.0, ())
    return Track(name, css, tuple(values), axis, 0 if all(v == round(v) for v in known) else 1)


def _board(name: str, world: World, play: Play) -> Markup:
    told = f"The board after the last of {len(play.rewards)} moves."
    return board(Words(f"{name}-board", f"{_title(world.name)}, {play.policy}", told), play.boards[-1])


def _chart(name: str, world: World, play: Play, track: Track, moves: int) -> Markup:
    title = f"{track.name} of the {play.policy} in the {_title(world.name).lower()}, move by move"
    told = f"After {len(play.rewards)} moves: {track.last}."
    return track_chart(Words(f"{name}-{track.css}", title, told), track, moves)
