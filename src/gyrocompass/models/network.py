"""A Hugging Face model with its tokenizer on its device: how it is read, and saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..config import Compute
from ..maths.logprobs import token_logprobs
from .batching import Padded, by_prompt, micro_batches, packed_batches, pad, tokens_read
from .chat import Row

CPU_TOKENS, GPU_TOKENS = 768, 16384
"""Tokens of a micro-batch unless set: what a processor's caches like, and what a GPU needs to be busy."""
LONGEST_PACKED = 1024
"""Tokens; a longer row is better off with the library's attention, which keeps no weights."""


@dataclass
class Network:
    """A causal LM (`score` is None) or a scorer with one output per position (`score` is its head)."""

    model: Any
    tokenizer: Any
    compute: Compute
    device: torch.device
    max_tokens: int
    autocast_type: torch.dtype | None
    linear_head: bool = True
    packs: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def core(self) -> Any:
        """The transformers model, adapters or not."""
        return self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def autocast(self) -> AbstractContextManager[Any]:
        if self.autocast_type is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.autocast_type)

    @property
    def budget_tokens(self) -> int:
        """Of a micro-batch."""
        return self.compute.micro_batch_tokens or (CPU_TOKENS if self.device.type == "cpu" else GPU_TOKENS)

    def packs_rows(self, rows: Sequence[Row]) -> bool:
        """Whether this network reads these rows packed."""
        return self.packs and max(map(len, rows)) <= LONGEST_PACKED

    def cuts(self, rows: Sequence[Row]) -> list[list[int]]:
        """Indices of rows in micro-batches of this network's budget; where it packs, rows of one prompt together."""
        if not self.packs_rows(rows):
            return micro_batches([len(row) for row in rows], self.budget_tokens)
        groups = by_prompt(rows, self.budget_tokens)
        tokens = [tokens_read([rows[i] for i in group]) for group in groups]
        return [[i for g in cut for i in groups[g]] for cut in packed_batches(tokens, self.budget_tokens)]

    def batch(self, rows: Sequence[Row], *, whole: bool = False) -> Padded:
        """Rows as this network reads them, on its device: packed where it can."""
        return pad(rows, whole=whole, packed=self.packs_rows(rows)).to(self.device)

    def states(self, batch: Padded) -> Float[Tensor, "P D"]:
        """Last hidden states, flat; a padded batch says where each token's is."""
        states: Tensor = self.core.base_model(**inputs(batch)).last_hidden_state
        return states.flatten(0, 1)

    def logprobs(self, batch: Padded, temperature: float = 1.0) -> Float[Tensor, "B t"]:
        """Log-probability of each masked token, nats; 0 outside the mask. Only masked positions meet the head."""
        logp = self.masked_logprobs(batch, temperature)
        return logp.new_zeros(batch.mask.numel()).index_copy(0, batch.cells, logp).view(batch.mask.shape)

    def masked_logprobs(self, batch: Padded, temperature: float = 1.0) -> Float[Tensor, "M"]:
        """Log-probability of each masked token, row by row, nats, fp32."""
        with self.autocast():
            if self.linear_head:
                head = self.core.get_output_embeddings()
                states = self.states(batch).index_select(0, batch.predicting)
                return token_logprobs(states, head.weight, batch.targets, temperature, getattr(head, "bias", None))
            logits = self.core(**inputs(batch)).logits.flatten(0, 1).index_select(0, batch.predicting)
            return torch.log_softmax(logits.float() / temperature, -1).gather(-1, batch.targets[:, None])[:, 0]

    def scalars(self, batch: Padded) -> Float[Tensor, "B T"]:
        """The scorer's output at every token, fp32, on the scale its config holds (see RewardModel); 0 elsewhere."""
        out = self.scalars_at(batch, batch.tokens)
        return out.new_zeros(batch.ids.numel()).index_copy(0, batch.entries, out).view(batch.ids.shape)

    def scalars_at(self, batch: Padded, positions: Int[Tensor, "M"]) -> Float[Tensor, "M"]:
        """The scorer's output at these positions of the states."""
        with self.autocast():
            out: Tensor = self.core.score(self.states(batch).index_select(0, positions))
        config = self.core.config
        shift, scale = getattr(config, "reward_mean", 0.0), getattr(config, "reward_std", 1.0)
        return (out.squeeze(-1).float() - shift) / scale

    def save(self, folder: Path) -> None:
        """Safetensors, tokenizer, chat template. With LoRA: merged into `folder`, adapters beside it."""
        model = self.model
        if hasattr(model, "peft_config"):
            model.save_pretrained(folder.with_name("adapter"))
            model = model.merge_and_unload()
        if model.can_generate():
            model.generation_config.do_sample = True  # as it was trained to
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)  # the library leaves them to their owner alone

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        """The weights as they were before the adapters."""
        with self.model.disable_adapter(), torch.no_grad():
            yield


def inputs(batch: Padded) -> dict[str, Any]:
    """A model's arguments. The mask of one entry keeps the model from making one: a layout says what is seen."""
    layout = batch.layout
    if layout is None:
        return {"input_ids": batch.ids, "use_cache": False}
    unused = torch.zeros(1, 1, 1, 1, device=layout.ids.device)
    return {
        "input_ids": layout.ids, "position_ids": layout.positions, "attention_mask": unused, "use_cache": False,
        "layout": layout,
    }  # fmt: skip
