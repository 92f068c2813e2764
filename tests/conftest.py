"""Shapes are checked in every test: jaxtyping's annotations are enforced by beartype."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from gyrocompass.cli import ENVIRONMENT

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.update(ENVIRONMENT)  # read once, when OpenMP is loaded

import torch

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
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>")


def random_model(architecture, **changes):
    """A tiny causal LM with random weights."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "gpt2": {"n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 2},
        "llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
                  "max_position_embeddings": 256},
        "qwen2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                  "intermediate_size": 64, "max_position_embeddings": 256},
        "opt": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 64,
                "max_position_embeddings": 256, "word_embed_proj_dim": 32},
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
    from gyrocompass.models.loading import load

    def make(architecture="llama", compute=None, **options):
        return load(str(checkpoint(architecture)), compute or Compute(precision="fp32"), **options)

    return make


@pytest.fixture
def gyro(capfd):
    """gyro(*arguments) -> (exit code, standard output, standard error) of the command line, in this process."""
    from gyrocompass.cli import main

    def call(*arguments):
        code = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
        return code, *capfd.readouterr()

    return call


TINY_TOWN = [
    "sampling.max_new_tokens=20", "preferences.demonstrations=300", "preferences.prompts=200", "sft.epochs=1",
    "reward.epochs=1", "ppo.steps=4", "ppo.batch_size=32", "ppo.epochs=1", "ppo.checkpoint_every=2",
    "evaluation.prompts=60", "evaluation.probes=2", "evaluation.best_of=4", "evaluation.properties=160",
    "probing.probe=honesty", "probing.probe_prompts=30", "probing.probe_every=2",
]  # fmt: skip
"""Settings of a run on the town that takes seconds: enough for every part to happen, not for it to matter."""


@pytest.fixture(scope="session")
def command():
    """command(out) -> the command line of that run."""

    def line(out):
        sets = [part for setting in TINY_TOWN for part in ("--set", setting)]
        return [str(Path(sys.executable).with_name("gyro")), "run", "--out", str(out), *sets, "--json"]

    return line


@pytest.fixture(scope="session")
def town_run(tmp_path_factory, command):
    """A finished tiny run on the town, shared by the session: its folder and its closing JSON line."""
    folder = tmp_path_factory.mktemp("town") / "run"
    done = subprocess.run(command(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])
