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


def slices(examples: Sequence[Example], by: str, *, embeddings: Floats | None = None, seed: int = 0) -> list[str]:
    """Each example's slice, (N,): by a column of `meta`, or by what the prompt is like.

    `length`: quartiles of its words; `script`: the script of most of its letters; `language`: what the package
    langdetect takes it for; `cluster`: k-means on `embeddings`, (N, D), or without them on its words (TF-IDF and SVD).
    A column of one of these names goes first; numbers with many values are cut into quartiles.
    Raises InputError if no example has such a column, or langdetect isn't there.
    """
    texts = [text_of(e.prompt) for e in examples]
    column = [e.meta.get(by) for e in examples]
    if any(value is not None for value in column):
        return _column(column)
    if by == "length":
        return _ranges([float(len(ngrams.words(text))) for text in texts], " words")
    if by == "cluster":
        rows = ngrams.embed(texts) if embeddings is None else ngrams.unit(embeddings)
        return ngrams.topics(texts, rows, TOPICS, seed)
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


def _column(column: Sequence[Any]) -> list[str]:
    """The values as text; of many numbers their ranges."""
    known = [value for value in column if value is not None]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
    if numbers and len(known) == len(column) and len(set(known)) > 2 * RANGES:
        return _ranges([float(value) for value in known], "")
    return ["none" if value is None else str(value) for value in column]


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
    try:
        from langdetect import DetectorFactory, LangDetectException, detect  # type: ignore[import-untyped]
    except ImportError:
        raise InputError(
            "slice by language: needs the package langdetect, which gyrocompass[ifeval] brings; or slice by script"
        ) from None
    DetectorFactory.seed = 0
    found = []
    for text in texts:
        try:
            found.append(str(detect(text)))
        except LangDetectException:  # there is no letter to go by
            found.append("none")
    return found


_BY_TEXT: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "script": lambda texts: list(map(_script, texts)),
    "language": _languages,
}
