"""The town's base model from nothing: next-token prediction on the town's web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..config import SFT, Compute
from ..learn.loop import train
from ..learn.sft import Finetuning
from ..models import loading
from ..models.batching import seed_of
from ..models.chat import Row
from ..run import Run
from ..worlds import town
from . import stages

if TYPE_CHECKING:
    from transformers import LlamaConfig

SETTINGS = SFT(learning_rate=2e-3, batch_size=64, loss_on="all", checkpoint_every=200)


def pretrain(run: Run, tokens: int) -> Path:
    """The base model: a fresh one trained on `tokens` tokens of the town's corpus; returns its folder."""
    folder = pretrained(run, town.config(), tokens, SETTINGS, Compute(precision="fp32"), run.seed)
    run.save(status="done", summary=[f"The base model is in {folder}."])
    return folder


def pretrained(
    run: Run, shape: LlamaConfig, tokens: int, config: SFT, compute: Compute, seed: int, *, name: str = "pretrain"
) -> Path:
    """Trains a fresh Llama of this shape on the town's corpus, in a stage of this name; returns its folder."""
    from transformers import LlamaForCausalLM

    folder = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            torch.manual_seed(seed_of(seed, "weights"))
            tokenizer = town.build_tokenizer()
            fresh = loading.of(LlamaForCausalLM(shape), tokenizer, compute, trainable=True)
            rows = [row_of(tokenizer, document) for document in town.pretraining(tokens, seed_of(seed, "corpus"))]
            train(Finetuning(fresh, rows, config, seed), config, run, name)
            stages.save(run, fresh, folder, name, "random weights", config)
    return folder


def row_of(tokenizer: Any, document: town.Document) -> Row:
    """A document's tokens; a chat is written by the chat template."""
    if isinstance(document, str):
        text = f"{document} {tokenizer.eos_token}"
    else:
        turns = [{"role": m.role, "content": m.content} for m in document]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
    return Row(tokenizer(text, add_special_tokens=False).input_ids, 1)
