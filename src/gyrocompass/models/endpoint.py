"""An OpenAI-compatible server behind the Policy protocol, named `http://host:port/v1#model`.

What the server can do is found out before it is used. What it answers goes into the cache as it arrives, so that a
command which was cut off goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar
from urllib.parse import urldefrag

from ..config import Access, Sampling
from ..errors import InputError, Unsupported
from ..protocols import Floats
from ..records import Example, Prompt
from . import likeliest
from .batching import seed_of
from .cache import Reply, ResponseCache, opened, request_key
from .capabilities import TELLING, Capabilities, find_out, limited, tells_likeliest
from .likeliest import Token
from .transport import Stopped, Transport, Usage, address

LARGEST_N = 8
"""Responses asked for in one request."""
SEEDS = 2**31
"""Some servers keep seeds in 32 bits."""
CHARACTERS_PER_TOKEN = 4
PROBE = ({"role": "user", "content": "Say yes."},)
PROBE_TOKENS = 16

T = TypeVar("T")


class Draw(NamedTuple):
    """One response that is wanted: the request that would draw it alone, and its key in the cache."""

    body: dict[str, Any]
    key: str


class Forecast(NamedTuple):
    """What a call would take at most, the cache seen: requests, tokens (in: at 4 characters each), price."""

    requests: int
    tokens_in: int
    tokens_out: int
    cost: float


@dataclass
class EndpointPolicy:
    """Samples from a server's model; it can't score a given response.

    `cache` is a file, None for none; `tick` is told how many responses of a call are there. Safe to use from any
    thread, also one that runs an event loop; `access.concurrency` holds per call.
    """

    url: str
    model: str
    sampling: Sampling
    access: Access = field(default_factory=Access)
    cache: Path | None = None
    tick: Callable[[int], object] | None = None
    usage: Usage = field(default_factory=Usage)
    abilities: ClassVar[frozenset[str]] = frozenset()
    _capabilities: Capabilities | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._transport = Transport(self.url, self.access, self.usage)

    @cached_property
    def at_one(self) -> EndpointPolicy:
        """The same at temperature 1."""
        if self.sampling.temperature == 1:
            return self
        return replace(self, sampling=self.sampling.model_copy(update={"temperature": 1.0}))

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """n responses a prompt; one without content is an empty string. The same call makes the same requests.

        Raises InputError if the server is dead, refuses, keeps failing, or a cap is reached.
        """
        replies = self._replies(prompts, n, seed)
        return [[reply.text for reply in replies[i * n : (i + 1) * n]] for i in range(len(prompts))]

    def sample_ended(self, prompts: Sequence[Prompt], *, seed: int = 0) -> list[tuple[str, bool]]:
        """A response to each prompt, that of `sample`, and whether it came to its end, rather than to the token limit.

        Responses from a cache written before this was asked count as ended.
        """
        return [(reply.text, reply.ended) for reply in self._replies(prompts, 1, seed)]

    def sample_with_logprobs(self, prompts: Sequence[Prompt], *, seed: int = 0) -> list[tuple[str, float]]:
        """A response to each prompt with its summed log-probability, nats, as the server tells it; NaN where it
        tells none. Most servers leave out the end token and the temperature.

        Raises Unsupported if the server ignores `logprobs`, else as `sample` does.
        """
        return [(reply.text, reply.logprob) for reply in self._replies(prompts, 1, seed, logprobs=True)]

    def likeliest(self, prompts: Sequence[Prompt], n_tokens: int, *, seed: int = 0) -> list[list[Token]]:
        """The first tokens of a response to each prompt, at most n_tokens, and what is likely in their place.

        Their log-probabilities are at temperature 1 or at the sampling's, as the server has it.
        Raises Unsupported if the server ignores `top_logprobs`, else as `sample` does.
        """
        replies = self._replies(prompts, 1, seed, max_tokens=n_tokens, **TELLING)
        return [likeliest.read(reply.text) for reply in replies]

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        """Raises Unsupported: a chat server can't score a response that it is given."""
        raise Unsupported(f"{self.url}: an endpoint can't score given responses; use a local model for this metric")

    def probe(self) -> Capabilities:
        """What the server can do, asked once. Raises InputError if it is dead, or doesn't know the key or the model."""
        if self._capabilities is None:
            body = self._body(PROBE, min(PROBE_TOKENS, self.sampling.max_new_tokens))
            self._capabilities = run(find_out(self._transport, body))
        return self._capabilities

    @cached_property
    def _tells_likeliest(self) -> bool:
        """Whether `likeliest` works; asked once, and only where it is wanted."""
        can, longest = self.probe(), min(PROBE_TOKENS, self.sampling.max_new_tokens)
        return can.logprobs and run(tells_likeliest(self._transport, limited(self._body(PROBE, longest), can.limit)))

    def notes(self) -> list[str]:
        """What a user should know of the server, once it was probed."""
        can = self._capabilities
        if can is None:
            return []
        unlisted = can.models and self.model not in can.models
        notes = {
            f"{self.url} answers as {self.model!r} but lists only {', '.join(can.models[:5])}": unlisted,
            f"{self.url} ignores n; every response is a request of its own": not can.n,
            f"{self.url} refuses seeds; its responses repeat only from the cache": not can.seed,
        }
        return [note for note, holds in notes.items() if holds]

    def estimate(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> Forecast:
        """What `sample` would take at most, without a request. A probe takes two to five more."""
        draws = self._draws(prompts, n, seed)
        with opened(self.cache) as cache:
            known = cache.get([draw.key for draw in draws])
        missing = [draw.body for i, draw in enumerate(draws) if i not in known]
        characters = sum(len(message["content"]) for body in missing for message in body["messages"])
        tokens_in = math.ceil(characters / CHARACTERS_PER_TOKEN)
        tokens_out = len(missing) * self.sampling.max_new_tokens
        return Forecast(len(missing), tokens_in, tokens_out, self.access.cost(tokens_in, tokens_out))

    def _draws(self, prompts: Sequence[Prompt], n: int, seed: int, **options: Any) -> list[Draw]:
        """The draws of each prompt together, asked for with these options. A prompt that comes again is drawn anew."""
        met: Counter[str] = Counter()
        draws = []
        for prompt in prompts:
            messages = [{"role": message.role, "content": message.content} for message in prompt]
            text = json.dumps(messages)
            for index in range(met[text], met[text] + n):
                body = self._body(messages, self.sampling.max_new_tokens)
                body |= {"seed": seed_of(seed, text, index) % SEEDS, **options}
                draws.append(Draw(body, request_key({"url": self.url, "body": body, "draw": index})))
            met[text] += n
        return draws

    def _body(self, messages: Sequence[dict[str, str]], max_tokens: int) -> dict[str, Any]:
        temperature = self.sampling.temperature
        return {"model": self.model, "messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}

    def _replies(self, prompts: Sequence[Prompt], n: int, seed: int, **options: Any) -> list[Reply]:
        draws = self._draws(prompts, n, seed, **options)
        with opened(self.cache) as cache:
            replies = cache.get([draw.key for draw in draws])
            self.usage.count(cached=len(replies))
            missing = [i for i in range(len(draws)) if i not in replies]
            if missing:
                can = self.probe()
                if "logprobs" in options and not can.logprobs:
                    raise Unsupported(f"{self.url}: the server ignores logprobs; use one that tells them, such as vLLM")
                if "top_logprobs" in options and not self._tells_likeliest:
                    raise Unsupported(f"{self.url}: the server ignores top_logprobs; sample votes instead")
                jobs = list(_jobs(missing, n, LARGEST_N if can.n else 1))
                run(self._fetch(jobs, draws, can, cache, replies))
        return [replies[i] for i in range(len(draws))]

    async def _fetch(
        self,
        jobs: list[list[int]],
        draws: list[Draw],
        can: Capabilities,
        cache: ResponseCache,
        replies: dict[int, Reply],
    ) -> None:
        """Asks for the draws at these places, a job's in one request. The first failure stops what isn't yet sent;
        answers under way are still kept."""
        queue, stop = iter(jobs), asyncio.Event()
        failures: list[Exception] = []

        async def work() -> None:
            for places in queue:
                if stop.is_set():
                    return
                body = can.request(draws[places[0]].body, len(places))
                try:
                    answers = await self._transport.ask(client, body, len(places), stop)
                    for place, reply in zip(places, answers, strict=False):
                        cache.put(draws[place].key, reply)
                        replies[place] = reply
                    if self.tick:
                        self.tick(len(replies))
                except Stopped:
                    return
                except Exception as error:
                    failures.append(error)
                    stop.set()

        async with self._transport.client() as client:
            await asyncio.gather(*(work() for _ in range(min(self.access.concurrency, len(jobs)))))
        if failures:
            raise self._failure(failures[0], len(replies), len(draws)) from None

    def _failure(self, error: Exception, answered: int, wanted: int) -> Exception:
        failure = self._transport.failure(error)
        if self.cache is None or not isinstance(failure, InputError):
            return failure
        kept = f"{answered:,} of {wanted:,} answers are kept, and the same command goes on from there"
        return InputError(f"{failure}; {kept}")


def _jobs(places: Sequence[int], n: int, largest: int) -> Iterator[list[int]]:
    """Places of the same prompt together, at most `largest` at a time."""
    for _, group in groupby(places, key=lambda place: place // n):
        same = list(group)
        yield from (same[i : i + largest] for i in range(0, len(same), largest))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end; in a thread of its own where this one has a running loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def is_endpoint(name: str) -> bool:
    """Whether a model's name is a server's address."""
    return name.startswith(("http://", "https://"))


def open_endpoint(
    name: str, sampling: Sampling, access: Access | None = None, cache: Path | None = None
) -> EndpointPolicy:
    """The policy of `http://host:port/v1#model`; nothing is sent yet.

    Raises InputError for an address that is broken, holds a secret, or names no model (only then is the server
    asked what it lists).
    """
    url, model = urldefrag(name)
    url = address(url)
    access = access or Access()
    if model:
        return EndpointPolicy(url, model, sampling, access, cache)
    listed = run(_listed(Transport(url, access, Usage())))
    raise InputError(
        f"{name}: it names no model; write {url}#{listed[0] if len(listed) == 1 else 'NAME'}"
        + (f" with one of {', '.join(listed[:10])}" if len(listed) > 1 else "")
    )


async def _listed(transport: Transport) -> tuple[str, ...]:
    async with transport.client() as client:
        return await transport.models(client)
