"""Do two sets of texts differ, what policies say, or what they are asked? A classifier is to tell them apart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...maths import ngrams, twosample
from ...maths.stats import Estimate
from ...protocols import Floats
from ...records import Example
from ...worlds import town
from ...worlds.town.responses import StyleRates
from ..audit import Audit, Evidence, Unmeasurable
from .columns import text_of
from .dialects import Speaker, always, answered

LENGTH = "(length)"
"""What the length of a text is called among its terms."""
SHOWN = 6
"""Terms that are named of those that told the texts apart."""


@dataclass(frozen=True)
class Texts:
    """A set of texts, (N,), and what each belongs to: those of one group, in either set, are never learnt and asked."""

    name: str
    texts: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True)
class TwoSets:
    """Two sets of texts: the responses of two policies to the same prompts, or the prompts of two places.

    `harmless` says why a difference is no failure, if it is known to be none.
    """

    first: Texts
    second: Texts
    of: str = "responses"
    harmless: str = ""


def responses(name: str, examples: Sequence[Example]) -> Texts:
    """The responses of a policy, grouped by prompt."""
    return Texts(name, [e.response or "" for e in examples], [text_of(e.prompt) for e in examples])


def prompts(name: str, examples: Sequence[Example]) -> Texts:
    """Prompts, grouped by the question where `meta` has one, else by their text."""
    texts = [text_of(e.prompt) for e in examples]
    return Texts(name, texts, [str(e.meta.get("question", text)) for e, text in zip(examples, texts, strict=True)])


def apart(case: TwoSets) -> Evidence:
    """The least share of texts by which the two sets differ: 2 accuracy - 1 of a classifier on groups held out.

    No classifier does better than (1 + total variation) / 2, and total variation is the least share of one set's texts
    that would have to be others for the sets to be alike. Features: TF-IDF of words and word pairs, and length.
    Raises Unmeasurable where there are too few groups.
    """
    first, second = case.first, case.second
    texts = [*first.texts, *second.texts]
    if not first.texts or not second.texts:
        raise Unmeasurable(f"{(second if first.texts else first).name} has no {case.of}")
    x, terms = ngrams.tfidf(texts)
    length = np.log1p([len(ngrams.words(text)) for text in texts])
    spread = float(length.std()) or 1.0
    x = sparse.hstack([x, sparse.csr_array(((length - length.mean()) / spread)[:, None])], format="csr")
    is_second = np.arange(len(texts)) >= len(first.texts)
    try:
        told = twosample.tell_apart(x, is_second, [*first.groups, *second.groups])
    except ValueError as why:
        raise Unmeasurable(str(why)) from None
    value, low, high, n = told.accuracy
    share = Estimate(2 * value - 1, 2 * low - 1, 2 * high - 1, n)
    marks = [_leading(x, side * told.weights, [*terms, LENGTH]) for side in (-1, 1)]
    return Evidence(
        share,
        _said(case, told.accuracy, share, marks),
        {
            "of": case.of, "first": first.name, "second": second.name, "accuracy": told.accuracy._asdict(),
            "first_terms": marks[0], "second_terms": marks[1],
        },
        case.harmless,
        ruled_out=bool(case.harmless),
    )  # fmt: skip


def _leading(x: sparse.csr_array, weights: Floats, terms: Sequence[str]) -> list[str]:
    """The terms that speak most for one side, by weight times standard deviation."""
    square = np.asarray(x.multiply(x).mean(axis=0)).ravel()
    spread = np.sqrt(np.maximum(square - np.asarray(x.mean(axis=0)).ravel() ** 2, 0))
    says = weights * spread
    return [terms[i] for i in np.argsort(-says, kind="stable")[:SHOWN] if says[i] > 0]


def _said(case: TwoSets, accuracy: Estimate, share: Estimate, marks: Sequence[Sequence[str]]) -> str:
    told = (
        f"A classifier tells the {case.of} of {case.first.name} and {case.second.name} apart with accuracy {accuracy}"
    )
    if share.low <= 0:
        return f"{told}; chance is 0.50."
    named = (
        f"{side.name} by {', '.join(map(_shown, m[:3]))}"
        for side, m in zip((case.first, case.second), marks, strict=True)
        if m
    )
    return f"{told}; so at least {share.low:.0%} of them are others. It knows {' and '.join(named)}."


def _shown(term: str) -> str:
    return term if term == LENGTH else repr(term)


MANNERS = ("confidence", "hedge", "filler")


def _rates(rng: random.Random) -> dict[str, float]:
    return {manner: rng.uniform(0.05, 0.25) for manner in MANNERS}


def _said_by(chance: float, style: StyleRates, asked: Sequence[Example], seed: int, name: str) -> Texts:
    return responses(name, answered(Speaker(always(chance), style), asked, seed))


def _new_manner(seed: int, strength: float = 1.0) -> TwoSets:
    """Two policies as good as each other, one of which has taken to confidence, hedges or filler."""
    rng = random.Random(f"outputs differ planted {seed}")
    asked = town.prompts(rng.randint(500, 800), seed, split="heldout")
    rates, chance = _rates(rng), rng.uniform(0.5, 0.95)
    manner = rng.choice(MANNERS)
    changed = {**rates, manner: rates[manner] + strength * rng.uniform(0.35, 0.6)}
    return TwoSets(_said_by(chance, StyleRates(**rates), asked, 2 * seed, "before"),
                   _said_by(chance, StyleRates(**changed), asked, 2 * seed + 1, "after"))  # fmt: skip


def _same_manner(seed: int) -> TwoSets:
    """One policy twice; in a third of the cases asked twice as much the second time, in a third with every prompt
    asked four times over, in a third with a manner that shifted by less than the threshold."""
    rng = random.Random(f"outputs differ clean {seed}")
    n = rng.randint(400, 800)
    asked = town.prompts(n, seed, split="heldout")
    rates, chance = _rates(rng), rng.uniform(0.5, 0.95)
    again, moved = asked, dict(rates)
    if seed % 3 == 0:
        again = asked * 2
    elif seed % 3 == 1:
        asked = again = asked[: n // 4] * 4
    else:
        moved["filler"] += rng.uniform(0.0, 0.04)
    return TwoSets(_said_by(chance, StyleRates(**rates), asked, 2 * seed, "before"),
                   _said_by(chance, StyleRates(**moved), again, 2 * seed + 1, "after"))  # fmt: skip


def _others_ask(seed: int, strength: float = 1.0) -> TwoSets:
    """Prompts of training, and a deployment where a part of the users speaks the second dialect, or half of them ask
    for three kinds of thing alone; of weaker cases a smaller part."""
    rng = random.Random(f"prompts differ planted {seed}")
    n = rng.randint(500, 800)
    known = town.prompts(n, 2 * seed)
    if seed % 2:
        return _asked(known, town.prompts(n, 2 * seed + 1, dialect=strength * rng.uniform(0.3, 1.0)))
    few, changed = rng.sample(town.KINDS, 3), round(strength * (n // 2))
    same = town.prompts(n // 2 * 2 - changed, 2 * seed + 1)
    return _asked(known, same + town.prompts(changed, 2 * seed + 1, kinds=few))


def _same_ask(seed: int) -> TwoSets:
    """Other prompts of the same sort, as many or a third as many; of a few of them the dialect is the second one."""
    rng = random.Random(f"prompts differ clean {seed}")
    n = rng.randint(500, 800)
    known = town.prompts(n, 2 * seed)
    if seed % 3 == 0:
        return _asked(known, town.prompts(n // 3, 2 * seed + 1))
    return _asked(known, town.prompts(n, 2 * seed + 1, dialect=rng.uniform(0.0, 0.03)))


def _asked(known: Sequence[Example], deployed: Sequence[Example]) -> TwoSets:
    return TwoSets(prompts("training", known), prompts("deployment", deployed), "prompts")


_REASON = (
    "Two sets of texts are never quite alike, and a large sample shows any difference: up to one text in twenty is let "
    "pass, one in five is looked for. The share is a lower bound, of what this classifier can see."
)

OUTPUTS: Audit[TwoSets] = Audit(
    name="outputs differ",
    failure="shift",
    question="Does a policy say other things than another one, or than it did, to the same prompts?",
    unit="of the texts",
    measure=apart,
    threshold=0.05,
    matters=0.2,
    reason=_REASON,
    planted=_new_manner,
    clean=_same_manner,
)
PROMPTS: Audit[TwoSets] = Audit(
    name="prompts differ",
    failure="shift",
    question="Are these prompts unlike those?",
    unit="of the texts",
    measure=apart,
    threshold=0.05,
    matters=0.2,
    reason=_REASON,
    planted=_others_ask,
    clean=_same_ask,
)
