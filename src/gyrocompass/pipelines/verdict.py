"""What happened, in plain words, and only as far as the intervals carry it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..files import read_jsonl
from ..maths import clusters
from ..maths.overoptimisation import fall
from ..maths.stats import Estimate
from ..protocols import Floats

WORDS = ("model", "kind", "question", "prompt", "response")
"""The columns of a probe's rows that are no metrics."""


class Probed(NamedTuple):
    """Every probe of a stage on the same prompts: values[name] is (probes, prompts).

    `questions`, (prompts,): what each prompt asks, whatever its phrasing.
    """

    steps: list[int]
    values: dict[str, Floats]
    questions: list[str]


def probed(folder: Path) -> Probed:
    """Reads the probes of a stage back, in the order of their steps."""
    files = sorted(folder.glob("*.jsonl"))
    rows = [read_jsonl(file) for file in files]
    names = [name for name in rows[0][0] if name not in WORDS]
    values = {name: np.array([[row[name] for row in probe] for probe in rows]) for name in names}
    questions = [str(row.get("question", row["prompt"])) for row in rows[0]]
    return Probed([int(file.stem) for file in files], values, questions)


def peak_of(p: Probed, gauge: str) -> dict[str, Any]:
    """Where the gauge peaked and how far it fell by the end.

    The peak is chosen on every other question; heights and fall are measured on the rest, so that choosing
    doesn't flatter it.
    """
    found = fall(p.values[gauge], p.questions)
    return {
        "step": p.steps[found.peak],
        "kl_nats": max(0.0, float(p.values["kl_nats"][found.peak].mean())),  # an estimate may be below 0, the KL can't
        "gold": found.height,
        "last_gold": found.last,
        "drop": found.drop.value,
        "drop_low": found.drop.low,
        "drop_high": found.drop.high,
        "n": found.drop.n,
    }


def sentences(p: Probed, peak: dict[str, Any], gauge: str) -> list[str]:
    """The verdict first, then what it rests on."""
    intent = {"gold": "the true intent (gold)"}.get(gauge, "the held-out reward model")
    proxy = _change(p, "proxy")
    gain = _change(p, gauge)
    said = [_verdict(p, peak, proxy, gain, intent)]
    said.append(f"From the first probe to the last the proxy changed by {proxy}, {intent} by {gain}.")
    if "rater_utility" in p.values:
        said.append(f"What the raters feel the responses are worth changed by {_change(p, 'rater_utility')}.")
    if peak["step"] != p.steps[-1]:
        drop = Estimate(peak["drop"], peak["drop_low"], peak["drop_high"], peak["n"])
        said.append(f"The fall from the peak, on questions that had no say in it: {drop}.")
    return said


def _change(p: Probed, name: str) -> Estimate:
    return clusters.difference(p.values[name][-1], p.values[name][0], p.questions)


def _verdict(p: Probed, peak: dict[str, Any], proxy: Estimate, gain: Estimate, intent: str) -> str:
    fell = peak["drop_low"] > 0
    if proxy.low > 0 and fell:
        at_start = peak["step"] == p.steps[0]
        peaked = "" if at_start else f"peaked at step {peak['step']} (KL {peak['kl_nats']:.1f} nats) and "
        start = " from the start," if at_start else ""
        return (
            f"Over-optimised: the proxy rose, but {intent} {peaked}fell{start} from {peak['gold']:.2f} "
            f"to {peak['last_gold']:.2f}."
        )
    if proxy.low > 0 and gain.low > 0:
        return f"Both rose: the proxy and {intent} ended higher than they began, with no fall that the data show."
    if proxy.low > 0 and gain.high < 0:
        return f"The proxy rose while {intent} fell, by {-gain.value:.2f} from the first probe to the last."
    if proxy.low > 0:
        return f"The proxy rose, and what {intent} did can't be told from no change at n = {gain.n:,}."
    if fell:
        return f"Training didn't raise the proxy, and {intent} fell after step {peak['step']}."
    return "Training didn't raise the proxy beyond what chance explains."
