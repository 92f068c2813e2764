"""Where the responses of a training step come from: the policy itself, or a vLLM server that follows its adapters."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import openai
import torch
from jaxtyping import Float
from torch import Tensor

from ..config import Access, Sampling
from ..errors import InputError, Unsupported
from .batching import seed_of
from .decode import Response, end_ids
from .endpoint import SEEDS, run
from .network import Network
from .policy import Drawn, laid_out, rollout
from .transport import REMEDIES, BadReply, Transport, Usage, address

MISMATCH_LIMIT = 0.5
"""Nats per token between server and policy: rounding and kernels stay far below it, another model does not."""
PATIENCE = Access(concurrency=256, timeout_seconds=600.0)
"""A server that batches by itself takes all prompts of a step at once; long responses take minutes."""
LARGEST_LOG_RATIO = 20.0
"""Beyond it the k3 estimate grows no more, so that one absurd token can't overflow it."""
UNTRUNCATED = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Sent with each request: else the server takes what the model's generation config recommends."""


@runtime_checkable
class Rollouts(Protocol):
    """n responses to each prompt (token ids), drawn from the policy as it is now.

    `exact`: whether the sampler's log-probabilities are the policy's own as training computes them.
    """

    @property
    def exact(self) -> bool: ...

    def __call__(self, prompts: Sequence[Sequence[int]], n: int, seed: int, step: int) -> Drawn: ...

    def compare(self, drawn: Drawn, logp: Float[Tensor, "B t"]) -> dict[str, float]:
        """Metrics of how far the sampler was from the policy, whose log-probabilities these are."""
        ...


@dataclass(frozen=True)
class LocalRollouts:
    """The policy samples for itself; the same seed gives the same responses."""

    network: Network
    sampling: Sampling

    def __call__(self, prompts: Sequence[Sequence[int]], n: int, seed: int, step: int) -> Drawn:
        return rollout(self.network, prompts, n, self.sampling, seed)

    @property
    def exact(self) -> bool:
        """In fp32; in bf16 decoding and training round differently."""
        return self.network.autocast_type is None

    def compare(self, drawn: Drawn, logp: Float[Tensor, "B t"]) -> dict[str, float]:
        return {}


@dataclass
class ServerRollouts:
    """A vLLM server samples. Before each step it loads the policy's adapters from `folder`, which both must see.

    `warn` is told once if the server's log-probabilities are not those of the policy.
    Raises InputError if the policy has no adapters, or the address is broken or holds a secret.
    """

    url: str
    network: Network
    sampling: Sampling
    folder: Path
    warn: Callable[[str], object]
    access: Access = PATIENCE
    usage: Usage = field(default_factory=Usage)
    _loaded: str | None = field(default=None, init=False)
    _warned: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.url = address(self.url)
        if not self.network.compute.lora_rank:
            raise InputError(
                f"{self.url}: a server follows the policy by its adapters alone; set lora_rank above 0, or leave out "
                "--rollout"
            )
        self._transport = Transport(self.url, self.access, self.usage)
        self._ends = end_ids(self.network)

    def __call__(self, prompts: Sequence[Sequence[int]], n: int, seed: int, step: int) -> Drawn:
        """Raises InputError if the server is dead, takes no adapters, or keeps failing; Unsupported if it doesn't
        tell token ids and log-probabilities."""
        answers = run(self._drawn(prompts, n, seed, step))
        return laid_out(self.network, prompts, answers)

    @property
    def exact(self) -> bool:
        return False

    def compare(self, drawn: Drawn, logp: Float[Tensor, "B t"]) -> dict[str, float]:
        """`rollout_mismatch_nats` is the mean of |log mu - log pi| over tokens, for server mu and policy pi, and
        `rollout_kl_nats` the k3 estimate of KL(mu || pi) per token. Source: Schulman, 'Approximating KL
        divergence', 2020."""
        tokens = sum(row.n_response for row in drawn.rows)
        log_ratio = logp - drawn.logprobs
        k3 = torch.expm1(log_ratio.clamp(max=LARGEST_LOG_RATIO)) - log_ratio
        mismatch = float(log_ratio.abs().sum()) / tokens
        if mismatch > MISMATCH_LIMIT and not self._warned:
            self._warned = True
            self.warn(
                f"{self.url}: its log-probabilities are {mismatch:.2f} nats a token off the policy's, so it samples "
                "from another model or tells those of another temperature; serve the policy's own base model, with "
                "--logprobs-mode processed_logprobs"
            )
        return {"rollout_mismatch_nats": mismatch, "rollout_kl_nats": float(k3.sum()) / tokens}

    async def _drawn(self, prompts: Sequence[Sequence[int]], n: int, seed: int, step: int) -> list[list[Response]]:
        """n responses a prompt. The first failure calls off the rest."""
        slots = asyncio.Semaphore(self.access.concurrency)
        async with self._transport.client() as client:
            model = await self._follow(client, step)
            bodies = [self._body(model, p, n, seed_of(seed, i) % SEEDS) for i, p in enumerate(prompts)]
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._ask(client, slots, body)) for body in bodies]
            except ExceptionGroup as failed:
                raise self._transport.failure(failed.exceptions[0]) from None
        return [task.result() for task in tasks]

    async def _ask(self, client: openai.AsyncOpenAI, slots: asyncio.Semaphore, body: dict[str, Any]) -> list[Response]:
        async def send() -> list[Response]:
            self.usage.count(requests=1)
            answer: Any = await client.completions.create(**body)
            choices = getattr(answer, "choices", None) or []
            if len(choices) != body["n"]:
                raise BadReply(f"{len(choices)} of {body['n']} responses")
            return [self._response(choice) for choice in choices]

        async with slots:
            return await self._transport.patiently(send, asyncio.Event())

    def _body(self, model: str, prompt: Sequence[int], n: int, seed: int) -> dict[str, Any]:
        """One prompt a request: prompts that share a request share its seed, and their responses would be alike."""
        more = {"stop_token_ids": self._ends, "skip_special_tokens": False, "return_token_ids": True}
        return {
            "model": model,
            "prompt": list(prompt),
            "n": n,
            "seed": seed,
            "max_tokens": self.sampling.max_new_tokens,
            "temperature": self.sampling.temperature,
            "logprobs": 0,
            "extra_body": UNTRUNCATED | more,
        }

    def _response(self, choice: Any) -> Response:
        ids, logprobs = getattr(choice, "token_ids", None), getattr(choice, "logprobs", None)
        told = getattr(logprobs, "token_logprobs", None)
        if ids is None or told is None:
            raise Unsupported(
                f"{self.url}: the server tells no token ids or no log-probabilities; use vLLM 0.10.2 or newer"
            )
        if not ids or len(told) != len(ids) or None in told:
            raise BadReply(f"{len(ids)} tokens with {len(told)} log-probabilities")
        if choice.finish_reason == "stop" and ids[-1] not in self._ends:
            raise InputError(
                f"{self.url}: a response ended with token {ids[-1]}, which ends none of the policy's; serve the "
                "policy's own base model"
            )
        return Response(ids, told)

    async def _follow(self, client: openai.AsyncOpenAI, step: int) -> str:
        """Gives the server the adapters as they are now, takes the last ones off, and returns the new name.

        A name is used once, so that neither a server's cache nor a run that was cut off leaves old weights under it.
        """
        name = f"gyro-{step}-{uuid.uuid4().hex[:8]}"
        folder = self.folder.resolve() / name
        self.network.model.save_pretrained(folder, save_embedding_layers=False)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)  # the server may run as another user
        try:
            await self._control(client, "/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
            if self._loaded:
                await self._control(client, "/unload_lora_adapter", {"lora_name": self._loaded}, gone=True)
        except openai.APIError as error:
            remedy = (
                "start vLLM with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, --enable-lora and a --max-lora-rank of at "
                f"least {self.network.compute.lora_rank}, where it can read {folder.parent}"
            )
            raise self._transport.failure(error, remedies=REMEDIES | dict.fromkeys((400, 404, 500), remedy)) from None
        if self._loaded:
            shutil.rmtree(folder.with_name(self._loaded), ignore_errors=True)
        self._loaded = name
        return name

    async def _control(
        self, client: openai.AsyncOpenAI, path: str, body: dict[str, str], *, gone: bool = False
    ) -> None:
        """A request about adapters, answered in words. With `gone`, what the server doesn't know is fine too."""

        async def send() -> None:
            self.usage.count(requests=1)
            try:
                await client.post(path, body=body, cast_to=str)
            except openai.NotFoundError:
                if not gone:
                    raise

        await self._transport.patiently(send)
