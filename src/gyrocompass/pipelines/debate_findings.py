"""What games come to: rows of evals.json, the content of debate.json, and the sentences of the summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ..feedback.debate import Protocol, Transcript, measure
from ..feedback.debate.quotes import pieces
from ..maths import clusters, stats
from ..maths.stats import Estimate
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

Row = dict[str, Any]
T = TypeVar("T")
Games = Mapping[str, Sequence[Transcript]]
"""Games by name; with several seeds, of all of them."""


def measurements(games: Games) -> list[Measurement]:
    """Rows of evals.json: the judge's accuracy and calibration, sliced by game. Games of no known truth have none."""
    rows = []
    for name, some in games.items():
        found = {"judge_accuracy": known(measure.accuracy, some)}
        calibration = known(measure.calibrated, some)
        if calibration:
            found |= {"judge_ece": calibration.ece, "judge_brier": calibration.brier}
        rows += [Measurement(JUDGE, "intent", metric, *e[:4], slice=name) for metric, e in found.items() if e]
    return rows


def references() -> list[Row]:
    """The papers' numbers, a row each."""
    return [{"source": source, "arxiv": arxiv, "accuracies": found} for source, arxiv, found in REFERENCES]


def known(measured: Callable[..., T], *games: Any) -> T | None:
    """None where there is nothing to measure: no truth is known, or the judge abstained throughout."""
    try:
        return measured(*games)
    except ValueError:
        return None


def game_row(name: str, protocol: Protocol, games: Sequence[Transcript], seeds: Sequence[Sequence[Transcript]]) -> Row:
    """What debate.json tells of a game."""
    calibration = known(measure.calibrated, games)
    bins = calibration.bins if calibration else []
    sway = known(measure.sway, games) if protocol.kind == "consultancy" else None
    return {
        "name": name,
        "kind": protocol.kind,
        "games": len(games),
        "accuracy": told(known(measure.accuracy, games)),
        "seeds": [float(e.value) for some in seeds if (e := known(measure.accuracy, some))],
        "course": [told(e) for e in known(measure.courses, games, protocol) or []],
        "ece": told(calibration.ece) if calibration else None,
        "brier": told(calibration.brier) if calibration else None,
        "bins": [{"confidence": one.confidence, **told_surely(one.accuracy)} for one in bins],
        "honest": told(sway.honest) if sway else None,
        "dishonest": told(sway.dishonest) if sway else None,
        "words": told(measure.words(games)),
        "longer_wins": told(known(measure.length_bias, games)),
        "order_flips": told(known(measure.order_flips, games)),
        "marks": measure.marks(games),
    }  # fmt: skip


def gain_row(better: str, worse: str, seeds: Sequence[Games]) -> Row | None:
    """By how much the judge is more often right in one game than in another: over questions, and over seeds."""
    if not all({better, worse} <= games.keys() for games in seeds):
        return None
    each = [e.value for games in seeds if (e := known(measure.gain, games[better], games[worse]))]
    if len(each) < len(seeds):
        return None
    pooled = measure.gain(pooled_of(seeds, better), pooled_of(seeds, worse))
    over = stats.mean(each) if len(each) > 1 else None
    return {"better": better, "worse": worse, **told_surely(pooled), "seeds": each, "over_seeds": told(over)}


def pooled_of(seeds: Sequence[Games], name: str) -> list[Transcript]:
    """The games of a name of all seeds."""
    return [game for games in seeds for game in games[name]]


WON = "Share of games that the learnt debater wins against its start"


def learnt(met: Games, learnt: str, start: str) -> Row:
    """What self-play made of a debater, from its games with its start in either seat, and of each with itself."""
    first, second = met[f"{learnt} {start}"], met[f"{start} {learnt}"]
    won = measure.seat_wins(first, 0) + measure.seat_wins(second, 1)
    itself = {"the start": met[f"{start} {start}"], "the learnt debater": met[f"{learnt} {learnt}"]}
    owners = measure.names(first) + measure.names(second)
    numbers = {WON: clusters.proportion(won, owners)}
    for words, games in itself.items():
        numbers[f"Share of verdicts that are right where {words} debates itself"] = measure.accuracy(games)
        numbers[f"Share of turns in which {words} quotes and invents nothing"] = measure.sound(games)
    return {name: told(e) for name, e in numbers.items()}


def told(e: Estimate | None) -> Row | None:
    return None if e is None or not np.isfinite([e.low, e.high]).all() else told_surely(e)


def told_surely(e: Estimate) -> Row:
    return {"value": float(e.value), "low": float(e.low), "high": float(e.high), "n": int(e.n)}


def shown(name: str, protocol: Protocol, games: Sequence[Transcript]) -> list[Row]:
    """Games to be read, picked by a rule: the first that the judge got right, and the first that it got wrong."""
    picked = []
    for wanted in (True, False):
        some = (game for game in games if game.p_right is not None and (game.p_right > 0.5) == wanted)
        first = next(some, None)
        picked += [first] if first else []
    if not picked:
        picked = list(games[:1])
    return [transcript_row(name, protocol, game) for game in picked[:SHOWN_EACH]]


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
    turn = game.turns[place]
    said = [{"text": text, "verified": verified} for text, verified in pieces(turn.text, turn.quotes)]
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
    return said or ["No question has a known answer, so the judge's verdicts stand unmeasured."]


def _compared(gains: Sequence[Row]) -> str:
    """How the games of each pair lie: over seeds, where there are several."""
    parts = []
    for row in gains:
        over = row["over_seeds"] or row
        verdict = "is above" if over["low"] > 0 else "is below" if over["high"] < 0 else "is not told apart from"
        seeds = f" over {over['n']} seeds" if row["over_seeds"] else ""
        parts.append(f"{row['better']} {verdict} {row['worse']}, by {_interval(over)}{seeds}")
    return f"Judge accuracy: {'; '.join(parts)}."


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _estimate(row: Mapping[str, Any]) -> str:
    return str(Estimate(row["value"], row["low"], row["high"], row["n"]))
