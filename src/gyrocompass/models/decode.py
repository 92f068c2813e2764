"""Sampling many responses at once with a key-value cache; waiting prompts take the place of ended responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy.typing import NDArray
from torch import Tensor

from ..config import Sampling
from ..maths.products import unchanged_weights
from . import slots
from .batching import micro_batches
from .network import Network

ROWS_TOKENS = 1 << 16
"""Cache positions held at once: rows x (prompt + new tokens)."""

CPU_ROWS = 256
"""Responses in flight at most on a CPU: more rows make its products hardly faster, only the cache larger."""

PREFILL_TOKENS = 8192
"""Prompt tokens read at once, padding included."""

REFILL_FRACTION = 0.25
"""Prompts are read when so many rows are free, so that they are read together."""


class Response(NamedTuple):
    """Token ids, up to and including the end token where one came, and each one's log-probability, nats."""

    ids: list[int]
    logprobs: list[float]


def sample(
    network: Network, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int,
    limits: Sequence[int] | None = None,
) -> list[list[Response]]:  # fmt: skip
    """n sampled responses a prompt. `limits`: the most tokens of those to each prompt, from 1 to max_new_tokens, their
    default; a response that ends within its limit is the same under any other.

    Tokens are drawn from softmax(logits / temperature), untruncated, so that their log-probabilities are
    those that training computes. The same seed, prompts and n give the same responses: every response has
    random numbers of its own, whatever is decoded beside it.
    """
    if not prompts:
        return []
    generator = torch.Generator().manual_seed(seed)
    uniforms = 1 - torch.rand(len(prompts) * n, sampling.max_new_tokens, generator=generator, dtype=torch.float64)
    limits = limits or [sampling.max_new_tokens] * len(prompts)
    longest = max(len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True))
    was_training = network.model.training
    network.model.eval()
    with torch.inference_mode(), network.autocast(), unchanged_weights():
        if slots.fits(network, longest):
            responses = _Flight(network, prompts, n, sampling, uniforms, limits).land()
        else:
            responses = _together(network, prompts, n, sampling, uniforms, limits)
    network.model.train(was_training)
    return [responses[i * n : (i + 1) * n] for i in range(len(prompts))]


def end_ids(network: Network) -> list[int]:
    """Every token that ends a response: the tokenizer's, and those of the generation config."""
    configured = network.core.generation_config.eos_token_id
    more = configured if isinstance(configured, list) else [configured]
    return sorted({network.tokenizer.eos_token_id, *(i for i in more if i is not None)})


def draw(
    logits: Float[Tensor, "R V"], temperature: float, uniforms: Float64[Tensor, "R"]
) -> tuple[Int[Tensor, "R"], Float[Tensor, "R"]]:
    """Tokens of softmax(logits / temperature), the first whose cumulated probability reaches the number in (0, 1],
    and their log-probabilities, nats.

    A token of probability 0 adds nothing to the sum, so it is never the first.
    """
    precise = torch.float32 if logits.device.type == "mps" else torch.float64  # which has no other
    probabilities = torch.softmax(logits.float() / temperature, -1)
    cumulated = probabilities.cumsum(-1, dtype=precise)
    reached = uniforms.to(precise).to(cumulated.device)[:, None] * cumulated[:, -1:]
    tokens = torch.searchsorted(cumulated, reached)
    return tokens[:, 0], probabilities.gather(1, tokens).log()[:, 0]


class _Flight:
    """Responses in flight, for networks that decode in slots. Response r is one of prompt r // n.

    Row i of what is in flight is slot i of the cache; `response`, `token` and `position` say whose it is, and which
    token is read next at which position. A prompt's last token is read by the first step of each of its responses.
    """

    def __init__(
        self, network: Network, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, uniforms: Tensor,
        limits: Sequence[int],
    ) -> None:  # fmt: skip
        self.network, self.prompts, self.n, self.sampling = network, prompts, n, sampling
        self.uniforms, self.ends, self.limits = uniforms.numpy(), set(end_ids(network)), limits
        self.out = [Response([], []) for _ in uniforms]
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        self.waiting = [r for i in by_length for r in range((i + 1) * n - 1, i * n - 1, -1)]  # the last is the next
        longest = max(len(prompt) + limit for prompt, limit in zip(prompts, limits, strict=True))
        most = CPU_ROWS if network.device.type == "cpu" else len(self.waiting)
        self.rows = min(most, max(1, ROWS_TOKENS // longest), len(self.waiting))
        self.cache = slots.allocate(network, self.rows, longest)
        self.response, self.token, self.position = np.zeros((3, 0), np.int64)

    def land(self) -> list[Response]:
        """All responses, in their order."""
        while self.waiting or len(self.response):
            free = self.rows - len(self.response)
            if self.waiting and free >= min(len(self.waiting), max(1, int(REFILL_FRACTION * self.rows))):
                self._board(free)
            self._step()
        return self.out

    def _board(self, free: int) -> None:
        """Waiting responses take the free slots; a prompt is read once for those of its responses."""
        self.waiting, chosen = self.waiting[:-free], self.waiting[: -free - 1 : -1]
        asked = [(self.prompts[i], list(group)) for i, group in groupby(chosen, lambda r: r // self.n)]
        for cut in micro_batches([len(prompt) - 1 for prompt, _ in asked], PREFILL_TOKENS):
            self._read([asked[c] for c in cut])

    def _read(self, asked: Sequence[tuple[Sequence[int], list[int]]]) -> None:
        longest = max(len(prompt) for prompt, _ in asked) - 1
        if longest:
            ids = torch.tensor([[*prompt[:-1], *[0] * (longest + 1 - len(prompt))] for prompt, _ in asked])
            source = torch.tensor([row for row, (_, responses) in enumerate(asked) for _ in responses])
            slots.read(self.network, self._on(ids), self.cache, len(self.response), self._on(source))
        new = [(r, prompt[-1], len(prompt) - 1) for prompt, responses in asked for r in responses]
        self.response, self.token, self.position = np.concatenate([self._rows(), np.array(new).T], 1)

    def _step(self) -> None:
        """One more token of every response in flight; those that it ends leave."""
        drawn = [len(self.out[r].ids) for r in self.response]
        uniforms = torch.from_numpy(self.uniforms[self.response, drawn])
        tokens, positions = self._on(torch.from_numpy(self._rows()[1:]))
        longest = int(self.position.max()) + 1
        logits = slots.next_logits(self.network, tokens, positions, self.cache, longest)
        both = torch.stack([x.double() for x in draw(logits, self.sampling.temperature, uniforms)]).cpu().numpy()
        self.token, self.position = both[0].astype(np.int64), self.position + 1
        going = np.ones(len(self.token), bool)
        told = zip(self.response.tolist(), self.token.tolist(), both[1].tolist(), strict=True)
        for row, (r, token, logprob) in enumerate(told):
            self.out[r].ids.append(token)
            self.out[r].logprobs.append(logprob)
            going[row] = token not in self.ends and len(self.out[r].ids) < self.limits[r // self.n]
        if not going.all():
            self._leave(going, longest)

    def _leave(self, going: NDArray[np.bool_], longest: int) -> None:
        """The last rows that go on take the slots of those that don't, so that the first slots are in use."""
        kept = int(going.sum())
        free, last = np.flatnonzero(~going[:kept]), kept + np.flatnonzero(going[kept:])
        rows = self._rows()
        rows[:, free] = rows[:, last]
        self.response, self.token, self.position = rows[:, :kept]
        if len(free):
            self.cache.move(self._on(torch.from_numpy(last)), self._on(torch.from_numpy(free)), longest)

    def _rows(self) -> NDArray[np.int64]:
        return np.stack([self.response, self.token, self.position])

    def _on(self, x: Tensor) -> Tensor:
        return x.to(self.network.device)


def _together(
    network: Network, prompts: Sequence[Sequence[int]], n: int, sampling: Sampling, uniforms: Tensor,
    limits: Sequence[int],
) -> list[Response]:  # fmt: skip
    """The same for networks that keep a state of their own kind: left-padded prompts in a cache that grows."""
    responses = [Response([], []) for _ in uniforms]
    for group in _groups(prompts, n, sampling.max_new_tokens):
        members = [i * n + k for i in group for k in range(n)]
        chosen, most = [prompts[i] for i in group], [limits[i] for i in group]
        drawn = _decode(network, chosen, n, sampling, uniforms[members], most)
        for r, response in zip(members, drawn, strict=True):
            responses[r] = response
    return responses


def _groups(prompts: Sequence[Sequence[int]], n: int, new: int) -> Iterator[list[int]]:
    """Prompts of similar length together, as many as the cache may hold."""
    group: list[int] = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        if group and (len(group) + 1) * n * (len(prompts[i]) + new) > ROWS_TOKENS:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _decode(
    network: Network, prompts: list[Sequence[int]], n: int, sampling: Sampling, uniforms: Tensor, limits: list[int]
) -> list[Response]:
    from transformers import DynamicCache

    device, model = network.device, network.core
    ends = torch.tensor(end_ids(network), device=device)
    ids, attention = _left_pad(prompts, device)
    cache = DynamicCache(config=model.config)
    logits = _forward(model, ids, attention, (attention.cumsum(1) - 1).clamp(min=0), cache)
    if n > 1:
        cache.batch_repeat_interleave(n)
        logits, attention = logits.repeat_interleave(n, 0), attention.repeat_interleave(n, 0)
    rows = len(prompts) * n
    new, most = max(limits), torch.tensor(limits, device=device).repeat_interleave(n)
    out, told = torch.full((rows, new), -1, device=device), torch.zeros(rows, new, device=device)
    alive = torch.arange(rows, device=device)  # which row of `out` each row of the batch writes
    for t in range(new):
        token, told[alive, t] = draw(logits, sampling.temperature, uniforms[alive.cpu(), t])
        out[alive, t] = token
        going = ~torch.isin(token, ends) & (t + 1 < most[alive])
        if t + 1 == new or not bool(going.any()):
            break
        keep = going.nonzero()[:, 0]
        if len(keep) < len(alive):
            cache.batch_select_indices(keep)
            alive, attention, token = alive[keep], attention[keep], token[keep]
        attention = torch.cat([attention, attention.new_ones(len(alive), 1)], 1)
        logits = _forward(model, token[:, None], attention, attention.sum(1, keepdim=True) - 1, cache)
    counts = [_first(row, -1) for row in out.tolist()]
    both = zip(out.tolist(), told.tolist(), counts, strict=True)
    return [Response(ids[:count], logprobs[:count]) for ids, logprobs, count in both]


def _forward(model: Any, ids: Tensor, attention: Tensor, positions: Tensor, cache: Any) -> Tensor:
    out = model(
        input_ids=ids,
        attention_mask=attention,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = out.logits[:, -1]
    return logits


def _left_pad(rows: list[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + list(row) for row in rows], device=device)
    attention = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, attention


def _first(row: list[int], value: int) -> int:
    return row.index(value) if value in row else len(row)
