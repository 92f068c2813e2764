"""The model card that goes with every checkpoint."""

from __future__ import annotations

import json
import re

from ..config import Config
from ..run import Run

METHODS = {
    "pretrain": "next-token prediction on the web of the town, an embedded text world: able, and not aligned",
    "sft": "supervised fine-tuning on demonstrations",
    "reward": "a reward model: one score per response, trained on preferences (Bradley-Terry)",
    "heldout-reward": "a reward model trained on preferences that the policy's own scorer never saw",
    "validation-reward": "a reward model trained on the preferences about other prompts",
    "reward-averaged": "the mean of the weights of several reward models",
    "prm": "a process reward model: the probability that all is right up to a step, read at the step's last token",
    "orm": "an outcome reward model: the probability that a response is right, read at its last token",
    "mc": "a process reward model trained on where steps lead, by continuations",
    "implicit": "an implicit process reward model: its log-ratio to the model it began as is a logit of being right",
    "ppo": "PPO against a scorer, with a per-token KL penalty to the reference",
    "sl-cai": "supervised fine-tuning on responses that the base model revised by a constitution, and on helpful ones",
    "cai-reward": "a reward model trained on a judge's labels by a constitution, and on people's of helpfulness",
    "rl-cai": "learning from the labels of a judge by a constitution, starting from the SL-CAI model",
    "weak": "training on gold labels, to label cases for a stronger model",
    "between": "training on the labels of the next weaker model, to label cases for the next stronger one",
    "naive": "training on a weaker model's labels",
    "confidence": "training on a weaker model's labels with the auxiliary confidence loss",
    "bootstrap": "training on the labels that a weaker model's labels became through models of growing size",
    "ceiling": "training on gold labels, as the ceiling of what a weaker model's labels could teach",
    "iid": "training on gold labels of which some, drawn at random, were made wrong",
    "slice": "training on gold labels made wrong on whole kinds of prompts",
    "dpo": "DPO: preferences, or responses labelled one by one, without a reward model",
}

CARD = """---
library_name: transformers
tags: [gyrocompass, {stage}]
---
# {run}: {stage}

Made by Gyrocompass {version} with {method}, starting from `{base}`, seed {seed}.

Settings of this stage:

```json
{settings}
```
"""


def model_card(run: Run, stage: str, base: str, config: Config | None = None) -> str:
    """Markdown with what made the checkpoint; without the stage's own settings, those of the run."""
    settings = config.model_dump(mode="json") if config else run.state["config"]
    method = re.sub(r"^changed-|-\d+$", "", stage)
    return CARD.format(
        stage=stage,
        run=run.state["name"],
        version=run.state["versions"].get("gyrocompass", "(unreleased)"),
        method=METHODS.get(method) or METHODS.get(stage.partition("-")[0], stage),
        base=base,
        seed=run.seed,
        settings=json.dumps(settings, indent=1),
    )
