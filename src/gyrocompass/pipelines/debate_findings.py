"""What games come to: rows of evals.json, the content of debate.json, and the sentences of the summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..feedback.debate import Protocol, Transcript, measure
from ..feedback.debate.quotes import pieces, stands
from ..maths import nested
from ..maths.stats import Estimate, known
from ..records import Measurement

FILE = "debate.json"
JUDGE = "judge"
SHOWN_EACH = 2
"""Games of each kind that can be read in the report: one that the judge got right, and one that it got wrong."""
REFERENCES = (
    ("Khan et al. 2024, LLM judge", "2402.06782", {"blind": 0.48, "consultancy": 0.54, "debate": 0.76}),
    ("Khan et al. 2024, human judges", "2402.06782", {"blind": 0.60, "consultancy": 0.78, "debate": 0.88}),
    ("Michael et al. 2023, human judges", "2311.08702", {"consultancy": 0.74, "debate": 0.84}),
)
"""Judge accuracies on passages of real text, as the papers report them: source, arXiv id, accuracy by game."""
METRICS = {"judge_accuracy": "accuracy", "judge_ece": "ece", "judge_brier": "brier"}
"""Metrics of evals.json by what debate.json calls them."""

Row = dict[str, Any]
Games = Mapping[str, Sequence[Transcript]]
"""A seed's games by name."""
Span = tuple[float, float]
SHARE, GAP, COUNT = (0.0, 1.0), (-1.0, 1.0), (0.0, float("inf"))


def measurements(rows: Sequence[Row]) -> list[Measurement]:
    """Rows of evals.json from those of the games: the judge's accuracy and calibration, sliced by game.

    Games of no known truth have none.
    """
    return [
        Measurement(JUDGE, "intent", metric, e["value"], e["low"], e["high"], e["n"], slice=row["name"])
        for row in rows
        for metric, key in METRICS.items()
        if (e := row[key])
    ]


def references() -> list[Row]:
    """The papers' numbers, a row each."""
    return [{"source": source, "arxiv": arxiv, "accuracies": found} for source, arxiv, found in REFERENCES]


def over_seeds(
    measured: Callable[..., Estimate | None], *games: Sequence[Sequence[Transcript]], span: Span = SHARE
) -> Estimate | None:
    """What is measured of each seed's games, over seeds; of one seed over its questions. None where one has no such
    number: no truth is known, or the judge abstained throughout."""
    return nested.known_mean([known(measured, *some) for some in zip(*games, strict=True)], span)


def game_row(name: str, protocol: Protocol, seeds: Sequence[Sequence[Transcript]]) -> Row:
    """What debate.json tells of a game, from each seed's transcripts of it."""
    games = [game for some in seeds for game in some]
    consulted = protocol.kind == "consultancy"
    course = [over_seeds(partial(measure.course, step=step), seeds) for step in range(len(protocol.groups) + 1)]
    return {
        "name": name,
        "kind": protocol.kind,
        "games": len(games),
        "accuracy": told(over_seeds(measure.accuracy, seeds)),
        "seeds": [float(e.value) for some in seeds if (e := known(measure.accuracy, some))],
        "course": list(map(told, course)),
        "ece": told(over_seeds(measure.ece, seeds)),
        "brier": told(over_seeds(measure.brier, seeds)),
        "bins": [{"confidence": one.confidence, **told_surely(one.accuracy)} for one in measure.bins(games)],
        "honest": told(over_seeds(measure.honest, seeds)) if consulted else None,
        "dishonest": told(over_seeds(measure.dishonest, seeds)) if consulted else None,
        "quotes": told(over_seeds(measure.quotes, seeds, span=COUNT)),
        "words": told(over_seeds(measure.words, seeds, span=COUNT)),
        "longer_wins": told(over_seeds(measure.length_bias, seeds)),
        "order_flips": told(over_seeds(measure.order_flips, seeds)),
        "marks": measure.marks(games),
    }  # fmt: skip


def gain_row(better: str, worse: str, seeds: Sequence[Games]) -> Row | None:
    """By how much the judge is more often right in one game than in another, paired by question."""
    if not all({better, worse} <= games.keys() for games in seeds):
        return None
    pairs = [[games[name] for games in seeds] for name in (better, worse)]
    over = over_seeds(measure.gain, *pairs, span=GAP)
    if over is None:
        return None
    each = [float(measure.gain(*pair).value) for pair in zip(*pairs, strict=True)]
    return {"better": better, "worse": worse, **told_surely(over), "seeds": each}


WON = "Share of games that the learnt debater wins against its start"


def learnt(seeds: Sequence[Games], learnt: str, start: str) -> Row:
    """What self-play made of a debater, from its games with its start in either seat, and of each with itself."""
    each = [_learnt(met, learnt, start) for met in seeds]
    found = {name: told(nested.known_mean([one[name] for one in each], SHARE)) for name in each[0]}
    return {name: number for name, number in found.items() if number}


def _learnt(met: Games, learnt: str, start: str) -> dict[str, Estimate | None]:
    first, second = met[f"{learnt} {start}"], met[f"{start} {learnt}"]
    itself = {"the start": met[f"{start} {start}"], "the learnt debater": met[f"{learnt} {learnt}"]}
    numbers = {WON: known(measure.wins, first, second)}
    for words, games in itself.items():
        numbers[f"Share of verdicts that are right where {words} debates itself"] = known(measure.accuracy, games)
        numbers[f"Share of turns in which {words} quotes and invents nothing"] = known(measure.sound, games)
    return numbers


def persuaders(seeds: Sequence[Mapping[tuple[str, str], Sequence[Transcript]]]) -> list[Row]:
    """Debaters' ratings before the judge, beside its accuracy when each debates itself."""
    each = [measure.persuaders(meetings) for meetings in seeds]
    return [
        {
            "name": same[0].name,
            "rating": told(nested.mean([one.rating for one in same])),
            "accuracy": told(nested.mean([one.accuracy for one in same], SHARE)),
        }
        for same in zip(*each, strict=True)
    ]


def told(e: Estimate | None) -> Row | None:
    return None if e is None or not np.isfinite([e.low, e.high]).all() else told_surely(e)


def told_surely(e: Estimate) -> Row:
    return {"value": float(e.value), "low": float(e.low), "high": float(e.high), "n": int(e.n)}


def shown(name: str, protocol: Protocol, games: Sequence[Transcript]) -> list[Row]:
    """Games to be read, picked by a rule: the first that the judge got right, and the first that it got wrong."""
    picked = []
    for wanted in (1, -1):
        first = next((game for game in games if _leans(game) == wanted), None)
        picked += [first] if first else []
    if not picked:
        picked = list(games[:1])
    return [transcript_row(name, protocol, game) for game in picked[:SHOWN_EACH]]


def _leans(game: Transcript) -> int:
    """1 where the judge found the right answer the likelier one, -1 the wrong one, 0 where neither or nobody knows."""
    return 0 if game.p_right is None else int(np.sign(game.p_right - 0.5))


def transcript_row(name: str, protocol: Protocol, game: Transcript) -> Row:
    """A game as the report shows it: groups of turns, and the belief before them and after each."""
    groups = measure.groups_of(game, protocol)
    return {
        "game": name,
        "question": game.question.text,
        "answers": list(game.question.answers),
        "truth": game.question.truth,
        "passage": game.question.passage,
        "beliefs": [belief.p_first for belief in game.beliefs],
        "groups": [[_turn_row(game, place) for place in places] for places in groups],
    }


def _turn_row(game: Transcript, place: int) -> Row:
    turn, passage = game.turns[place], game.question.passage
    said = [
        {"text": text, "verified": None if verified is None else stands(text, passage)}
        for text, verified in pieces(turn.text, turn.quotes)
    ]
    return {
        "speaker": turn.speaker, "side": turn.side, "said": said, "thought": turn.thought, "marks": list(turn.marks)
    }  # fmt: skip


HEADLINE = (("debate", "consultancy"), ("consultancy", "blind"))
ORDER = (*HEADLINE, ("debate", "blind"), ("debate", "excerpts"))
"""Comparisons, better first; the summary begins with the headline."""


def sentences(content: Row) -> list[str]:
    """What came of it: the comparisons with their intervals, said as they came out; then what else was found."""
    rows = [row for row in content["games"] if row["accuracy"]]
    headline = [gain for gain in content["gains"] if (gain["better"], gain["worse"]) in HEADLINE]
    others = [gain for gain in content["gains"] if gain not in headline]
    said = [_compared(gains) for gains in (headline, others) if gains]
    if rows:
        listed = "; ".join(f"{row['name']} {_estimate(row['accuracy'])}" for row in rows)
        said.append(f"The judge is right: {listed}.")
    said += [
        f"In {row['name']} it is right in {_estimate(row['honest'])} where the consultant argues for the right answer, "
        f"in {_estimate(row['dishonest'])} where for the wrong one."
        for row in rows
        if row["honest"] and row["dishonest"]
    ]
    won = {sentence: numbers for sentence, numbers in content["learnt"].items() if sentence.startswith(WON)}
    said += [f"{sentence}: {_estimate(numbers)}." for sentence, numbers in won.items()]
    return said or [_unmeasured(content["games"])]


def _unmeasured(rows: Sequence[Row]) -> str:
    if rows and all(row["marks"].get("abstained") == row["games"] for row in rows):
        return "The judge gave no verdict that could be read, so there is nothing to measure."
    return "No question has a known answer, so the judge's verdicts stand unmeasured."


def _compared(gains: Sequence[Row]) -> str:
    """How the games of each pair lie."""
    parts = []
    for row in gains:
        verdict = "is above" if row["low"] > 0 else "is below" if row["high"] < 0 else "is not told apart from"
        seeds = f" over {row['n']} seeds" if len(row["seeds"]) > 1 else ""
        parts.append(f"{row['better']} {verdict} {row['worse']}, by {_interval(row)}{seeds}")
    return f"Judge accuracy: {'; '.join(parts)}."


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _estimate(row: Mapping[str, Any]) -> str:
    return str(Estimate(row["value"], row["low"], row["high"], row["n"]))
