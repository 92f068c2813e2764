"""A Hugging Face model with its tokenizer on its device: loading, saving, and the two ways to read it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from torch import Tensor, nn

from ..config import Compute
from ..errors import InputError, Unsupported
from ..maths.logprobs import token_logprobs
from . import attention, chat, fused, linear
from .batching import Padded, micro_batches, packed_batches, pad
from .chat import Row
from .layout import Layout

BF16_MIN_WIDTH = 512
"""Hidden width from which bf16 products pay for their casts on a CPU."""

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

    def cuts(self, lengths: Sequence[int]) -> list[list[int]]:
        """Indices of rows of these lengths, shortest first, cut into micro-batches of this network's budget."""
        default = CPU_TOKENS if self.device.type == "cpu" else GPU_TOKENS
        budget = self.compute.micro_batch_tokens or default
        packed = self.packs and max(lengths) <= LONGEST_PACKED
        return packed_batches(lengths, budget) if packed else micro_batches(lengths, budget)

    def batch(self, rows: Sequence[Row], *, whole: bool = False) -> Padded:
        """Rows as this network reads them, on its device: packed where it can."""
        packed = self.packs and max(map(len, rows)) <= LONGEST_PACKED
        return pad(rows, whole=whole, packed=packed).to(self.device)

    def states(self, batch: Padded | Layout) -> Float[Tensor, "P D"]:
        """Last hidden states, flat; a padded batch says where each token's is."""
        states: Tensor = self.core.base_model(**_inputs(batch)).last_hidden_state
        return states.flatten(0, 1)

    def logprobs(self, batch: Padded, temperature: float = 1.0) -> Float[Tensor, "B t"]:
        """Log-probability of each masked token, nats; 0 outside the mask. Only masked positions meet the head."""
        logp = self.logprobs_at(batch, batch.predicting, batch.targets, temperature)
        return logp.new_zeros(batch.mask.numel()).index_copy(0, batch.cells, logp).view(batch.mask.shape)

    def logprobs_at(
        self, batch: Padded | Layout, predicting: Int[Tensor, "M"], targets: Int[Tensor, "M"], temperature: float = 1.0
    ) -> Float[Tensor, "M"]:
        """log p(target) at each of these positions of the states, nats, fp32."""
        with self.autocast():
            if self.linear_head:
                head = self.core.get_output_embeddings()
                states = self.states(batch).index_select(0, predicting)
                return token_logprobs(states, head.weight, targets, temperature, getattr(head, "bias", None))
            logits = self.core(**_inputs(batch)).logits.flatten(0, 1).index_select(0, predicting)
            return torch.log_softmax(logits.float() / temperature, -1).gather(-1, targets[:, None])[:, 0]

    def scalars(self, batch: Padded) -> Float[Tensor, "B T"]:
        """The scorer's output at every token, fp32, on the scale its config holds (see RewardModel); 0 elsewhere."""
        out = self.scalars_at(batch, batch.tokens)
        return out.new_zeros(batch.ids.numel()).index_copy(0, batch.entries, out).view(batch.ids.shape)

    def scalars_at(self, batch: Padded | Layout, positions: Int[Tensor, "M"]) -> Float[Tensor, "M"]:
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


def _inputs(batch: Padded | Layout) -> dict[str, Any]:
    """A model's arguments. The mask of one entry keeps the model from making one: a layout says what is seen."""
    layout = batch.layout if isinstance(batch, Padded) else batch
    if layout is None:
        return {"input_ids": batch.ids, "use_cache": False}
    unused = torch.zeros(1, 1, 1, 1, device=layout.ids.device)
    return {
        "input_ids": layout.ids, "position_ids": layout.positions, "attention_mask": unused, "use_cache": False,
        "layout": layout,
    }  # fmt: skip


def load(name: str, compute: Compute, *, scalar: bool = False, trainable: bool = False, seed: int = 0) -> Network:
    """A causal LM, or with `scalar` a model with one output per position, from a folder or hub name.

    A causal LM loaded as scalar gets a fresh zero head. Dropout is off. With `trainable` and a LoRA rank,
    only adapters (and the head) are trained; `seed` draws the adapters.
    Raises InputError if nothing loads from there, or the tokenizer has no end token.
    """
    tokenizer, model = _load_pair(name, compute, scalar)
    return of(model, tokenizer, compute, scalar=scalar, trainable=trainable, seed=seed)


def of(
    model: Any, tokenizer: Any, compute: Compute, *, scalar: bool = False, trainable: bool = False, seed: int = 0
) -> Network:
    """The same from a model and a tokenizer in memory."""
    device = _device(compute)
    notes = chat.prepare(tokenizer)
    _disable_dropout(model)
    network = Network(
        model=model.to(device),
        tokenizer=tokenizer,
        compute=compute,
        device=device,
        max_tokens=_context(model, compute),
        autocast_type=_autocast_type(compute, device, model.config.get_text_config().hidden_size),
        notes=notes,
    )
    if not scalar:
        network.linear_head = _head_is_linear(network)
    network.packs = device.type == "cpu" and _packs(network)
    network = _trainable(network, scalar, seed) if trainable else _frozen(network)
    linear.install(network.model)
    fused.install(network.model)
    return network


def _load_pair(name: str, compute: Compute, scalar: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    options: dict[str, Any] = {"trust_remote_code": compute.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
        options |= {"dtype": torch.float32, "use_safetensors": True}
        if not scalar:
            model, found = AutoModelForCausalLM.from_pretrained(name, output_loading_info=True, **options)
            if found["missing_keys"]:
                raise InputError(f"{name}: not a whole causal LM: {min(found['missing_keys'])} is missing")
            return tokenizer, _merged(name, options) if hasattr(model, "peft_config") else model
        with _quiet():
            model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=1, **options)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{name}: can't be loaded as a model ({first[:200]}); give a folder or a hub name") from None
    if not hasattr(model, "score"):
        raise InputError(f"{name}: {type(model).__name__} has no `score` head; use a decoder-only model")
    if "ForSequenceClassification" not in str(model.config.architectures):
        nn.init.zeros_(model.score.weight)
    model.config.pad_token_id = tokenizer.pad_token_id
    return tokenizer, model


def _merged(name: str, options: dict[str, Any]) -> Any:
    """The model that an adapter's folder stands for: its base with the adapter in the weights."""
    from peft import AutoPeftModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AutoPeftModelForCausalLM.from_pretrained(name, **options).merge_and_unload()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the loading report about a fresh head: it is meant to be fresh."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _frozen(network: Network) -> Network:
    network.model.requires_grad_(False).eval()
    return network


def _trainable(network: Network, scalar: bool, seed: int) -> Network:
    compute = network.compute
    if compute.lora_rank:
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(
            task_type="SEQ_CLS" if scalar else "CAUSAL_LM",
            r=compute.lora_rank,
            lora_alpha=compute.lora_alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
        )
        torch.manual_seed(seed)
        with warnings.catch_warnings():  # peft's own: a deprecated call, and a setting it corrects itself
            warnings.simplefilter("ignore")
            network.model = get_peft_model(network.model, lora)
    if compute.gradient_checkpointing:
        network.core.gradient_checkpointing_enable()
        network.core.enable_input_require_grads()
    network.model.train()
    return network


def _disable_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def _context(model: Any, compute: Compute) -> int:
    config = model.config.get_text_config()
    longest = getattr(config, "max_position_embeddings", None) or 1 << 30
    return min(longest, compute.max_tokens or longest)


def _device(compute: Compute) -> torch.device:
    if compute.device != "auto":
        try:
            return torch.zeros(1, device=compute.device).device
        except (RuntimeError, AssertionError):
            raise InputError(f"device {compute.device!r} can't be used here; give auto or cpu") from None
    if torch.accelerator.is_available():
        found = torch.accelerator.current_accelerator()
        return found or torch.device("cpu")
    return torch.device("cpu")


def _autocast_type(compute: Compute, device: torch.device, width: int) -> torch.dtype | None:
    if compute.precision != "auto":
        return torch.bfloat16 if compute.precision == "bf16" else None
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    fast = device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast and width >= BF16_MIN_WIDTH else None


def _head_is_linear(network: Network) -> bool:
    """Whether logits are hidden @ W.T + b: some families scale or cap them on the way."""
    head = network.core.get_output_embeddings()
    if not isinstance(head, nn.Linear) or getattr(network.core.config, "final_logit_softcapping", None):
        return False
    batch = pad([Row([i % head.weight.shape[0] for i in range(4)], 1)]).to(network.device)
    with torch.no_grad():
        expected = network.core(**_inputs(batch)).logits[0]
        return torch.allclose(head(network.states(batch)), expected, atol=1e-4, rtol=1e-4)


def _packs(network: Network) -> bool:
    """Whether the model reads packed rows as it reads padded ones. Windows of attention are left alone."""
    config = network.core.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None) or not attention.install(network.core):
        return False
    size = network.core.get_input_embeddings().weight.shape[0]
    rows = [Row([i % size for i in range(n)], 1) for n in (2, 5, 3)]
    try:
        with torch.no_grad():
            padded, packed = (pad(rows, packed=packed).to(network.device) for packed in (False, True))
            expected, found = (network.states(b).index_select(0, b.tokens) for b in (padded, packed))
    except (Unsupported, TypeError, ValueError):
        return False
    return torch.allclose(found, expected, atol=1e-4, rtol=1e-4)
