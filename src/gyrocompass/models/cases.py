"""Cases that a model decides: is one response acceptable, or is the first of two the better one?

The logit of a yes is a scorer's number for the response, or the first's minus the second's. Of a pair a causal LM gives
one too: by how many nats a token the first response is likelier than the second. (Over whole responses it would be far
too sure, and the surer the longer they are.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..protocols import Floats
from ..records import Example, Preference
from . import chat
from .batching import Padded, micro_batches, packed_batches, tokens_read
from .chat import Row
from .network import Network
from .pairs import response_logprobs
from .scorer import checked, end_scores

Case = Example | Preference
CaseRows = tuple[Row, ...]
"""The tokenised response, or both of a pair."""


@dataclass(frozen=True)
class CaseBatch:
    """B cases on the network's device. Of a pair's 2B rows the first B are the first responses."""

    rows: Padded
    indices: list[int]
    """Which of all cases these are."""
    paired: bool


def is_scorer(network: Network) -> bool:
    """Whether the network has one output per position, and is no causal LM."""
    return hasattr(network.core, "score")


def answer(case: Case) -> bool | None:
    """What the case's own label says; None where it says nothing, or that both are as good."""
    if isinstance(case, Example):
        return case.label
    return None if case.p_first == 0.5 else case.p_first > 0.5


def encode_cases(network: Network, cases: Sequence[Case]) -> tuple[list[CaseRows], list[str]]:
    """Each case tokenised, and notes: responses too long lose their end.

    Raises InputError if a prompt alone fills the network's context.
    """
    texts = [_responses(case) for case in cases]
    rows, cut = chat.encode_cut(network.tokenizer, [one for both in texts for one in both], network.max_tokens)
    left = iter(rows)
    found = [tuple(next(left) for _ in both) for both in texts]
    notes = [f"{cut:,} of {len(rows):,} responses were longer than the model reads, and lost their end"] if cut else []
    return found, notes


def case_batches(network: Network, cases: Sequence[CaseRows], indices: Sequence[int]) -> list[CaseBatch]:
    """The chosen cases by length, in micro-batches of the network's token budget."""
    chosen = [cases[i] for i in indices]
    if all(map(network.packs_rows, chosen)):
        cuts = packed_batches([tokens_read(case) for case in chosen], network.budget_tokens)
    else:
        cuts = micro_batches([len(case) * max(map(len, case)) for case in chosen], network.budget_tokens)
    return [_batch(network, [chosen[i] for i in cut], [indices[i] for i in cut]) for cut in cuts]


def case_logits(network: Network, batch: CaseBatch) -> Float[Tensor, "B"]:
    """The logit of each case's yes. Raises ValueError where a causal LM is to judge single responses."""
    if not batch.paired and not is_scorer(network):
        raise ValueError("a causal LM tells which of two responses is likelier, and not whether one is acceptable")
    scores = end_scores(network, batch.rows) if is_scorer(network) else _per_token(network, batch.rows)
    if not batch.paired:
        return scores
    first, second = scores.chunk(2)
    return first - second


@torch.no_grad()
def logits_of(network: Network, cases: Sequence[CaseRows]) -> Floats:
    """The logit of each case's yes, (len(cases),). Raises Diverged if one is NaN."""
    found = np.empty(len(cases))
    for batch in case_batches(network, cases, range(len(cases))):
        found[batch.indices] = case_logits(network, batch).cpu().double().numpy()
    return checked(found, len(cases), "the classifier")


def _per_token(network: Network, rows: Padded) -> Float[Tensor, "B"]:
    """Mean log-probability of each response's tokens, nats."""
    return response_logprobs(network, rows) / rows.mask.sum(1)


def _responses(case: Case) -> tuple[Example, ...]:
    if isinstance(case, Example):
        return (case,)
    return Example(case.prompt, case.first), Example(case.prompt, case.second)


def _batch(network: Network, cases: Sequence[CaseRows], indices: list[int]) -> CaseBatch:
    by_place = zip(*cases, strict=True)
    rows = network.batch([row for place in by_place for row in place])
    return CaseBatch(rows, indices, paired=len(cases[0]) == 2)
