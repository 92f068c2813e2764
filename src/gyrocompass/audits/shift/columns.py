"""What scores are sliced by: a column of the prompts, or what they are like."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...maths import ngrams
from ...protocols import Floats
from ...records import Example, Preference, Prompt

RANGES = 4
"""Of a number with many values, as many slices of about one size."""
TOPICS = 6
EMBEDDING = "embedding"
"""The column of a prompt's embedding, a list of numbers, where there is one."""
RARE = 0.01
"""Share of the prompts below which a language is mostly another one, mistaken."""


def slices(examples: Sequence[Example], by: str, *, seed: int = 0) -> list[str]:
    """Each example's slice, (N,): by a column of `meta`, or by what the prompt is like.

    `length`: quartiles of its words; `script`: the script of most of its letters; `language`: what py3langid takes it
    for; `cluster`: k-means on the column `embedding`, or without it on its words (TF-IDF and SVD).
    A column of one of these names goes first; numbers with many values are cut into quartiles.
    Raises InputError if no example has such a column, or embeddings aren't lists of equally many numbers.
    """
    texts = [text_of(e.prompt) for e in examples]
    column = [e.meta.get(by) for e in examples]
    if any(value is not None for value in column):
        return _column(column)
    if by == "length":
        return _ranges([float(len(ngrams.words(text))) for text in texts], " words")
    if by == "cluster":
        return ngrams.topics(texts, _embeddings(examples, texts), TOPICS, seed)
    if by in _BY_TEXT:
        return _BY_TEXT[by](texts)
    known = sorted({name for e in examples for name in e.meta} | {"length", "cluster", *_BY_TEXT})
    raise InputError(f"slice by {by}: no prompt has such a column; there are {', '.join(known)}")


def question_of(example: Example | Preference) -> str:
    """What a prompt asks, whatever its phrasing: its `question` where `meta` has one, else its text."""
    return str(example.meta.get("question", text_of(example.prompt)))


def text_of(prompt: Prompt) -> str:
    """What the turns of a prompt say."""
    return "\n".join(message.content for message in prompt)


def _embeddings(examples: Sequence[Example], texts: Sequence[str]) -> Floats:
    """Those that the examples have, at length 1, or else those of their words, (N, D)."""
    given = [e.meta.get(EMBEDDING) for e in examples]
    if all(row is None for row in given):
        return ngrams.embed(texts)
    try:
        rows = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        rows = np.empty(0)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError(f"slice by cluster: {EMBEDDING!r} isn't a list of equally many numbers in each row")
    return ngrams.unit(rows)


def _column(column: Sequence[Any]) -> list[str]:
    """The values as text; of many numbers their ranges."""
    known = [value for value in column if value is not None]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    if not numbers or len(set(known)) <= 2 * RANGES:
        return ["none" if value is None else str(value) for value in column]
    ranges = iter(_ranges([float(value) for value in known], ""))
    return ["none" if value is None else next(ranges) for value in column]


def _ranges(numbers: Sequence[float], unit: str) -> list[str]:
    values = np.array(numbers, dtype=np.float64)
    ends = np.quantile(values, np.arange(1, RANGES) / RANGES, method="inverted_cdf")
    codes = np.searchsorted(np.unique(ends), values)
    names = {code: _range(values[codes == code], unit) for code in np.unique(codes).tolist()}
    return [names[code] for code in codes.tolist()]


def _range(values: Floats, unit: str) -> str:
    low, high = values.min(), values.max()
    return f"{low:g}{unit}" if low == high else f"{low:g} to {high:g}{unit}"


def _script(text: str) -> str:
    """The first word of its letters' Unicode names, of most of them: `latin`, `cyrillic`, `cjk`."""
    named = Counter(unicodedata.name(letter, "none").split()[0].lower() for letter in text if letter.isalpha())
    return named.most_common(1)[0][0] if named else "none"


def _languages(texts: Sequence[str]) -> list[str]:
    """ISO 639 codes; `none` without a letter to go by, `other` of a language that hardly any is in."""
    from py3langid import langid

    found = [langid.classify(text)[0] if any(map(str.isalpha, text)) else "none" for text in texts]
    times = Counter(found)
    return [name if times[name] >= RARE * len(texts) else "other" for name in found]


_BY_TEXT: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "script": lambda texts: list(map(_script, texts)),
    "language": _languages,
}
