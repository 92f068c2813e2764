"""Texts as numbers: weighted counts of words and word pairs, and the topics that these fall into."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import linalg, sparse
from scipy.cluster.vq import kmeans2

from .stats import Floats

WORD = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]|\w+|[^\w\s]|\n")
"""A word, a mark, a line's end; in scripts that write no spaces between words, a single character."""
STARTS = 4
"""Of k-means; the best of them counts."""


def words(text: str) -> list[str]:
    """The words and marks of a text, in order."""
    return WORD.findall(text)


def tfidf(texts: Sequence[str], most: int = 4096) -> tuple[sparse.csr_array, list[str]]:
    """Each text's words and word pairs, weighted, in rows of length 1 (N, D); and the D terms.

    (1 + log count) (1 + log((1 + N) / (1 + texts that have it))), of the `most` terms that are in most texts and in at
    least two. A text without any of them has a row of zeros. Source: Salton & Buckley 1988, with smoothing.
    """
    counts = [_terms(text) for text in texts]
    having = Counter(term for count in counts for term in count)
    terms = sorted((term for term, n in having.items() if n > 1), key=lambda term: (-having[term], term))[:most]
    place = {term: i for i, term in enumerate(terms)}
    found = [(row, place[term], n) for row, count in enumerate(counts) for term, n in count.items() if term in place]
    rows, columns, n = np.array(found, dtype=np.int64).reshape(-1, 3).T
    rarity = 1 + np.log((1 + len(texts)) / (1 + np.array([having[term] for term in terms], dtype=np.float64)))
    weights = (1 + np.log(n)) * rarity[columns]
    lengths = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
    return sparse.csr_array((weights / lengths[rows], (rows, columns)), shape=(len(texts), len(terms))), terms


def embed(texts: Sequence[str], rank: int = 16) -> Float[np.ndarray, "N r"]:
    """Latent semantic embeddings: TF-IDF rows on their leading right singular vectors, with length 1 or 0.

    r is `rank`, or the number of terms where that is less. Source: Deerwester et al. 1990.
    """
    x, terms = tfidf(texts, most=512)
    rank = min(rank, len(terms))
    if rank == 0:
        return np.zeros((len(texts), 1))
    _, vectors = linalg.eigh((x.T @ x).toarray(), subset_by_index=[len(terms) - rank, len(terms) - 1])
    return unit(x @ vectors)


def unit(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """The rows at length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 1e-12, lengths, np.inf)


def topics(texts: Sequence[str], rows: Float[np.ndarray, "N D"], k: int, seed: int) -> list[str]:
    """Each text's cluster, (N,), named by the two terms, of words alone, that set it apart most: k-means on the rows.

    Source: Lloyd 1982; started as in Arthur & Vassilvitskii 2007, k-means++.
    """
    codes = _clusters(rows, min(k, len(np.unique(rows, axis=0))), seed)
    x, terms = tfidf(texts, most=512)
    overall = np.asarray(x.mean(axis=0)).ravel()
    names: dict[int, str] = {}
    for code in range(codes.max() + 1):
        ahead = np.asarray(x[np.flatnonzero(codes == code)].mean(axis=0)).ravel() - overall
        leading = [terms[i] for i in np.argsort(-ahead, kind="stable") if ahead[i] > 0 and _says_a_word(terms[i])][:2]
        names[code] = f"{code + 1}: {', '.join(leading)}" if leading else f"{code + 1}"
    return [names[code] for code in codes.tolist()]


def _says_a_word(term: str) -> bool:
    return term.replace(" ", "").isalnum()


def _terms(text: str) -> Counter[str]:
    single = words(text)
    return Counter(single) + Counter(f"{a} {b}" for a, b in pairwise(single))


def _clusters(rows: Floats, k: int, seed: int) -> Any:
    """Each row's cluster from 0 without gaps, (N,), the largest first: of several starts the tightest."""
    rng = np.random.default_rng(seed)
    best, least = np.zeros(len(rows), dtype=np.int64), np.inf
    for _ in range(STARTS if k > 1 else 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a cluster that ran empty, which is none
            centres, codes = kmeans2(rows, k, iter=20, minit="++", rng=rng)
        spread = float(((rows - centres[codes]) ** 2).sum())
        if spread < least:
            best, least = codes, spread
    _, codes, sizes = np.unique(best, return_inverse=True, return_counts=True)
    return np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")[codes]
