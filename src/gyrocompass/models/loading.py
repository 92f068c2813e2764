"""Models from folders and hub names, made ready: dropout off, adapters, and what the machine is fast at."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from ..config import Compute
from ..errors import InputError, Unsupported
from ..files import read_json
from . import attention, chat, fused, linear
from .batching import pad
from .chat import Row
from .network import Network, inputs

BF16_MIN_WIDTH = 384
"""Hidden width from which bf16 products pay for their casts on a CPU."""

HEAD = "score.weight"
"""What turns a causal LM's states into one output per position."""

IMPLICIT = "implicit_beta"
MARKS = ("step_joint", IMPLICIT)
"""What the config of a model that scores steps says of it; a model trained from it is another thing."""

NARROW = 256
"""Hidden width below which a CPU computes with one thread: waking the others costs more than they bring."""
ALL_THREADS = torch.get_num_threads()


def load(name: str, compute: Compute, *, scalar: bool = False, trainable: bool = False, seed: int = 0) -> Network:
    """A causal LM, or with `scalar` a model with one output per position, from a folder or hub name.

    A trainable scalar model from a causal LM gets a fresh zero head. Dropout is off. With `trainable` and a
    LoRA rank, only adapters (and the head) are trained; `seed` draws the adapters.
    Raises InputError if nothing loads from there, the tokenizer has no end token, or a frozen scalar has no head.
    """
    tokenizer, model = _load_pair(name, compute, scalar, trainable)
    return of(model, tokenizer, compute, scalar=scalar, trainable=trainable, seed=seed)


def of(
    model: Any, tokenizer: Any, compute: Compute, *, scalar: bool = False, trainable: bool = False, seed: int = 0
) -> Network:
    """The same from a model and a tokenizer in memory."""
    device = _device(compute)
    width = model.config.get_text_config().hidden_size
    if device.type == "cpu":
        torch.set_num_threads(1 if width < NARROW else ALL_THREADS)
    notes = chat.prepare(tokenizer)
    _disable_dropout(model)
    network = Network(
        model=model.to(device),
        tokenizer=tokenizer,
        compute=compute,
        device=device,
        max_tokens=_context(model, compute),
        autocast_type=_autocast_type(compute, device, width),
        notes=notes,
    )
    if not scalar:
        network.linear_head = _head_is_linear(network)
    network.packs = device.type == "cpu" and _packs(network)
    network = _trainable(network, scalar, seed) if trainable else _frozen(network)
    linear.install(network.model)
    fused.install(network.model)
    return network


def check(name: str, compute: Compute) -> None:
    """The part of `load` that costs nothing: raises InputError if no tokenizer loads, or it has no end token."""
    with _named(name):
        tokenizer = _tokenizer(name, compute)
    chat.prepare(tokenizer)


def _tokenizer(name: str, compute: Compute) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name, trust_remote_code=compute.trust_remote_code)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Whatever keeps a model from being loaded becomes one line with its name."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{name}: can't be loaded as a model ({first[:200]}); give a folder or a hub name") from None


def _load_pair(name: str, compute: Compute, scalar: bool, trainable: bool) -> tuple[Any, Any]:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    options = {"trust_remote_code": compute.trust_remote_code, "dtype": torch.float32, "use_safetensors": True}
    with _named(name):
        tokenizer = _tokenizer(name, compute)
        model, missing = (_scalar if scalar else _causal)(name, options)
    if scalar:
        _check_head(name, model, HEAD not in missing, trainable)
        model.config.pad_token_id = tokenizer.pad_token_id
    if missing - {HEAD}:
        raise InputError(f"{name}: not a whole model: {min(missing - {HEAD})} is missing")
    return tokenizer, model


def _check_head(name: str, model: Any, trained: bool, trainable: bool) -> None:
    """A head that no training made starts from zero, and is of use only to be trained."""
    if not hasattr(model, "score"):
        raise InputError(f"{name}: {type(model).__name__} has no `score` head; use a decoder-only model")
    if trained:
        return
    if not trainable and hasattr(model.config, IMPLICIT):
        remedy = "name the model it began as with `gyro process --reference`, or train a model on the steps it labels"
        raise InputError(f"{name}: an implicit process reward model, which scores by likelihood; {remedy}")
    if not trainable:
        raise InputError(f"{name}: a language model, which scores nothing; train a reward model from it")
    nn.init.zeros_(model.score.weight)


def _causal(name: str, options: dict[str, Any]) -> tuple[Any, set[str]]:
    """A causal LM, and which weights its files lack; for an adapter, its base with the adapter in the weights."""
    from transformers import AutoModelForCausalLM

    if _adapts(name):
        return _merged(name, "AutoPeftModelForCausalLM", options), set()
    model, found = AutoModelForCausalLM.from_pretrained(name, output_loading_info=True, **options)
    return model, set(found["missing_keys"])


def _scalar(name: str, options: dict[str, Any]) -> tuple[Any, set[str]]:
    """The same with one output per position, whose head is new on a causal LM."""
    from transformers import AutoModelForSequenceClassification

    options, task = options | {"num_labels": 1}, _adapts(name)
    with _quiet():
        if task == "CAUSAL_LM":
            adapted, _ = _causal(name, options)
            model = AutoModelForSequenceClassification.from_config(adapted.config)
            setattr(model, model.base_model_prefix, adapted.base_model)
            return model, {HEAD}
        if task:
            return _merged(name, "AutoPeftModelForSequenceClassification", options), set()
        model, found = AutoModelForSequenceClassification.from_pretrained(name, output_loading_info=True, **options)
    return model, set(found["missing_keys"])


def _adapts(name: str) -> str | None:
    """What an adapter was trained for, by the field's name of the task; None for a whole model.

    An adapter that doesn't say so, as by PEFT's default, is a causal LM's.
    """
    from transformers.utils.peft_utils import find_adapter_config_file

    found = find_adapter_config_file(name)
    return (read_json(Path(found)).get("task_type") or "CAUSAL_LM") if found else None


def _merged(name: str, kind: str, options: dict[str, Any]) -> Any:
    """An adapter's base with its weights in. Raises InputError if some of these are missing: PEFT raises KeyError for
    a head, and warns of others."""
    import peft

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            adapted = getattr(peft, kind).from_pretrained(name, **options)
        except KeyError as error:
            raise InputError(f"{name}: not a whole adapter: {error} is missing") from None
        if lacking := next((said for each in heard if "missing adapter keys" in (said := str(each.message))), None):
            raise InputError(f"{name}: not a whole adapter: {lacking:.160}")
        return adapted.merge_and_unload()


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
    compute, config = network.compute, network.core.config
    for mark in MARKS:
        if hasattr(config, mark):
            delattr(config, mark)
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
    network.core.get_input_embeddings().padding_idx = None  # an end token that pads as well is learnt like any other
    if compute.gradient_checkpointing:
        core = network.core  # renamed in the library
        enable = getattr(core, "activation_checkpointing_enable", None) or core.gradient_checkpointing_enable
        enable()
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
        expected = network.core(**inputs(batch)).logits[0]
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
