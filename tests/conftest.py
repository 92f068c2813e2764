"""Shapes are checked in every test: jaxtyping's annotations are enforced by beartype."""

import os

import pytest
import torch
from jaxtyping import install_import_hook

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

install_import_hook(["gyrocompass.maths", "gyrocompass.models", "gyrocompass.learn"], "beartype.beartype")


def byte_tokenizer():
    """A byte-level tokenizer like GPT-2's: no pad token, no chat template, begin = end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )


def random_model(architecture, **changes):
    """A tiny causal LM with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "gpt2": {"n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 2},
        "llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                  "max_position_embeddings": 256},
        "gemma2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                   "head_dim": 16, "intermediate_size": 64, "max_position_embeddings": 256,
                   "final_logit_softcapping": 0.05},
    }  # fmt: skip
    options = sizes[architecture] | {"vocab_size": 257, "bos_token_id": 256, "eos_token_id": 256} | changes
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **options))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """checkpoint(architecture) -> folder of a tiny random checkpoint with a byte-level tokenizer."""
    made = {}

    def make(architecture="llama"):
        if architecture not in made:
            folder = tmp_path_factory.mktemp(architecture)
            random_model(architecture).save_pretrained(folder)
            byte_tokenizer().save_pretrained(folder)
            made[architecture] = folder
        return made[architecture]

    return make


@pytest.fixture(scope="session")
def tiny(checkpoint):
    """tiny(architecture, **load options) -> a Network of that tiny checkpoint."""
    from gyrocompass.config import Compute
    from gyrocompass.models.network import load

    def make(architecture="llama", compute=None, **options):
        return load(str(checkpoint(architecture)), compute or Compute(precision="fp32"), **options)

    return make
