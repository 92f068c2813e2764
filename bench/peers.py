"""TRL's side of a comparison: its defaults, and the settings that we found to be its fastest.

What every form sets is what makes the work the same: no truncation, the learning rate, the precision asked for (TRL's
own default is bf16), the order of the data, and nothing logged or saved. Everything else of `defaults` is as TRL ships
it: padding to the longest of the batch, gradient checkpointing, a reference model that reads every batch.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import machine
import transformers
from steps import gradient_norm
from task import LEARNING_RATE, MAX_GRAD_NORM, SAMPLED, Item, Task, Trial, device, resident_mib, share_of_long_words
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback

from gyrocompass.records import Prompt


@dataclass(frozen=True)
class Form:
    """TRL's settings beside the work itself; `micro` is how many examples are read at once, None the whole batch."""

    name: str
    order: str = "random"
    micro: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def _best(name: str, order: str, micro: int | None = None, **settings: Any) -> Form:
    return Form(name, order, micro, {"gradient_checkpointing": False, **settings})


DEFAULTS = Form("defaults")
GROUPED = {"grouped": ("grouped", None), "grouped, 4 at once": ("grouped", 4)}
BEST: dict[str, list[Form]] = {
    "sft": [_best(name, *how) for name, how in GROUPED.items()],
    "reward": [_best(name, *how) for name, how in GROUPED.items()],
    "dpo": [_best(f"{name}, kept reference", *how, precompute_ref_log_probs=True) for name, how in GROUPED.items()],
    "grpo": [_best("no checkpointing", "random"), _best("no checkpointing, 4 at once", "random", 4)],
    "rloo": [_best("no checkpointing", "random"), _best("no checkpointing, 4 at once", "random", 4)],
}
"""Candidates, of which the fastest counts."""


class Clock(TrainerCallback):
    """When each optimiser step ended. A step lasts from the end of the one before it, so fetching its data counts."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.first_gradient = 0.0

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        if not self.ends:
            self.first_gradient = gradient_norm(model.parameters())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        machine.wait(device())
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """Of every step but the first."""
        return [end - begin for begin, end in zip(self.ends, self.ends[1:], strict=False)]


class Heard:
    """What goes through a trainer: the first step's loss, and the tokens of each step."""

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.inner = trainer, trainer.training_step
        self.first_loss = 0.0
        self.tokens: dict[int, int] = {}
        trainer.training_step = self.training_step

    def training_step(self, model: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        step = self.trainer.state.global_step
        if isinstance(inputs, Mapping) and "attention_mask" in inputs:
            self.tokens[step] = self.tokens.get(step, 0) + int(inputs["attention_mask"].sum())
        loss = self.inner(model, inputs, *rest, **options)
        if step == 0:
            self.first_loss += float(loss)
        return loss


def _arguments(task: Task, form: Form, folder: Path) -> dict[str, Any]:
    """What every trainer is told."""
    micro = form.micro or task.batch
    return {
        "output_dir": str(folder),
        "max_steps": task.steps + 1,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": task.batch // micro,
        "learning_rate": LEARNING_RATE,
        "max_grad_norm": MAX_GRAD_NORM,
        "bf16": task.precision == "bf16",
        "use_cpu": device().type == "cpu",
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        **form.settings,
    }


def _data(task: Task, form: Form, columns: Callable[[Item], dict[str, Any]]) -> datasets.Dataset:
    """The items in the order in which they are to be read."""
    return datasets.Dataset.from_list([columns(task.items[i]) for step in task.order(form.order) for i in step])


def sft(task: Task, form: Form, model: Any, tokenizer: Any, folder: Path) -> tuple[Any, Told]:
    from trl import SFTConfig, SFTTrainer

    def columns(item: Item) -> dict[str, Any]:
        (row,) = item.rows
        return {"input_ids": row.ids, "labels": [-100] * row.n_prompt + row.ids[row.n_prompt :]}

    config = SFTConfig(**_arguments(task, form, folder), max_length=None, train_sampling_strategy="sequential")
    data = _data(task, form, columns)
    return SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer), {}


def reward(task: Task, form: Form, model: Any, tokenizer: Any, folder: Path) -> tuple[Any, Told]:
    from trl import RewardConfig, RewardTrainer

    def columns(item: Item) -> dict[str, Any]:
        return dict(zip(("chosen_ids", "rejected_ids"), (row.ids for row in item.rows), strict=True))

    config = RewardConfig(**_arguments(task, form, folder), max_length=None, train_sampling_strategy="sequential")
    data = _data(task, form, columns)
    return RewardTrainer(model, config, train_dataset=data, processing_class=tokenizer), {}


def dpo(task: Task, form: Form, model: Any, tokenizer: Any, folder: Path) -> tuple[Any, Told]:
    from trl import DPOConfig, DPOTrainer

    told: Told = {}

    class Timed(DPOTrainer):  # type: ignore[misc]
        def _precompute_ref_logps(self, *arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            found = super()._precompute_ref_logps(*arguments, **options)
            told["reference_seconds"] = time.perf_counter() - begin
            return found

    def columns(item: Item) -> dict[str, Any]:
        pair = item.record
        return {"prompt": _turns(pair.prompt), "chosen": _turn(pair.first), "rejected": _turn(pair.second)}

    config = DPOConfig(**_arguments(task, form, folder), max_length=None, train_sampling_strategy="sequential")
    data = _data(task, form, columns)
    return Timed(model, args=config, train_dataset=data, processing_class=tokenizer), told


def group_relative(task: Task, form: Form, model: Any, tokenizer: Any, folder: Path) -> tuple[Any, Told]:
    """The sampler gives a step as many prompts as make a batch of responses; lengths are heard by the reward."""
    import trl

    told: Told = {"tokens": [], "answered": []}
    counts = {str(_turns(item.prompt)): item.rows[0].n_prompt for item in task.items}

    def scored(prompts: Any, completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        told["answered"].append(sum(map(len, completion_ids)))
        told["tokens"].append(told["answered"][-1] + sum(counts[str(prompt)] for prompt in prompts))
        return [share_of_long_words(completion[0]["content"]) for completion in completions]

    name = task.method.upper()
    config = getattr(trl, f"{name}Config")(
        **_arguments(task, form, folder),
        num_generations=task.generations,
        max_completion_length=task.shape.new_tokens,
        shuffle_dataset=False,
    )
    data = datasets.Dataset.from_list([{"prompt": _turns(prompt)} for prompt in task.prompts])
    options = {"args": config, "train_dataset": data, "processing_class": tokenizer}
    return getattr(trl, f"{name}Trainer")(model, scored, **options), told


def _turns(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in prompt]


def _turn(response: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": response}]


Told = dict[str, Any]
"""What a trainer tells beside its steps: seconds for the reference, tokens of the rollouts."""

METHODS: dict[str, Callable[[Task, Form, Any, Any, Path], tuple[Any, Told]]] = {
    "sft": sft,
    "reward": reward,
    "dpo": dpo,
    "grpo": group_relative,
    "rloo": group_relative,
}


def trial(task: Task, form: Form) -> Trial:
    """All steps of a task, timed. Raises RuntimeError if TRL read other tokens than the task holds."""
    warnings.simplefilter("ignore")  # TRL's and transformers' own, about their own settings
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    kind = AutoModelForSequenceClassification if task.scalar else AutoModelForCausalLM
    model = kind.from_pretrained(task.folder, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(task.folder)
    build = METHODS[task.method]
    before = resident_mib()
    with TemporaryDirectory() as folder:
        trainer, told = build(task, form, model, tokenizer, Path(folder))
        clock = Clock()
        trainer.add_callback(clock)
        trainer.remove_callback(transformers.PrinterCallback)
        heard = Heard(trainer)
        trainer.train()
    if task.method in SAMPLED:
        return Trial(
            clock.seconds, told["tokens"][1:], told["answered"][1:], None, None, before, None, machine.device_peak_mib()
        )
    tokens, answered = task.counted(task.order(form.order))
    if list(heard.tokens.values())[1:] != tokens:
        raise RuntimeError(f"TRL read {sum(heard.tokens.values())} tokens, not the {sum(tokens)} of the task")
    reference_seconds = told.get("reference_seconds")
    return Trial(
        clock.seconds,
        tokens,
        answered,
        heard.first_loss,
        clock.first_gradient,
        before,
        reference_seconds,
        machine.device_peak_mib(),
    )
