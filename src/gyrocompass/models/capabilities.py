"""What a server can do beyond the plainest request, found by asking it rather than by its name."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import openai

from . import likeliest
from .cache import Reply
from .transport import Transport

OPTIONS = {"n": 2, "logprobs": True, "seed": 0}
TELLING = {"logprobs": True, "top_logprobs": 5}
"""Asks for the likeliest tokens in each one's place, as many as every server that tells any will tell."""
LIMITS = ("max_tokens", "max_completion_tokens")
"""Names of the longest response: most servers', and that of some hosted models."""
REFUSED = (openai.BadRequestError, openai.UnprocessableEntityError)


def limited(body: dict[str, Any], limit: str) -> dict[str, Any]:
    """The body with its longest response under this name."""
    return {limit if name == LIMITS[0] else name: value for name, value in body.items()}


@dataclass(frozen=True)
class Capabilities:
    """What a server was found to do. `limit` is its name for the longest response, `models` those it lists."""

    n: bool
    logprobs: bool
    seed: bool
    limit: str
    models: tuple[str, ...]

    def request(self, body: dict[str, Any], n: int) -> dict[str, Any]:
        """The body as this server takes it, for n responses."""
        sent = limited(body, self.limit)
        if not self.seed:
            del sent["seed"]
        return sent | ({"n": n} if n > 1 else {})


async def find_out(transport: Transport, body: dict[str, Any]) -> Capabilities:
    """Asks with this plain request, then with every option; one by one if the server refuses them together.

    An option that is taken but ignored counts as lacking. Raises InputError if the server is dead, or doesn't
    know the key or the model.
    """
    async with transport.client() as client:
        try:
            limit = await _limit(transport, client, body)
            plain = limited(body, limit)
            together = await _trial(transport, client, plain, OPTIONS)
            said = {name: together or await _trial(transport, client, plain, [name]) for name in OPTIONS}
        except (*REFUSED, openai.NotFoundError) as error:
            raise transport.failure(error, await transport.models(client)) from None
        except Exception as error:
            raise transport.failure(error) from None
        models = await transport.models(client)
    tells = any(not math.isnan(reply.logprob) for reply in said["logprobs"])
    return Capabilities(len(said["n"]) > 1, tells, bool(said["seed"]), limit, models)


async def tells_likeliest(transport: Transport, body: dict[str, Any]) -> bool:
    """Whether the server says which tokens are the likeliest in the place of each, asked with this plain request.

    Raises InputError if it fails at that.
    """
    async with transport.client() as client:
        try:
            return any(likeliest.read(reply.text) for reply in await transport.ask(client, body | TELLING))
        except REFUSED:
            return False
        except Exception as error:
            raise transport.failure(error) from None


async def _limit(transport: Transport, client: openai.AsyncOpenAI, body: dict[str, Any]) -> str:
    """Which of LIMITS the server takes. Raises its refusal if it's for another reason."""
    try:
        await transport.ask(client, body)
        return LIMITS[0]
    except REFUSED as error:
        if LIMITS[1] not in str(error):
            raise
    await transport.ask(client, limited(body, LIMITS[1]))
    return LIMITS[1]


async def _trial(
    transport: Transport, client: openai.AsyncOpenAI, plain: dict[str, Any], options: Collection[str]
) -> list[Reply]:
    """The replies to the request with these options; none if the server refuses them."""
    try:
        return await transport.ask(client, plain | {name: OPTIONS[name] for name in options})
    except REFUSED:
        return []
