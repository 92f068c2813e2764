"""Responses step by step: where each step ends in tokens, and models that score every step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import InputError
from ..maths.steps import Aggregate, aggregate
from ..protocols import Floats
from ..records import Example, Steps
from . import chat
from .batching import Padded
from .chat import Row
from .network import Network
from .policy import padded_batches, sampled_logprobs

Cut = Callable[[str], tuple[str, ...]]
"""From a response to its steps, which stand in it in this order."""


class Graded(NamedTuple):
    """A response's steps and a number for each."""

    steps: tuple[str, ...]
    scores: tuple[float, ...]


@runtime_checkable
class StepScorer(Protocol):
    """A number per step of each response, higher is better."""

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]: ...


@runtime_checkable
class StepPay(StepScorer, Protocol):
    """What PPO pays each step at its last token. `myopic`: no credit passes from a step to the one before it."""

    @property
    def myopic(self) -> bool: ...


def whole(response: str) -> tuple[str, ...]:
    """The cut of an outcome reward model: the response is one step, a blank one none."""
    return (response.strip(),) if response.strip() else ()


def char_ends(text: str, steps: Sequence[str]) -> list[int]:
    """After how many characters of the text each step is whole. Raises InputError if they don't stand in it in turn."""
    at, found = 0, []
    for number, step in enumerate(steps, 1):
        place = text.find(step.strip(), at)
        if place < 0 or not step.strip():
            raise InputError(f"step {number} of {len(steps)}, {step!r:.40}, isn't in the response after the others")
        at = place + len(step.strip())
        found.append(at)
    return found


def token_ends(tokenizer: Any, ids: Sequence[int], steps: Sequence[str]) -> list[int]:
    """After how many tokens of a response each step is whole. Raises InputError as `char_ends`."""

    def complete(n: int) -> int:
        return len(chat.said(tokenizer, ids[:n]).rstrip(chat.HALF))

    ends = char_ends(chat.said(tokenizer, ids), steps)
    return [1 + bisect_left(range(1, len(ids)), end, key=complete) for end in ends]


def placed(
    tokenizer: Any, rows: Sequence[Row], graded: Sequence[Graded], mask: Bool[Tensor, "B t"]
) -> tuple[Float[Tensor, "B t"], Bool[Tensor, "B t"]]:
    """Step scores at the tokens that end the steps, 0 elsewhere, and where these are; laid out as `Padded.mask`.

    Raises InputError if a response has another number of scores than of steps.
    """
    scores = torch.zeros(mask.shape)
    ends = torch.zeros(mask.shape, dtype=torch.bool)
    for b, (row, one) in enumerate(zip(rows, graded, strict=True)):
        if len(one.steps) != len(one.scores):
            raise InputError(f"the scorer gave {len(one.scores)} scores for {len(one.steps)} steps; return one each")
        for n, score in zip(token_ends(tokenizer, row.ids[row.n_prompt :], one.steps), one.scores, strict=True):
            scores[b, row.n_prompt + n - 2] += score
            ends[b, row.n_prompt + n - 2] = True
    return scores.to(mask.device), ends.to(mask.device)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A tokenised chain: the place in `row.ids` of the last token of each step that counts, and its label."""

    row: Row
    ends: tuple[int, ...]
    labels: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.row)


class EncodedSteps(NamedTuple):
    """Rows in the order of their chains; `kept[i]` is the chain's index, `notes` what a user should know."""

    rows: list[StepRow]
    kept: list[int]
    notes: list[str]


def encode_steps(network: Network, chains: Sequence[Steps], joint: str, until_error: bool = True) -> EncodedSteps:
    """Chains to learn from, their steps joined by `joint`. What can't be used whole is left out and counted.

    With `until_error` the steps after the first one below 1/2 don't count (Lightman et al. 2023, arXiv:2305.20050, sec.
    2.4), but where labels come from rollouts, `Steps.meta` tells how many, and all count (Wang et al. 2023,
    arXiv:2312.08935, eq. 2): a step below 1/2 is one that seldom leads to the answer, not a wrong one.
    """
    examples = [Example(chain.prompt, joint.join(step.strip() for step in chain.steps)) for chain in chains]
    encoded = chat.encode(network.tokenizer, examples, network.max_tokens)
    found: dict[int, StepRow] = {}
    lost: list[str] = []
    for row, i in zip(encoded.rows, encoded.kept, strict=True):
        try:
            found[i] = _step_row(network.tokenizer, row, chains[i], until_error)
        except InputError as error:
            lost.append(f"chain {i + 1}: {error}")
    if lost:
        encoded.notes.append(
            f"{len(lost):,} of {len(chains):,} chains were left out, as their tokens don't say their steps ({lost[0]})"
        )
    return EncodedSteps(list(found.values()), list(found), encoded.notes)


def _step_row(tokenizer: Any, row: Row, chain: Steps, until_error: bool) -> StepRow:
    """Raises InputError if the row doesn't say the chain's steps."""
    ends, labels = token_ends(tokenizer, row.ids[row.n_prompt :], chain.steps), chain.labels
    cut = until_error and "rollouts" not in chain.meta
    wrong = next((n for n, label in enumerate(labels, 1) if label < 0.5), len(labels)) if cut else None
    return StepRow(row, tuple(row.n_prompt + n - 1 for n in ends[:wrong]), labels[:wrong])


def positions(batch: Padded, ends: Sequence[Sequence[int]]) -> Int[Tensor, "M"]:
    """Where the states of these tokens are, row by row."""
    places = batch.tokens.new_zeros(batch.ids.numel()).index_copy(0, batch.entries, batch.tokens)
    width = batch.ids.shape[1]
    chosen = [b * width + end for b, row in enumerate(ends) for end in row]
    return places[torch.tensor(chosen, dtype=torch.int64, device=places.device)]


@runtime_checkable
class ReadsSteps(Protocol):
    """A network that gives each step a number at its last token."""

    @property
    def network(self) -> Network: ...

    def read(self, rows: Sequence[Row], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]: ...


@dataclass(frozen=True)
class ProcessRewardModel:
    """A StepScorer, and by its aggregate a Scorer: the probability that all is right up to a step, read at its end.

    Source: Lightman et al. 2023, arXiv:2305.20050. With the cut `whole` it is an outcome reward model.
    """

    network: Network
    cutting: Cut
    by: Aggregate = "min"

    @torch.no_grad()
    def read(self, rows: Sequence[Row], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        found: list[tuple[float, ...]] = [()] * len(rows)
        for chosen, batch in padded_batches(self.network, rows):
            at = positions(batch, [ends[i] for i in chosen])
            scores = iter(torch.sigmoid(self.network.scalars_at(batch, at)).double().tolist())
            for i in chosen:
                found[i] = tuple(next(scores) for _ in ends[i])
        return found

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]:
        return _graded(self, self.cutting, examples)

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        return aggregated(self, examples, self.by)


@dataclass(frozen=True)
class ImplicitProcessRewardModel:
    """Step scores of a language model that learnt outcomes: sigma(beta sum_(t <= end) log pi(y_t) / pi_ref(y_t)).

    Source: Yuan et al. 2024, arXiv:2412.01981, eq. 4-5.
    """

    network: Network
    reference: Network
    cutting: Cut
    beta: float
    by: Aggregate = "min"

    def read(self, rows: Sequence[Row], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        logp, ref = (sampled_logprobs(network, rows, 1.0) for network in (self.network, self.reference))
        likely = torch.sigmoid(self.beta * (logp - ref).cumsum(1)).double().cpu()
        return [tuple(float(likely[i, end - 1]) for end in of_row) for i, of_row in enumerate(ends)]

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]:
        return _graded(self, self.cutting, examples)

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        return aggregated(self, examples, self.by)


def _graded(model: ReadsSteps, cut: Cut, examples: Sequence[Example]) -> list[Graded]:
    """Scores of the steps that are read; a response that is too long loses its end."""
    tokenizer = model.network.tokenizer
    rows, _ = chat.encode_cut(tokenizer, examples, model.network.max_tokens)
    responses = [row.ids[row.n_prompt :] for row in rows]
    texts = [chat.decode(tokenizer, ids) for ids in responses]
    steps = [cut(text[chat.begins_at(text, e.response or "") :]) for text, e in zip(texts, examples, strict=True)]
    ends = [
        [row.n_prompt + n - 1 for n in token_ends(tokenizer, ids, said)]
        for row, ids, said in zip(rows, responses, steps, strict=True)
    ]
    return [Graded(said, scores) for said, scores in zip(steps, model.read(rows, ends), strict=True)]


def aggregated(scorer: StepScorer, examples: Sequence[Example], by: Aggregate) -> Floats:
    """One score per response from those of its steps, (len(examples),)."""
    return np.array([aggregate(one.scores, by) for one in scorer.step_scores(examples)], dtype=np.float64)
