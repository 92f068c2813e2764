"""Small models of the town, made from nothing: they have read its web, and know less than the base."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from transformers import LlamaForCausalLM

from ..config import SFT, Compute
from ..learn.loop import train
from ..learn.sft import Finetuning
from ..models import loading
from ..models.batching import seed_of
from ..run import Run
from ..worlds import town
from . import stages
from .pretrain import row_of


class Shape(NamedTuple):
    """Of a Llama, and the tokens of the town's web that it reads."""

    width: int
    layers: int
    heads: int
    tokens: int


WEAK, MIDDLE = Shape(32, 2, 4, 300_000), Shape(64, 3, 4, 500_000)
SETTINGS = SFT(learning_rate=3e-3, batch_size=32, loss_on="all", checkpoint_every=200)


def small(run: Run, name: str, shape: Shape, compute: Compute) -> str:
    """A model of this shape, pretrained in a stage `pretrain-NAME`; its folder."""
    stage = f"pretrain-{name}"
    folder: Path = run.stage_folder(stage) / "model"
    if not run.stage_done(stage):
        with run.stage(stage):
            torch.manual_seed(seed_of(run.seed, "weights", name))
            tokenizer = town.build_tokenizer()
            network = loading.of(_fresh(shape), tokenizer, compute, trainable=True)
            corpus = town.pretraining(shape.tokens, seed_of(run.seed, "corpus"))
            rows = [row_of(tokenizer, document) for document in corpus]
            train(Finetuning(network, rows, SETTINGS, run.seed), SETTINGS, run, stage)
            stages.save(run, network, folder, stage, "random weights", SETTINGS)
    return str(folder)


def _fresh(shape: Shape) -> LlamaForCausalLM:
    config = town.config()
    config.update({
        "hidden_size": shape.width, "intermediate_size": 3 * shape.width, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.heads, "head_dim": shape.width // shape.heads,
    })  # fmt: skip
    return LlamaForCausalLM(config)
