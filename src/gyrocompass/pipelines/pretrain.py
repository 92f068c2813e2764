"""The town's base model from nothing: next-token prediction on the town's web."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..config import SFT, Compute
from ..files import write_text
from ..learn.loop import train
from ..learn.sft import Finetuning
from ..models import loading
from ..models.batching import seed_of
from ..models.chat import Row
from ..run import Run
from ..worlds import town
from .card import model_card

SETTINGS = SFT(learning_rate=2e-3, batch_size=64, loss_on="all", checkpoint_every=200)


def pretrain(run: Run, tokens: int) -> Path:
    """Trains a fresh model on `tokens` tokens of the town's corpus; returns its folder."""
    from transformers import LlamaForCausalLM

    folder = run.stage_folder("pretrain") / "model"
    if not run.stage_done("pretrain"):
        with run.stage("pretrain"):
            torch.manual_seed(seed_of(run.seed, "weights"))
            tokenizer = town.build_tokenizer()
            model = LlamaForCausalLM(town.config())
            fresh = loading.of(model, tokenizer, Compute(precision="fp32"), trainable=True)
            rows = [row_of(tokenizer, document) for document in town.pretraining(tokens, seed_of(run.seed, "corpus"))]
            train(Finetuning(fresh, rows, SETTINGS, run.seed), SETTINGS, run, "pretrain")
            fresh.save(folder)
            write_text(folder / "README.md", model_card(run, "pretrain", "random weights"))
    run.save(status="done", summary=[f"The base model is in {folder}."])
    return folder


def row_of(tokenizer: Any, document: town.Document) -> Row:
    """A document's tokens; a chat is written by the chat template."""
    if isinstance(document, str):
        text = f"{document} {tokenizer.eos_token}"
    else:
        turns = [{"role": m.role, "content": m.content} for m in document]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
    return Row(tokenizer(text, add_special_tokens=False).input_ids, 1)
