"""A real chat server on a loopback port: its answers are a function of the request, and it fails when told to."""

import asyncio
import contextlib
import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

CHARACTER_LOGPROB = -0.5
PROBE = "Say yes."


def answer(body, choice=0):
    """What the server answers, whenever and however often it is asked."""
    question = body["messages"][-1]["content"]
    mark = hashlib.sha256(json.dumps([body.get("seed"), choice]).encode()).hexdigest()[:8]
    return f"{question} -> {mark}"


@dataclass
class Server:
    """How the server behaves, and what it saw. `fault` gives the name of a fault, or None, for a body and a try.

    `tokens` gives the tokens of a reply to a question, each with the log-probabilities of the likeliest in its place.
    """

    fault: object = lambda body, attempt: None
    key: str | None = None
    models: tuple = ("toy",)
    honours: frozenset = frozenset({"n", "logprobs", "seed"})
    refuses: frozenset = frozenset()
    contents: dict = field(default_factory=dict)
    cut: frozenset = frozenset()
    tokens: object = None
    delay: float = 0.0
    retry_after: str | None = None
    usage: bool = True
    url: str = ""
    tried: Counter = field(default_factory=Counter)
    answered: Counter = field(default_factory=Counter)
    flying: int = 0
    most_flying: int = 0

    @property
    def requests(self):
        """Requests for responses, each try of each; the probe's aside."""
        return sum(n for body, n in self.tried.items() if PROBE not in body)

    @property
    def served(self):
        """How often each request was answered well; the probe's aside."""
        return Counter({body: n for body, n in self.answered.items() if PROBE not in body})

    async def list(self, request):
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def chat(self, request):
        body = await request.json()
        name = json.dumps(body, sort_keys=True)
        self.tried[name] += 1
        if PROBE in name:
            return self.reply(body, self.fault(body, self.tried[name]), request)
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(self.delay)
            return self.reply(body, self.fault(body, self.tried[name]), request)
        finally:
            self.flying -= 1

    def reply(self, body, fault, request):
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.key and given != self.key:
            return problem(401, f"the key {given} is wrong")
        if body["model"] not in self.models:
            return problem(404, f"no model {body['model']}, said with key {given}")
        if self.refuses & set(body):
            what = ", ".join(sorted(self.refuses & set(body)))
            return problem(400, f"unsupported: {what}; use max_completion_tokens" if "max_tokens" in what else what)
        if fault in FAULTS:
            return FAULTS[fault](self)
        if fault:
            return problem(int(fault), f"fault with key {given}", self.retry_after)
        self.answered[json.dumps(body, sort_keys=True)] += 1
        return JSONResponse(self.completion(body))

    def completion(self, body):
        n = body.get("n", 1) if "n" in self.honours else 1
        told = body.get("logprobs") and "logprobs" in self.honours
        choices = [self.choice(body, i, told) for i in range(n)]
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": choices}
        tokens = {"prompt_tokens": 10, "completion_tokens": 5 * n, "total_tokens": 10 + 5 * n}
        return reply | ({"usage": tokens} if self.usage else {})

    def choice(self, body, i, told):
        question = body["messages"][-1]["content"]
        if self.tokens and body.get("top_logprobs"):
            return told_choice(i, self.tokens(question)[: body["max_tokens"]])
        text = self.contents.get(question, answer(body, i))
        made = {
            "index": i,
            "finish_reason": "length" if question in self.cut else "stop",
            "message": {"role": "assistant", "content": text},
        }
        tokens = [{"token": c, "bytes": None, "logprob": CHARACTER_LOGPROB, "top_logprobs": []} for c in text or ""]
        return made | ({"logprobs": {"content": tokens}} if told else {})


def told_choice(i, tokens):
    """A choice of these tokens, each a text and the log-probabilities of the likeliest in its place."""
    message = {"role": "assistant", "content": "".join(text for text, _ in tokens)}
    told = [
        {"token": text, "bytes": None, "logprob": likeliest.get(text, -9.0),
         "top_logprobs": [{"token": t, "bytes": None, "logprob": p} for t, p in likeliest.items()]}
        for text, likeliest in tokens
    ]  # fmt: skip
    return {"index": i, "finish_reason": "stop", "message": message, "logprobs": {"content": told}}


def problem(status, message, retry_after=None):
    headers = {"Retry-After": retry_after} if retry_after else None
    return JSONResponse({"error": {"message": message}}, status, headers)


def dropped(server):
    """A reply whose connection breaks before its end."""

    async def nothing():
        yield b'{"id": '

    return StreamingResponse(nothing(), headers={"content-length": "1000"}, media_type="application/json")


def empty(server):
    return JSONResponse({"id": "x", "object": "chat.completion", "created": 0, "model": "toy", "choices": []})


def broken(server):
    return StreamingResponse(iter([b'{"id": ']), media_type="application/json")


FAULTS = {"drop": dropped, "empty": empty, "broken": broken}


def share(rate, *faults):
    """A fault for this share of all tries, chosen by the request and the number of the try."""

    def fault(body, attempt):
        digest = hashlib.sha256(f"{json.dumps(body, sort_keys=True)} {attempt}".encode()).digest()
        return faults[digest[0] % len(faults)] if int.from_bytes(digest[1:5], "big") < rate * 2**32 else None

    return fault


@contextlib.contextmanager
def serving(server):
    """The server, reachable at `server.url` until the end."""
    chat, models = "/v1/chat/completions", "/v1/models"
    with running(Starlette(routes=[Route(chat, server.chat, methods=["POST"]), Route(models, server.list)])) as url:
        server.url = url
        yield server


@contextlib.contextmanager
def running(app):
    """The address of an application, served until the end."""
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level=100, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    while not runner.started:
        assert thread.is_alive()
        threading.Event().wait(0.005)
    try:
        yield f"http://127.0.0.1:{runner.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        runner.should_exit = True
        thread.join()
