"""How things are written: numbers, intervals, durations, and the names of models and metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

MINUS = "\u2212"
_NUMERIC = re.compile(rf"\[[{MINUS}\d., ]+\]|n = [\d,]+|KL [\d.,]+ nats|\bp (?:=|&lt;) \d+(?:\.\d+)?")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MODELS = {
    "base": "base",
    "sft": "SFT",
    "ppo": "PPO",
    "dpo": "DPO",
    "sl-cai": "SL-CAI",
    "rl-cai": "RL-CAI",
    "reward": "reward model",
    "cai-reward": "reward model on labels by principles",
    "rl-cai-soft": "RL-CAI, soft labels",
    "rl-cai-hard": "RL-CAI, hard labels",
    "rl-cai-clamped": "RL-CAI, clamped labels",
    "rl-rules": "RL, labels by rules",
    "rl-people": "RL, labels by people",
}
METRICS = {
    "gold": "gold reward",
    "heldout_proxy": "held-out reward model",
    "validation_proxy": "validation reward model",
    "proxy": "proxy reward",
    "rater_utility": "raters’ utility",
    "accuracy": "accuracy",
    "win_rate": "win rate",
    "well_formed": "well-formed answers",
    "harmful_compliance": "compliance with harmful requests",
    "over_refusal": "refusal of harmless look-alikes",
    "appropriate": "appropriate answers",
    "rude": "rude answers",
    "truthful": "truthful answers",
    "dont_know": "answers “don’t know”",
    "confidently_wrong": "confidently wrong answers",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "auroc": "AUROC of confidence",
    "sycophancy_flip": "sycophantic flips",
    "beneficial_flip": "beneficial flips",
    "attack_success": "attack success",
    "robustness_gap": "clean-minus-attacked gap",
    "monitoring_gap": "monitoring gap",
    "control_gap": "gap of the untagged control",
    "stated_acted_agreement": "agreement of stated and acted values",
    "kappa": "kappa of stated and acted values",
    "mc1": "TruthfulQA MC1",
    "mc2": "TruthfulQA MC2",
    "strongreject": "StrongREJECT score",
    "prompt_strict": "prompts followed, strict",
    "prompt_loose": "prompts followed, loose",
    "instruction_strict": "instructions followed, strict",
    "instruction_loose": "instructions followed, loose",
    "answer_error": "answer error",
    "trace_error": "trace error among right answers",
    "error_f1": "F1 of the earliest error",
    "pgr": "performance gap recovered",
    "agreement": "agreement with the supervisor",
    "error_agreement": "supervisor’s errors repeated",
    "judge_accuracy": "agreement with gold",
    "judge_position_bias": "position bias",
    "judge_brier": "Brier score",
    "judge_ece": "calibration error (ECE)",
    "judge_flips_injected": "turned by an order",
    "judge_flips_neutral": "turned by a text that says nothing",
    "judge_flips_beyond": "turned by the order beyond that",
}
PROPERTIES = {
    "instruction": "instruction-following",
    "harmlessness": "harmlessness",
    "honesty": "honesty",
    "robustness": "robustness",
    "values": "value alignment",
}
UNITS = ("nats", "tokens", "seconds", "mib")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that never travels without its interval and its n."""

    value: float
    low: float
    high: float
    n: int

    def text(self, places: int) -> str:
        """`0.56 [0.52, 0.60]`."""
        return f"{number(self.value, places)} {self.interval(places)}"

    def interval(self, places: int) -> str:
        return f"[{number(self.low, places)}, {number(self.high, places)}]"


def model(key: str) -> str:
    """The name of a model, or of the stage that made it, in running text: `PPO 2`."""
    if key.startswith("changed-"):
        return f"{model(key.removeprefix('changed-'))}, changed raters"
    family, _, number = key.rpartition("-")
    return f"{MODELS[family]} {number}" if family in MODELS and number.isdigit() else MODELS.get(key, key)


def metric(key: str) -> str:
    """A metric's name in running text; an unknown one is read from its key: `kl_nats` is `KL (nats)`."""
    if key in METRICS:
        return METRICS[key]
    words = key.split("_")
    if len(words) > 1 and words[-1] in UNITS:
        words[-1] = f"({words[-1]})"
    return " ".join("KL" if word == "kl" else word for word in words)


def aspect(key: str) -> str:
    """The name of a property of alignment in running text."""
    return PROPERTIES.get(key, key)


def sentence(text: str) -> str:
    """With its first letter raised."""
    return text[:1].upper() + text[1:]


def number(value: float, places: int = 2) -> str:
    """With this many decimals, a true minus sign, thousands set apart, and no negative zero."""
    if not math.isfinite(value):
        return "not finite"
    if abs(value) >= 1e7:
        return significant(value)
    text = f"{abs(value):,.{places}f}"
    return text if value >= 0 or not text.strip("0.,") else MINUS + text


def significant(value: float, digits: int = 3) -> str:
    """With this many significant digits: 0.0123, 1,230, 1.23×10⁻⁵."""
    if value == 0 or not math.isfinite(value):
        return number(value, 0)
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        return number(value, max(0, digits - 1 - exponent))
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    return f"{number(float(mantissa), digits - 1)}×10{str(int(power)).translate(_SUPERSCRIPT)}"


def count(value: int) -> str:
    return f"{value:,}"


def places(values: Iterable[float]) -> int:
    """Decimals that suit numbers of this spread: 2 for a spread of about 1."""
    finite = [value for value in values if math.isfinite(value)]
    spread = max(finite) - min(finite) if finite else 0.0
    return min(6, max(0, math.floor(2.7 - math.log10(spread)))) if spread > 0 else 2


def places_of(estimates: Iterable[Estimate]) -> int:
    """Decimals that suit these estimates and their intervals together."""
    return places([bound for e in estimates for bound in (e.low, e.high)])


def interval_width(estimates: Iterable[Estimate], places: int) -> float:
    """The widest interval's width when set, in digits' widths."""
    widths = [sum(1.0 if char.isdigit() or char == MINUS else 0.5 for char in e.interval(places)) for e in estimates]
    return max(widths, default=0.0)


def sample_sizes(sizes: Iterable[int]) -> str:
    """`n = 512`, or `n = 480 to 512` where it varies."""
    found = sorted(sizes)
    return size(found[0]) if found[0] == found[-1] else f"{size(found[0])} to {count(found[-1])}"


def size(n: int | str) -> str:
    """`n = 512`."""
    return f"n = {n if isinstance(n, str) else count(n)}"


def nats(kl: float) -> str:
    """`KL 3.14 nats`."""
    return f"KL {significant(kl)} nats"


def unbroken(text: str) -> Markup:
    """Running text, escaped, in which no line break parts an interval, an n, a p or a KL."""
    return Markup(_NUMERIC.sub(r'<span class="unbroken">\g<0></span>', str(escape(text))))


def duration(seconds: float) -> str:
    """`8.2 s`, `4 min 12 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def moment(iso: str) -> str:
    """`23 November 2026, 06:13 UTC`; text that is no ISO moment is returned as it stands."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def probability(p: float) -> str:
    """A p-value: `0.012`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else number(p, 3)


def and_list(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *rest, last = list(words)
    return f"{', '.join(rest)} and {last}" if rest else last
