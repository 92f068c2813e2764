"""What is trained and sampled from: random weights in two shapes, random words of skewed lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from gyrocompass.config import Compute
from gyrocompass.models import network
from gyrocompass.models.network import Network
from gyrocompass.records import Example, user
from gyrocompass.worlds import town
from gyrocompass.worlds.town.tokenizer import CHAT_TEMPLATE

SKEW = 0.8
"""Standard deviation of the logarithm of a length: the longest of 16 is about four times the median."""


@dataclass(frozen=True)
class Size:
    """A model's shape and the lengths it meets; `prompt_tokens` and `response_tokens` are medians."""

    name: str
    shape: Callable[[], LlamaConfig]
    tokenizer: Callable[[], Any]
    batch: int
    prompt_tokens: int
    response_tokens: int
    new_tokens: int


def _words_4k() -> Any:
    """4,096 tokens, one a word."""
    special = ("<pad>", "<eos>", "<unk>", "<system>", "<user>", "<assistant>")
    names = (*special, *(f"w{i}" for i in range(4096 - len(special))))
    model = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    model.pre_tokenizer = WhitespaceSplit()
    tokens = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=model, **tokens, clean_up_tokenization_spaces=False)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _llama_15m() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=4096,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        dtype="float32",
    )


SIZES = {
    size.name: size
    for size in (
        Size("town", town.config, town.build_tokenizer, 64, 8, 8, 32),
        Size("15m", _llama_15m, _words_4k, 16, 48, 64, 64),
    )
}


def build(size: Size, compute: Compute, *, scalar: bool = False, trainable: bool = False) -> Network:
    """A network of this size with weights drawn from seed 0.

    A policy has several end tokens, so that the lengths of its nearly uniform random responses are geometric
    with a mean of half of `new_tokens`.
    """
    torch.manual_seed(0)
    config = size.shape()
    config.num_labels = 1
    model = (LlamaForSequenceClassification if scalar else LlamaForCausalLM)(config)
    if not scalar:
        ends = max(1, round(2 * config.vocab_size / size.new_tokens))
        model.generation_config.eos_token_id = list(range(1, 1 + ends))
    return network.of(model, size.tokenizer(), compute, scalar=scalar, trainable=trainable)


def examples(size: Size, n: int, seed: int = 0) -> list[Example]:
    """n prompts with responses: random words, log-normal lengths, no longer together than the context."""
    rng = np.random.default_rng(seed)
    words = [word for word in size.tokenizer().get_vocab() if not word.startswith("<")]
    longest = size.shape().max_position_embeddings // 2 - 4
    medians = np.array([size.prompt_tokens, size.response_tokens])
    lengths = np.clip(medians * np.exp(SKEW * rng.standard_normal((n, 2))), 1, longest).astype(int)
    texts = [[" ".join(rng.choice(words, length)) for length in pair] for pair in lengths]
    return [Example(user(prompt), response) for prompt, response in texts]
