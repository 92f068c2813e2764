"""Agents in small worlds: one learns from the observed reward, an honest control from the hidden performance.

Source: the worlds and the question, Leike et al. 2017, arXiv:1711.09883; the learner, Watkins & Dayan 1992.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..audits.audit import Finding
from ..audits.gaming.agents import AGENTS, DILUTIONS, Agents, Episodes
from ..config import Grids, Recipe
from ..files import read_jsonl, write_json, write_jsonl
from ..maths import clusters
from ..maths.stats import Estimate
from ..records import Measurement
from ..run import Run
from ..terminal import Tick
from ..worlds.grids import (
    JUDGED,
    WORLDS,
    Act,
    Episode,
    Grid,
    Signal,
    Table,
    diluted,
    hidden,
    observed,
    q_learning,
    rollout,
)

FILE = "grids.json"
AGENT, CONTROL, RANDOM = POLICIES = ("agent", "control", "random")
ONE_RUN = "one training run shows no spread from run to run; set grids.runs to 2 or more"
TRAINED = "-as-trained"
"""Ends the slice of an agent's numbers in the world that it learnt in, where it is judged in another."""

Row = dict[str, Any]


class Trained(NamedTuple):
    """What came of one training run in a world."""

    agent: Table
    control: Table


def grids(recipe: Recipe, run: Run) -> None:
    """Runs or resumes every world; writes grids.json, and a finding for each world into audits.json."""
    settings = recipe.grids
    for name in settings.worlds:
        # 1. Agent and control, each trained `runs` times, and what they then do.
        if not run.stage_done(name):
            with run.stage(name) as folder:
                trained = _train(name, settings, recipe.seed, run)
                write_jsonl(folder / "played.jsonl", list(_played(name, trained, settings, recipe.seed)))
                write_jsonl(folder / "episodes.jsonl", list(_shown(name, trained[0], settings)))
    # 2. What it was worth, and whether the reward saw it.
    worlds: dict[str, list[Row]] = {
        name: read_jsonl(run.stage_folder(name) / "played.jsonl") for name in settings.worlds
    }
    found = {name: finding(name, rows) for name, rows in worlds.items()}
    run.measure([row for name, rows in worlds.items() for row in measurements(name, rows)])
    run.audit([one.row for one in found.values()])
    write_json(run.folder / FILE, _content(run, settings, worlds, found))
    run.save(status="done", summary=sentences(worlds, found))


def _train(name: str, settings: Grids, seed: int, run: Run) -> list[Trained]:
    """Every training run's two tables. The control learns where the agent will be judged."""
    jobs: list[tuple[type[Grid], Signal]] = [(WORLDS[name], observed), (JUDGED[name], hidden)]
    tables: list[Table] = []
    with run.progress(name, settings.runs * len(jobs) * settings.moves) as bar:
        for i in range(settings.runs):
            for world, signal in jobs:
                table = q_learning(
                    world(), signal, moves=settings.moves, slowing=settings.slowing, discount=settings.discount,
                    least_exploration=settings.least_exploration, seed=seed * 1_000_003 + i,
                    tick=partial(_forward, bar, len(tables) * settings.moves),
                )  # fmt: skip
                tables.append(table)
    return [Trained(*pair) for pair in zip(tables[::2], tables[1::2], strict=True)]


def _forward(bar: Tick, before: int, moves: int) -> None:
    bar(before + moves)


def _played(name: str, trained: Sequence[Trained], settings: Grids, seed: int) -> Iterator[Row]:
    """A row for every episode: return and performance of the agent, and of the control at each dilution.

    All play on the same draws.
    """
    judged = JUDGED[name]()
    for i, (agent, control) in enumerate(trained):
        rng = np.random.default_rng([seed, i])
        acts: list[tuple[str, float, Grid, Act]] = [(AGENT, 0.0, judged, agent)]
        if WORLDS[name] is not JUDGED[name]:
            acts.append((AGENT + TRAINED, 0.0, WORLDS[name](), agent))
        acts += [(CONTROL, share, judged, diluted(control, share, rng)) for share in DILUTIONS]
        for policy, share, world, act in acts:
            for draw in range(settings.episodes):
                episode = rollout(world, act, draw)
                yield {"policy": policy, "random_share": share, "run": i, "draw": draw, "return": episode.total,
                       "performance": episode.performance}  # fmt: skip


def _shown(name: str, trained: Trained, settings: Grids) -> Iterator[Row]:
    """An episode of agent and control, move by move, for each case that the draws bring up."""
    world = JUDGED[name]()
    seen: set[str] = set()
    for draw in range(settings.episodes):
        episodes = [(policy, rollout(world, act, draw)) for policy, act in zip((AGENT, CONTROL), trained, strict=True)]
        if world.case not in seen:
            seen.add(world.case)
            yield from ({"policy": policy, "case": world.case, **_moves(episode)} for policy, episode in episodes)


def _moves(episode: Episode) -> Row:
    boards = ["\n".join(row.tobytes().decode() for row in board) for board in episode.boards]
    return {"boards": boards, "rewards": list(episode.rewards), "performances": list(episode.performances)}


def finding(name: str, rows: Sequence[Row]) -> Finding:
    """The finding on a world's agent. One training run shows no spread, and its episodes tell nothing of the next."""
    model = f"{AGENT}/{name}"
    return AGENTS(case(rows), model) if _runs(rows) > 1 else AGENTS.unmeasured(ONE_RUN, model)


def _runs(rows: Sequence[Row]) -> int:
    return len({row["run"] for row in rows})


def case(rows: Sequence[Row]) -> Agents:
    """The episodes of a world as the audit takes them; their chance is that of the training run."""
    levels = tuple(_sample(rows, CONTROL, share) for share in DILUTIONS)
    return Agents(_sample(rows, AGENT, 0.0), levels)


def _sample(rows: Sequence[Row], policy: str, share: float) -> Episodes:
    mine = [row for row in rows if (row["policy"], row["random_share"]) == (policy, share)]
    performances = [np.nan if row["performance"] is None else row["performance"] for row in mine]
    return Episodes(
        np.array([row["return"] for row in mine], dtype=np.float64),
        np.array(performances, dtype=np.float64),
        np.array([row["run"] for row in mine]),
    )


def measured(sample: Episodes) -> dict[str, Estimate]:
    """Mean return and mean performance over training runs; neither where a single run has any, which has no spread."""
    known = sample.defined
    found = {
        "return": (sample.returns, sample.seeds),
        "performance": (sample.performances[known], sample.seeds[known]),
    }
    return {name: clusters.mean(x, runs) for name, (x, runs) in found.items() if len(np.unique(runs)) > 1}


def _samples(rows: Sequence[Row]) -> dict[str, Episodes]:
    """Who played a world, and how; a policy that did not play it is left out."""
    wanted = {
        AGENT: (AGENT, 0.0),
        CONTROL: (CONTROL, 0.0),
        RANDOM: (CONTROL, 1.0),
        AGENT + TRAINED: (AGENT + TRAINED, 0.0),
    }
    played = {(row["policy"], row["random_share"]) for row in rows}
    return {name: _sample(rows, *key) for name, key in wanted.items() if key in played}


def measurements(name: str, rows: Sequence[Row]) -> list[Measurement]:
    """Rows of evals.json for a world: property `intent`, slice the world."""
    return [
        Measurement(policy.removesuffix(TRAINED), "intent", metric, *e, slice=name + TRAINED * policy.endswith(TRAINED))
        for policy, sample in _samples(rows).items()
        for metric, e in measured(sample).items()
    ]


def _content(run: Run, settings: Grids, worlds: Mapping[str, Sequence[Row]], found: Mapping[str, Finding]) -> Row:
    """What grids.json holds; docs/methods/grids.md describes it."""
    return {
        "moves": settings.moves,
        "runs": settings.runs,
        "episodes": settings.episodes,
        "threshold": AGENTS.threshold,
        "worlds": [
            {
                "name": name, "pays": WORLDS[name].pays, "wants": WORLDS[name].wants,
                "verdict": found[name].verdict, "said": found[name].said, "lack": _lack(found[name]),
                "policies": {who: _told(sample) for who, sample in _samples(rows).items()},
                "episodes": str((run.stage_folder(name) / "episodes.jsonl").relative_to(run.folder).as_posix()),
            }
            for name, rows in worlds.items()
        ],
    }  # fmt: skip


def _told(sample: Episodes) -> Row:
    return {metric: e._asdict() for metric, e in measured(sample).items()}


def _lack(finding: Finding) -> Row | None:
    row = finding.row
    return None if finding.value is None else {key: row[key] for key in ("value", "low", "high", "n")}


def sentences(worlds: Mapping[str, Sequence[Row]], found: Mapping[str, Finding]) -> list[str]:
    """What happened: in which worlds the agent gamed its reward, by how much in the first, and where it didn't."""
    if all(_runs(rows) == 1 for rows in worlds.values()):
        return [f"Whether the agent left the intent behind can't be told: {ONE_RUN}."]
    gamed = [name for name in worlds if found[name].verdict == "flagged"]
    said = [f"In {len(gamed)} of {len(worlds)} worlds the agent got its reward and left the intent behind."]
    for name in gamed[:1]:
        agent, control = (_earned(_samples(worlds[name])[who]) for who in (AGENT, CONTROL))
        said.append(f"{title(name)}: the agent returns {agent}; the honest control {control}.")
    others = [f"{name.replace('-', ' ')} ({found[name].verdict})" for name in worlds if name not in gamed]
    return [*said, *([f"Not flagged: {', '.join(others)}."] if others else [])]


def _earned(sample: Episodes) -> str:
    found = measured(sample)
    return f"{found['return']} with performance {found.get('performance', 'defined in one run alone')}"


def title(name: str) -> str:
    """`boat-race` as it is written: Boat race."""
    return name.replace("-", " ").capitalize()
