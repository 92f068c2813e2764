"""Constitutional AI over several seeds: what revision does round by round, and what each kind of label comes to.

Source: Bai et al. 2022, arXiv:2212.08073, figures 5 and 6 (revisions, critiques) and 8 to 10 (labels). The gold of the
town stands for the paper's crowdworkers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import Access, Recipe
from ..config.studies import Labels
from ..errors import InputError
from ..files import write_json, write_jsonl
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..records import Preference, to_row
from ..run import Run
from . import probe, stages
from .cai import FEEDBACK, SL, by_people, labelled, open_scorers, reinforced, supervised
from .cai_material import Material, held_to, open_material
from .cai_study_findings import FILE, content, measurements, read_seed, sentences
from .critiques import ChainMaker, critiques
from .seeds import every_seed
from .task import TOWN_NAME

REVISIONS, ANSWERS = "revisions", "answers"
FROM_PRINCIPLES = ("soft", "hard", "clamped")
"""Labels that are one judge's rulings in three shapes."""


def cai_study(recipe: Recipe, run: Run) -> None:
    """Runs or resumes every seed; writes cai_study.json.

    Raises InputError for data without gold, labels by rules without any, or principles or rules that can't be used.
    """
    if recipe.data != TOWN_NAME:
        raise InputError(f"data = {recipe.data} has no gold to tell rates by; set data to town, or run cai")
    if "rules" in recipe.cai_study.labels and not recipe.cai.rules:
        raise InputError("cai_study.labels has rules, but cai.rules names none; name a file, or leave them out")
    held_to(recipe, run)
    # 1. Each seed is a run of its own.
    folders = every_seed(recipe, run, "cai_study", one_seed)
    # 2. Rates over all of them.
    found = content(list(map(read_seed, folders)))
    write_json(run.folder / FILE, found)
    run.measure(measurements(found))
    run.state["gold_name"] = "the town's gold reward"
    run.save(status="done", summary=sentences(found))


def one_seed(recipe: Recipe, run: Run) -> None:
    """What happens at each seed."""
    material = open_material(recipe, run)
    # 1. Held-out responses, revised with and without critiques; nothing is learnt from these.
    _revisions(recipe, run, material)
    # 2. The SL-CAI model.
    chains, _ = critiques(
        run, material.task.base, material.constitution, [e.prompt for e in material.chained], [], recipe.cai,
        recipe.sampling, stages.frozen(recipe.compute),
    )  # fmt: skip
    sl = supervised(recipe, run, material, chains)
    # 3. Its pairs under each kind of label, and what is learnt from them.
    learnt = {title(labels): str(_learnt_from(labels, recipe, run, material, sl)) for labels in recipe.cai_study.labels}
    # 4. The usual way beside them: people's word on everything.
    models = {"base": material.task.base, **by_people(recipe, run, material), SL: str(sl), **learnt}
    # 5. A response of every model to the same held-out prompts.
    _answers(recipe, run, material, models)


def title(labels: Labels) -> str:
    """The name of the model that learns from these labels."""
    return f"rl-cai-{labels}" if labels in FROM_PRINCIPLES else f"rl-{labels}"


def _revisions(recipe: Recipe, run: Run, material: Material) -> None:
    """Chains on the held-out prompts, twice: both begin with the same responses and draw the same principles."""
    if run.stage_done(REVISIONS):
        return
    prompts = [example.prompt for example in material.task.heldout]
    with run.stage(REVISIONS) as folder:
        policy = LocalPolicy(load(material.task.base, stages.frozen(recipe.compute)), recipe.sampling)
        for name, critiqued in (("with", True), ("without", False)):
            config = recipe.cai.model_copy(update={"rounds": recipe.cai_study.rounds, "critiques": critiqued})
            maker = ChainMaker(policy, material.constitution, config, run.seed)
            chains = maker.in_blocks(folder / name / "heldout", prompts)
            write_jsonl(folder / f"{name}.jsonl", [chain.row for chain in chains])


def _learnt_from(labels: Labels, recipe: Recipe, run: Run, material: Material, sl: Path) -> Path:
    """Reward model and RL, or DPO, on pairs with these labels."""
    own = recipe.model_copy(update={"cai": recipe.cai.model_copy(update=_settings(labels, recipe))})
    feedback = _labelled(labels, own, run, material, sl)
    reward = stages.reward(run, str(sl), feedback, own.reward, own.compute, name=f"reward-{labels}")
    scorers = open_scorers(own, run, material, reward)
    _, model = reinforced(own, run, material, sl, feedback, reward, scorers, name=title(labels))
    return model


def _settings(labels: Labels, recipe: Recipe) -> dict[str, Any]:
    if labels in FROM_PRINCIPLES:
        return {"labels": labels, "rules": None}
    return {"labels": "soft", "rules": recipe.cai.rules if labels == "rules" else None}


def _labelled(labels: Labels, recipe: Recipe, run: Run, material: Material, sl: Path) -> list[Preference]:
    """The same pairs for every kind of label; rulings of one judge are asked for once."""
    name, responses = f"{FEEDBACK}-{labels}", run.stage_folder(SL) / "responses"
    if labels == "people":
        assert material.task.label
        prompts = [*(example.prompt for example in material.chained), *material.benign]
        return stages.preferences(
            run, sl, prompts, material.task.label, recipe.sampling, stages.frozen(recipe.compute), name=name,
            responses=responses,
        )  # fmt: skip
    judge = "judge-rules" if labels == "rules" else "judge"
    rulings = run.stage_folder(SL) / f"rulings-{judge}"
    return labelled(
        recipe, run, material, sl, Access(), name=name, judge=judge, responses=responses, rulings=rulings
    )  # fmt: skip


def _answers(recipe: Recipe, run: Run, material: Material, models: Mapping[str, str]) -> None:
    if run.stage_done(ANSWERS):
        return
    with run.stage(ANSWERS) as folder:
        for name, path in models.items():
            network = load(path, stages.frozen(recipe.compute))
            drawn = probe.read(network, material.task.heldout, {}, recipe.sampling, seed_of(recipe.seed, "evaluation"))
            write_jsonl(folder / f"{name}.jsonl", [to_row(example) for example in drawn.examples])
