"""Asking a server with patience: retries, caps, counts, and failures told in one line."""

from __future__ import annotations

import asyncio
import json
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai
import tenacity

from ..config import Access
from ..errors import InputError
from . import likeliest
from .cache import Reply

CONNECT_SECONDS = 5.0
CONNECT_RETRIES = 2
"""Tries again of a probe that finds nobody there: it says so in seconds."""
LONGEST_WAIT = 60.0
"""Seconds before a retry; a server that asks for more has failed."""
LONGEST_QUOTE = 200
"""Characters of a server's own words in a message."""
KEYS = ("GYRO_API_KEY", "OPENAI_API_KEY")
REMEDIES = {
    401: "set GYRO_API_KEY to a key that it takes",
    403: "set GYRO_API_KEY to a key that may use this model",
    404: "check the address, which usually ends in /v1, and the model's name",
    408: "raise timeout_seconds",
    429: "wait, or lower concurrency",
}

T = TypeVar("T")


@dataclass
class Usage:
    """What was sent and answered so far: requests (retried ones again), responses from the cache, tokens."""

    requests: int = 0
    retried: int = 0
    cached: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, **more: int) -> None:
        """Adds to the named counts."""
        with self.lock:
            for name, value in more.items():
                setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{self.requests:,} requests ({self.retried:,} of them retries), {self.cached:,} responses from the cache, "
            f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out"
        )


class BadReply(Exception):
    """The server said all is well, but its reply holds no response."""


class Stopped(Exception):
    """Another request has failed for good, so this one isn't tried again."""


class Transport:
    """The way to one server: counts what it sends into `usage`, and keeps within the caps of `access`.

    Raises InputError for a spend cap without prices.
    """

    def __init__(self, url: str, access: Access, usage: Usage) -> None:
        if access.max_cost is not None and not access.price_in + access.price_out:
            raise InputError(f"{url}: max_cost needs prices; set price_in and price_out")
        self.url, self.access, self.usage = url, access, usage

    def client(self) -> openai.AsyncOpenAI:
        """A client for one event loop, which the caller closes. Raises InputError if the key can't be sent."""
        timeout = openai.Timeout(self.access.timeout_seconds, connect=CONNECT_SECONDS)
        return openai.AsyncOpenAI(api_key=_key() or "none", base_url=self.url, max_retries=0, timeout=timeout)

    async def models(self, client: openai.AsyncOpenAI) -> tuple[str, ...]:
        """The models that the server lists; none if it doesn't."""
        try:
            page = await client.with_options(timeout=CONNECT_SECONDS).models.list()
            return tuple(str(model.id) for model in page.data)
        except (openai.APIError, ValueError, AttributeError, TypeError):
            return ()

    async def ask(
        self, client: openai.AsyncOpenAI, body: dict[str, Any], n: int = 1, stop: asyncio.Event | None = None
    ) -> list[Reply]:
        """The replies to a request, at least n, patiently. Raises InputError at a cap, else as `patiently` does."""
        return await self.patiently(lambda: self._send(client, body, n), stop)

    async def patiently(self, send: Callable[[], Awaitable[T]], stop: asyncio.Event | None = None) -> T:
        """What `send` brings. What fails for a passing reason is tried again.

        Raises Stopped if `stop` is set while it waits, or else the last failure. Without `stop` it is a probe, which
        gives up sooner where nobody answers.
        """

        async def attempt() -> T:
            return await send()

        async def pause(seconds: float) -> None:
            try:
                await asyncio.wait_for((stop or asyncio.Event()).wait(), seconds)
            except TimeoutError:
                return
            raise Stopped

        def enough(state: tenacity.RetryCallState) -> bool:
            nobody = stop is None and isinstance(_error(state), openai.APIConnectionError)
            retries = min(self.access.retries, CONNECT_RETRIES) if nobody else self.access.retries
            return state.attempt_number > retries

        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(passing),
            stop=enough,
            wait=self._wait,
            sleep=pause,
            before_sleep=lambda _: self.usage.count(retried=1),
            reraise=True,
        )
        return await attempts(attempt)

    async def _send(self, client: openai.AsyncOpenAI, body: dict[str, Any], n: int) -> list[Reply]:
        self._admit()
        answer: Any = await client.chat.completions.create(**body)
        self._count_tokens(getattr(answer, "usage", None))
        choices = getattr(answer, "choices", None) or []
        if len(choices) < n:
            raise BadReply(f"{len(choices)} of {n} responses")
        return [_reply(choice, "top_logprobs" in body) for choice in choices]

    def _admit(self) -> None:
        """Counts a request. Raises InputError at a cap."""
        access, usage = self.access, self.usage
        with usage.lock:
            if access.max_requests is not None and usage.requests >= access.max_requests:
                raise InputError(f"{self.url}: max_requests = {access.max_requests:,} is reached; raise it")
            if access.max_cost is not None and access.cost(usage.tokens_in, usage.tokens_out) >= access.max_cost:
                raise InputError(f"{self.url}: max_cost = {access.max_cost:,g} is reached; raise it")
            usage.requests += 1

    def _count_tokens(self, reported: Any) -> None:
        counts = [getattr(reported, name, None) for name in ("prompt_tokens", "completion_tokens")]
        if self.access.max_cost is not None and None in counts:
            raise InputError(f"{self.url}: the server reports no tokens, so max_cost can't hold; set max_requests")
        self.usage.count(tokens_in=counts[0] or 0, tokens_out=counts[1] or 0)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        first = self.access.backoff_seconds
        backoff = tenacity.wait_exponential(multiplier=first, max=LONGEST_WAIT)(state)
        return max(backoff, retry_after(_error(state))) + tenacity.wait_random(0, first)(state)

    def failure(
        self, error: Exception, listed: Collection[str] = (), remedies: Mapping[int, str] = REMEDIES
    ) -> Exception:
        """The failure as an InputError of one line, without the key; what isn't the server's stays as it is."""
        what, remedy = "", "look at the server's log"
        if isinstance(error, openai.APIStatusError):
            status = error.status_code
            said = "" if status in (401, 403) else _said(error.body)
            what = f"status {status}" + (f" ({said})" if said else "")
            remedy = remedies.get(status, remedy if status >= 500 else "change what it refuses")
        elif isinstance(error, openai.APITimeoutError):
            what, remedy = "no answer in time", "start the server, or raise timeout_seconds"
        elif isinstance(error, openai.APIConnectionError):
            what, remedy = "no connection", "start the server, or check host and port"
        elif isinstance(error, BadReply | json.JSONDecodeError):
            what = f"no response in its reply ({error})"
        else:
            return error
        if (asked := retry_after(error)) > LONGEST_WAIT:
            remedy = f"it asks to wait {asked:,.0f} s"
        models = f"; it lists {', '.join(listed)}" if listed else ""
        return InputError(f"{self.url}: {what}; {remedy}{models}")


def address(url: str) -> str:
    """The address without its last slash. Raises InputError if it is broken or holds a secret."""
    parts = urlsplit(url)
    if parts.username is not None or parts.query:
        raise InputError("an endpoint's address holds a user name or a query; leave it out and set GYRO_API_KEY")
    if not parts.hostname:
        raise InputError(f"{url}: no address; write http://host:port/v1")
    return url.rstrip("/")


def passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, openai.APIStatusError):
        spent = error.code == "insufficient_quota"
        return (error.status_code in (408, 409, 429) or error.status_code >= 500) and not (
            spent or retry_after(error) > LONGEST_WAIT
        )
    return isinstance(error, openai.APIConnectionError | BadReply | json.JSONDecodeError)


def retry_after(error: BaseException | None) -> float:
    """Seconds that the server asks to wait, 0 if it doesn't. Source: RFC 9110, 10.2.3."""
    if not isinstance(error, openai.APIStatusError):
        return 0.0
    text = error.response.headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _reply(choice: Any, alternatives: bool) -> Reply:
    """Missing content is an empty response; a log-probability that isn't told is NaN.

    With `alternatives` the text is that of `likeliest.written`: the tokens and what might have stood in their place.
    """
    content = getattr(getattr(choice, "message", None), "content", None) or ""
    tokens = getattr(getattr(choice, "logprobs", None), "content", None)
    if not isinstance(content, str):
        raise BadReply(f"content that is a {type(content).__name__}")
    text = likeliest.written(tokens or ()) if alternatives else content.strip()
    logprob = math.fsum(token.logprob for token in tokens) if tokens else math.nan
    return Reply(text, logprob, getattr(choice, "finish_reason", None) != "length")


def _key() -> str:
    """The key, empty if there is none. It is sent to the server and goes nowhere else."""
    for name in KEYS:
        key = os.environ.get(name, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise InputError(f"{name} holds characters that no key has; set it anew")
        if key:
            return key
    return ""


def _said(body: object) -> str:
    """What a server's error says, in a line, without the key."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    text = " ".join(str(body or "").split())
    return (text.replace(key, "***") if (key := _key()) else text)[:LONGEST_QUOTE]
