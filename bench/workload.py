"""What is trained and sampled from: random weights in a few shapes, random words of skewed lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

from gyrocompass.config import Compute
from gyrocompass.models import loading
from gyrocompass.models.network import Network
from gyrocompass.records import Example, Preference, user
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


def word_tokenizer(vocabulary: int) -> Any:
    """A tokenizer of this many tokens, one a word."""
    special = ("<pad>", "<eos>", "<unk>", "<system>", "<user>", "<assistant>")
    names = (*special, *(f"w{i}" for i in range(vocabulary - len(special))))
    model = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    model.pre_tokenizer = WhitespaceSplit()
    tokens = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=model, **tokens, clean_up_tokenization_spaces=False)
    fast.chat_template = CHAT_TEMPLATE
    return fast


class Blocks(NamedTuple):
    """A Llama's layers: how many there are, and their widths."""

    layers: int
    hidden: int
    inner: int
    heads: int
    groups: int
    context: int

    def config(self, vocabulary: int) -> LlamaConfig:
        return LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.groups,
            max_position_embeddings=self.context,
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
            dtype="float32",
        )


BLOCKS = {
    "small": (4096, Blocks(8, 384, 1024, 6, 6, 512)),
    "0.5b": (151_936, Blocks(24, 896, 4864, 14, 2, 2048)),
    "1.5b": (151_936, Blocks(28, 1536, 8960, 12, 2, 2048)),
}
"""Vocabulary and layers; the large ones have the shapes of Qwen2.5."""

ALIASES = {"15m": "small"}


def size_of(name: str, vocabulary: int | None = None) -> Size:
    """A size by its name, with its own vocabulary or another one. Raises ValueError for the town with another one."""
    name = ALIASES.get(name, name)
    if name == "town":
        if vocabulary is not None:
            raise ValueError("the town has a vocabulary of its own; take another size")
        return Size("town", town.config, town.build_tokenizer, 64, 8, 8, 32)
    usual, blocks = BLOCKS[name]
    words = vocabulary or usual
    lengths = (48, 64, 64) if name == "small" else (192, 256, 256)
    return Size(name, partial(blocks.config, words), partial(word_tokenizer, words), 16, *lengths)


SIZES = {name: size_of(name) for name in ("town", "small")}
"""Those that two cores train in seconds."""


def weights(size: Size, *, scalar: bool = False) -> Any:
    """A model of this size, drawn from seed 0.

    A causal LM has several end tokens, so that the lengths of its nearly uniform random responses are geometric
    with a mean of half of `new_tokens`.
    """
    torch.manual_seed(0)
    config = size.shape()
    config.num_labels = 1
    model = (LlamaForSequenceClassification if scalar else LlamaForCausalLM)(config)
    if not scalar:
        ends = max(1, round(2 * config.vocab_size / size.new_tokens))
        model.generation_config.eos_token_id = list(range(1, 1 + ends))
        model.generation_config.do_sample = True
    return model


def build(size: Size, compute: Compute, *, scalar: bool = False, trainable: bool = False) -> Network:
    """A network of these weights."""
    return loading.of(weights(size, scalar=scalar), size.tokenizer(), compute, scalar=scalar, trainable=trainable)


def examples(size: Size, n: int, seed: int = 0) -> list[Example]:
    """n prompts with responses: random words, log-normal lengths, no longer together than the context."""
    rng = np.random.default_rng(seed)
    words = np.array(sorted(word for word in size.tokenizer().get_vocab() if not word.startswith("<")))
    longest = size.shape().max_position_embeddings // 2 - 4
    medians = np.array([size.prompt_tokens, size.response_tokens])
    lengths = np.clip(medians * np.exp(SKEW * rng.standard_normal((n, 2))), 1, longest).astype(int)
    texts = [[" ".join(rng.choice(words, length)) for length in pair] for pair in lengths]
    return [Example(user(prompt), response) for prompt, response in texts]


def preferences(size: Size, n: int, seed: int = 0) -> list[Preference]:
    """n prompts with two responses each, of lengths drawn apart; the first is preferred."""
    both = zip(examples(size, n, seed), examples(size, n, seed + 1), strict=True)
    return [Preference(one.prompt, str(one.response), str(two.response)) for one, two in both]
