"""`gyro sft`, `gyro reward`, `gyro ppo`: one stage on a user's own model and data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import PPO, SFT, Compute, Config, Probing, Reward, Sampling, StepPayment
from ..errors import InputError
from ..recipe import build, show_settings
from ..run import Run
from .flags import common_flags, gathered, stage_flags
from .road import finish

if TYPE_CHECKING:
    from ..learn.loop import Look
    from ..models.network import Network
    from ..protocols import Scorer

ASKING = "access"
"""The section about how an endpoint is asked, which may differ when a run is resumed."""
model_flag = click.option("--model", required=True, help="Folder or hub name of a causal LM; town: the embedded base.")


def data_flag(what: str) -> Callable[[Any], Any]:
    """--data, with what it must hold."""
    return click.option("--data", required=True, help=f"{what}: file, folder or hub name.")


def scorer_flags(required: bool) -> Callable[[Any], Any]:
    """--scorer, once or more, and --combine."""
    scorer = click.option(
        "--scorer", "scorers", multiple=True, required=required,
        help="Reward model or process reward model (folder or hub name), or module:function. Several make an ensemble.",
    )  # fmt: skip
    combine = click.option(
        "--combine", type=click.Choice(["mean", "min", "mean_minus_variance", "averaged_weights"]), default="mean",
        show_default=True, help="How several reward models become one: by their scores, or by their weights.",
    )  # fmt: skip
    return lambda command: scorer(combine(command))


def scorer_from(names: Sequence[str], combine: Any, compute: Compute, steps: StepPayment | None = None) -> Scorer:
    """The scorer that the flags name."""
    from ..models.averaging import averaged
    from ..models.scorer import ensemble
    from ..pipelines import stages

    steps = steps or StepPayment()
    if combine == "averaged_weights":
        return stages.as_scorer(averaged(names, stages.frozen(compute)), "the averaged reward model", steps)
    many = [stages.scorer_of(name, compute, steps) for name in names]
    return ensemble(many, combine) if len(many) > 1 else many[0]


@click.command()
@model_flag
@data_flag("Examples with responses")
@common_flags
@stage_flags(sft=SFT, sampling=Sampling, probing=Probing, compute=Compute)
def sft(model: str, data: str, **flags: Any) -> None:
    """Fine-tune a model on responses. Sampling is for the properties that --probe asks for."""
    opened = open_stage(
        "sft", {"model": model, "data": data}, flags, sft=SFT, sampling=Sampling, probing=Probing, compute=Compute
    )
    if opened is None:
        return
    from ..pipelines import stages, task
    from ..pipelines.probing import property_looks

    run, settings = opened
    with run.guard():
        examples = task.read_demonstrations(data, run)
        base, compute = task.base_of(model), settings["compute"]

        def looks(policy: Network) -> list[Look]:
            return property_looks(settings["probing"], run, policy, base, {}, settings["sampling"])

        folder = stages.sft(run, base, examples, settings["sft"], compute, looks)
        close_stage(run, flags, f"The fine-tuned model is in {folder}.")


@click.command()
@model_flag
@data_flag("Preferences")
@common_flags
@stage_flags(reward=Reward, compute=Compute)
def reward(model: str, data: str, **flags: Any) -> None:
    """Train a reward model on preferences."""
    opened = open_stage("reward", {"model": model, "data": data}, flags, reward=Reward, compute=Compute)
    if opened is None:
        return
    from ..pipelines import stages, task

    run, settings = opened
    with run.guard():
        records = task.read_preferences(data, run)
        folder = stages.reward(run, task.base_of(model), records, settings["reward"], settings["compute"])
        found = stages.measured(run, "reward", "accuracy")
        close_stage(run, flags, f"Accuracy on held-out preferences: {found}. The reward model is in {folder}.")


@click.command()
@model_flag
@data_flag("Prompts")
@scorer_flags(required=True)
@click.option("--length-control", is_flag=True, help="Take off what length explains of the score at the start.")
@click.option("--rollout", default=None, help="A vLLM server that samples: http://host:port/v1; needs --lora-rank.")
@common_flags
@stage_flags(ppo=PPO, steps=StepPayment, sampling=Sampling, probing=Probing, compute=Compute)
def ppo(
    model: str,
    data: str,
    scorers: tuple[str, ...],
    combine: Any,
    length_control: bool,
    rollout: str | None,
    **flags: Any,
) -> None:
    """Optimise a policy against a scorer, with a KL penalty to where it started. A process reward model pays steps."""
    if rollout:
        from ..models.transport import address

        rollout = address(rollout)  # before it is written anywhere
    source = {
        "model": model, "data": data, "scorers": list(scorers), "combine": combine, "length_control": length_control,
        "rollout": rollout,
    }  # fmt: skip
    opened = open_stage(
        "ppo", source, flags, ppo=PPO, steps=StepPayment, sampling=Sampling, probing=Probing, compute=Compute
    )
    if opened is None:
        return
    from ..pipelines import stages, task
    from ..pipelines.mitigations import control_length
    from ..pipelines.probing import property_looks

    run, settings = opened
    with run.guard():
        base, compute = task.base_of(model), settings["compute"]
        prompts = task.read_prompts(data, run)
        scorer = scorer_from(scorers, combine, compute, settings["steps"])
        pays = stages.paid(scorer, settings["steps"])
        if length_control and pays is not scorer:
            raise InputError("ppo: --length-control is for scores of whole responses; leave it out")
        policy, reference = stages.load_policy(base, compute, run.seed)
        if length_control:
            scorer = pays = control_length(run, scorer, policy, prompts, settings["sampling"])
        critic = scorers[0] if ":" not in scorers[0] and pays is scorer else None
        looks = property_looks(settings["probing"], run, policy, reference, {"proxy": scorer}, settings["sampling"])
        folder = stages.ppo(
            run, policy, reference, critic, pays, prompts, settings["ppo"], settings["sampling"],
            base=base, looks=looks, rollout=rollout,
        )  # fmt: skip
        close_stage(run, flags, f"The optimised policy is in {folder}.")


def open_stage(
    name: str, source: dict[str, Any], flags: dict[str, Any], **sections: type[Config]
) -> tuple[Run, dict[str, Any]] | None:
    """The run folder and the validated settings of a stage; None after a dry run."""
    given = gathered(flags, **sections)
    settings = {section: build(kind, given[section], name) for section, kind in sections.items()}
    resolved = {
        "stage": name,
        **source,
        "seed": flags["seed"] or 0,
        **{section: model.model_dump() for section, model in settings.items() if section != ASKING},
    }
    asking = {ASKING: settings[ASKING].model_dump(mode="json")} if ASKING in settings else {}
    if flags["dry_run"]:
        show_settings({**resolved, **asking}, flags["as_json"])
        return None
    run = Run.open(flags["out"] or Path("runs") / name, resolved, quiet=flags["as_json"])
    run.state.update(asking)
    return run, settings


def close_stage(run: Run, flags: dict[str, Any], sentence: str) -> None:
    """Writes the report, and says what came of the run."""
    from ..report import write

    run.save(status="done", summary=[sentence])
    write(run.folder)
    finish(run, flags["as_json"])
