"""vLLM's wire format on a loopback port: completions of token ids, and adapters that come and go. Behind it is our own
decoding, with whichever adapters it was told to load."""

import asyncio
import contextlib
import importlib.util
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from peft import load_peft_weights, set_peft_model_state_dict
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from gyrocompass.config import Sampling
from gyrocompass.models.chat import Row
from gyrocompass.models.decode import sample
from gyrocompass.models.policy import sampled_logprobs

SPEC = importlib.util.spec_from_file_location("endpoint_server", Path(__file__).with_name("endpoint_server.py"))
endpoint_server = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(endpoint_server)


@dataclass
class Server:
    """`network` must have adapters of its own, whose weights are replaced. `fault` gives a status, or None for none,
    for a path and the number of the try."""

    network: object
    runtime_lora: bool = True
    deaf: bool = False
    tells: frozenset = frozenset({"token_ids", "logprobs"})
    extra_end: int | None = None
    fault: object = lambda path, attempt: None
    adapters: dict = field(default_factory=dict)
    bodies: list = field(default_factory=list)
    tries: Counter = field(default_factory=Counter)
    url: str = ""

    def app(self):
        lora = [
            Route("/v1/load_lora_adapter", self.load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", self.unload, methods=["POST"]),
        ]
        completions = Route("/v1/completions", self.completions, methods=["POST"])
        return Starlette(routes=[completions, *(lora if self.runtime_lora else [])])

    def failing(self, request):
        self.tries[request.url.path] += 1
        status = self.fault(request.url.path, self.tries[request.url.path])
        return problem(status, "fault") if status else None

    async def load(self, request):
        body = await request.json()
        if failing := self.failing(request):
            return failing
        if body["lora_name"] in self.adapters:
            return problem(400, f"The lora adapter '{body['lora_name']}' has already been loaded.")
        try:
            self.adapters[body["lora_name"]] = load_peft_weights(body["lora_path"], device="cpu")
        except (OSError, ValueError):
            return problem(404, f"No adapter found for {body['lora_path']}")
        return PlainTextResponse(f"Success: LoRA adapter '{body['lora_name']}' added successfully.")

    async def unload(self, request):
        body = await request.json()
        if self.adapters.pop(body["lora_name"], None) is None:
            return problem(404, f"The lora adapter '{body['lora_name']}' cannot be found.")
        return PlainTextResponse(f"Success: LoRA adapter '{body['lora_name']}' removed successfully.")

    async def completions(self, request):
        body = await request.json()
        await asyncio.sleep(0)  # so that requests meet here
        if failing := self.failing(request):
            return failing
        if body["model"] not in self.adapters:
            return problem(404, f"The model `{body['model']}` does not exist.")
        self.bodies.append(body)
        if not self.deaf:
            set_peft_model_state_dict(self.network.model, self.adapters[body["model"]])
        choices = [self.choice(body, i, drawn) for i, drawn in enumerate(self.drawn(body))]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {"id": "cmpl-x", "object": "text_completion", "created": 0, "model": body["model"]}
        return JSONResponse(reply | {"choices": choices, "usage": usage})

    def drawn(self, body):
        """n responses with the log-probability of each token."""
        prompt, temperature = body["prompt"], float(body["temperature"])
        sampling = Sampling(max_new_tokens=body["max_tokens"], temperature=temperature)
        [sampled] = sample(self.network, [prompt], body["n"], sampling, body["seed"])
        responses = [response.ids for response in sampled]
        if self.extra_end is not None:
            responses = [ids[: ids.index(self.extra_end) + 1] if self.extra_end in ids else ids for ids in responses]
        rows = [Row([*prompt, *ids], len(prompt)) for ids in responses]
        told = sampled_logprobs(self.network, rows, temperature)[:, len(prompt) - 1 :].tolist()
        return [(ids, logprobs[: len(ids)]) for ids, logprobs in zip(responses, told, strict=True)]

    def choice(self, body, i, drawn):
        ids, told = drawn
        reason = "stop" if ids[-1] in (*body["stop_token_ids"], self.extra_end) else "length"
        made = {"index": i, "text": "", "finish_reason": reason, "stop_reason": None}
        if "logprobs" in self.tells:
            made["logprobs"] = {"token_logprobs": told, "tokens": ["?"] * len(ids), "top_logprobs": None}
        return made | ({"token_ids": ids} if "token_ids" in self.tells and body["return_token_ids"] else {})


@contextlib.contextmanager
def serving(server):
    """The server, reachable at `server.url` until the end."""
    with endpoint_server.running(server.app()) as url:
        server.url = url
        yield server


def problem(status, message):
    return JSONResponse({"error": {"message": message, "type": "Error", "code": status}}, status)
