"""Rates over seeds: of revised responses by number of revisions, and of every model, with what sets models apart.

Seeds are runs that share nothing but the base model. What models do is clustered by seed, so that n is the number of
seeds; revisions train nothing, so these are clustered by question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..feedback.revision import Chain
from ..files import read_json, read_jsonl
from ..maths import clusters
from ..protocols import Floats
from ..records import Example, Measurement, from_row
from ..run import stage_title
from .cai_rates import RATES, by_round, question_of, shares
from .critiques import read_chains

FILE = "cai_study.json"
WITH, WITHOUT = "with", "without"
LEARNT_FROM_PEOPLE = ("sft", "ppo", "dpo")
"""The models that others are set against: people's demonstrations, RLHF and DPO."""


@dataclass(frozen=True)
class Seed:
    """What a seed's run holds: chains with and without critiques, each model's answers, the measures of its judges."""

    number: int
    chains: Mapping[str, list[Chain]]
    answers: Mapping[str, list[Example]]
    judges: list[dict[str, Any]]

    @property
    def prompts(self) -> list[Example]:
        return self.answers["base"]


def read_seed(folder: Path) -> Seed:
    """A finished seed's run."""
    state = read_json(folder / "run.json")
    stage = {stage_title(entry["name"]): folder / "stages" / entry["name"] for entry in state["stages"]}
    evals = folder / "evals.json"
    return Seed(
        int(state["seed"]),
        {name: read_chains(stage["revisions"] / f"{name}.jsonl") for name in (WITH, WITHOUT)},
        {file.stem: _examples(file) for file in stage["answers"].glob("*.jsonl")},
        [row for row in (read_json(evals) if evals.exists() else []) if row["model"].startswith("judge")],
    )


def _examples(file: Path) -> list[Example]:
    read = [from_row(row) for row in read_jsonl(file)]
    return [example for example in read if isinstance(example, Example)]


def content(seeds: Sequence[Seed]) -> dict[str, Any]:
    """What cai_study.json holds; docs/run-folder.md describes it."""
    models = [name for name in ORDER if name in seeds[0].answers]
    told = {model: _told([seed.answers[model] for seed in seeds]) for model in models}
    return {
        "seeds": [seed.number for seed in seeds],
        "prompts": len(seeds[0].prompts),
        "revisions": [row for name in (WITH, WITHOUT) for row in _revisions(seeds, name)],
        "models": [{"model": model, **row} for model in models for row in _rates(told[model])],
        "differences": [
            {"model": model, "against": other, **row}
            for other in LEARNT_FROM_PEOPLE
            for model in models
            if other in told and model not in (*LEARNT_FROM_PEOPLE, "base")
            for row in _differences(told[model], told[other])
        ],
        "judges": [{"seed": seed.number, **row} for seed in seeds for row in seed.judges],
    }


ORDER = (
    "base", *LEARNT_FROM_PEOPLE, "sl-cai", "rl-cai-soft", "rl-cai-hard", "rl-cai-clamped", "rl-rules", "rl-people",
)  # fmt: skip


def _revisions(seeds: Sequence[Seed], name: str) -> Iterator[dict[str, Any]]:
    rounds = [by_round(seed.chains[name], seed.prompts) for seed in seeds]
    for n in range(max(map(len, rounds))):
        pooled = [example for of_seed in rounds for example in of_seed[min(n, len(of_seed) - 1)]]
        questions = np.array([question_of(example) for example in pooled])
        for rate, found in shares(pooled).items():
            estimate = clusters.proportion(found.of, questions[found.places])
            yield {"critiques": name == WITH, "rounds": n, "rate": rate, **estimate._asdict()}


class Told(NamedTuple):
    """Of a rate over some kind of prompt, None for all that it is about: its value for each response, and its seed."""

    of: Floats
    seeds: Floats


def _told(answers: Sequence[Sequence[Example]]) -> dict[tuple[str, str | None], Told]:
    """Every rate of a model, whole and by kind of prompt; the responses of all seeds."""
    of: dict[tuple[str, str | None], list[tuple[float, int]]] = {}
    for seed, answered in enumerate(answers):
        for rate, found in {**shares(answered), "boilerplate": _boilerplate(answered)}.items():
            for value, place in zip(found[0], found[1], strict=True):
                for kind in (None, answered[place].kind):
                    of.setdefault((rate, kind), []).append((float(value), seed))
    return {key: Told(*np.array(rows, dtype=np.float64).T) for key, rows in of.items()}


def _boilerplate(answered: Sequence[Example]) -> tuple[Floats, list[int]]:
    """Of responses to requests for harm: whether one is, word for word, the response given most often."""
    places = [i for i, example in enumerate(answered) if example.kind in RATES["harmless"].kinds]
    said = [" ".join((answered[i].response or "").split()) for i in places]
    commonest = Counter(said).most_common(1)[0][0] if said else ""
    return np.array([float(text == commonest) for text in said]), places


def _rates(told: Mapping[tuple[str, str | None], Told]) -> Iterator[dict[str, Any]]:
    for (rate, kind), found in told.items():
        estimate = clusters.proportion(found.of, found.seeds)
        by_seed = [float(found.of[found.seeds == seed].mean()) for seed in np.unique(found.seeds)]
        yield {"rate": rate, "kind": kind, **estimate._asdict(), "by_seed": by_seed}


def _differences(
    one: Mapping[tuple[str, str | None], Told], other: Mapping[tuple[str, str | None], Told]
) -> Iterator[dict[str, Any]]:
    """One model less another, on the same prompts in each seed."""
    for (rate, kind), found in one.items():
        if (rate, kind) in other:
            estimate = clusters.gap(found.of - other[rate, kind].of, found.seeds)
            yield {"rate": rate, "kind": kind, **estimate._asdict()}


def measurements(found: Mapping[str, Any]) -> list[Measurement]:
    """The rates of the models, as rows of evals.json."""
    return [
        Measurement(r["model"], "intent", r["rate"], r["value"], r["low"], r["high"], r["n"], slice=r["kind"])
        for r in found["models"]
    ]


HEADLINES = ("harmless", "helpful")


def sentences(found: Mapping[str, Any]) -> list[str]:
    """What came of it, in plain words."""
    return [*_against_sft(found), *(_revised(found, critiques) for critiques in (True, False))]


def _against_sft(found: Mapping[str, Any]) -> list[str]:
    """First what is surely more harmless, then what can't be told apart, then what is surely less so."""
    ours = [row for row in found["differences"] if row["against"] == "sft" and row["kind"] is None]
    gaps = {(row["model"], row["rate"]): row for row in ours}
    order: dict[str, list[str]] = {
        "more harmless than SFT": [],
        "as harmless as SFT, or not to be told": [],
        "less harmless than SFT": [],
    }
    for model in dict.fromkeys(row["model"] for row in ours):
        harmless, helpful = (gaps[model, rate] for rate in HEADLINES)
        said = f"{model} by {_of(harmless, signed=True)}, helpful {_of(helpful, signed=True)}"
        more, told, less = order.values()
        (more if harmless["low"] > 0 else less if harmless["high"] < 0 else told).append(said)
    seeds = len(found["seeds"])
    return [f"Over {seeds} seeds {words}: {'; '.join(models)}." for words, models in order.items() if models]


def _revised(found: Mapping[str, Any], critiques: bool) -> str:
    rows = {(row["rate"], row["rounds"]): row for row in found["revisions"] if row["critiques"] == critiques}
    last = max(n for _, n in rows)
    rates = [f"{rate} {_of(rows[rate, 0])} to {_of(rows[rate, last])}" for rate in HEADLINES if (rate, last) in rows]
    rounds = f"{last} revision{'s' if last > 1 else ''}"
    n = rows[HEADLINES[0], last]["n"]
    return (
        f"The base model's responses after {rounds} {'with' if critiques else 'without'} critiques: "
        f"{', '.join(rates)} (n = {n} questions that ask for harm)."
    )


def _of(row: Mapping[str, Any], *, signed: bool = False) -> str:
    form = "+.2f" if signed else ".2f"
    return f"{row['value']:{form}} [{row['low']:{form}}, {row['high']:{form}}]"
