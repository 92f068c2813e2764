"""`gyro dpo`: from preferences to a policy, or online against a scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..config import DPO, Compute, Online, Probing, Sampling
from ..errors import InputError
from ..run import Run
from .flags import common_flags, stage_flags
from .stages import close_stage, data_flag, model_flag, open_stage, scorer_flags, scorer_from

if TYPE_CHECKING:
    from ..learn.loop import Look
    from ..models.network import Network

SECTIONS: dict[str, Any] = {
    "dpo": DPO, "online": Online, "sampling": Sampling, "probing": Probing, "compute": Compute,
}  # fmt: skip


@click.command()
@model_flag
@data_flag("Preferences (kto: labelled examples too; with --scorer: prompts)")
@scorer_flags(required=False)
@common_flags
@stage_flags(**SECTIONS)
def dpo(model: str, data: str, scorers: tuple[str, ...], combine: Any, **flags: Any) -> None:
    """Learn from preferences without a reward model; with --scorer, from the policy's own responses as it goes.

    Sampling is for --scorer, the KL to the reference and the properties that --probe asks for.
    """
    idle = [name for name in Online.model_fields if flags[name] is not None and not scorers]
    if idle:
        raise InputError(f"dpo: --{idle[0].replace('_', '-')} is for online dpo; give a --scorer, or leave it out")
    source = {"model": model, "data": data, "scorers": list(scorers), "combine": combine}
    opened = open_stage("dpo", source, flags, **SECTIONS)
    if opened is None:
        return
    run, settings = opened
    with run.guard():
        learn = _online if scorers else _offline
        close_stage(run, flags, learn(run, source, settings))


def _offline(run: Run, source: dict[str, Any], settings: dict[str, Any]) -> str:
    from ..pipelines import preference_stages, stages, task
    from ..pipelines.probing import property_looks

    base, config, sampling = task.base_of(source["model"]), settings["dpo"], settings["sampling"]
    records = preference_stages.read_feedback(source["data"], config, run)
    training, heldout = preference_stages.split(records, config, run.seed)
    prompts = [record.prompt for record in heldout or training]

    def looks(policy: Network) -> list[Look]:
        return [
            *preference_stages.kl_looks(run, policy, base, prompts, config, sampling),
            *property_looks(settings["probing"], run, policy, base, {}, sampling),
        ]

    folder = preference_stages.dpo(run, base, records, config, settings["compute"], looks=looks)
    accuracy, margin = (stages.measured(run, "dpo", metric) for metric in ("accuracy", "margin"))
    return (
        f"On held-out preferences: accuracy {accuracy}, margin {margin}. KL to the reference: "
        f"{preference_stages.last_kl(run)}. The policy is in {folder}."
    )


def _online(run: Run, source: dict[str, Any], settings: dict[str, Any]) -> str:
    from ..pipelines import preference_stages, stages, task
    from ..pipelines.probing import property_looks

    base, config, sampling = task.base_of(source["model"]), settings["dpo"], settings["sampling"]
    prompts = task.read_prompts(source["data"], run)
    scorer = scorer_from(source["scorers"], source["combine"], settings["compute"])
    policy, reference = stages.load_policy(base, settings["compute"], run.seed)
    if config.reference not in ("start", "none"):
        reference = preference_stages.load_reference(policy, config.reference)
    looks = property_looks(settings["probing"], run, policy, reference, {"proxy": scorer}, sampling)
    folder = preference_stages.online_dpo(
        run, policy, reference, scorer, prompts, config, settings["online"], sampling, base=base, looks=looks
    )
    return f"KL to the reference: {preference_stages.last_kl(run)}. The policy is in {folder}."
