"""Base model -> critique and revision -> SL-CAI -> labels by principles -> reward model -> RL-CAI.

Source: Bai et al. 2022, arXiv:2212.08073, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..config import Access, Recipe
from ..feedback.revision import Chain
from ..feedback.rulings import RulingJudge
from ..files import write_json
from ..learn.loop import Look
from ..models.batching import seed_of
from ..models.loading import load
from ..models.network import Network
from ..models.scorer import RewardModel
from ..protocols import Scorer
from ..records import Example, Preference
from ..run import Run
from . import preference_stages, probe, stages, verdict
from .ai_feedback import STAGE as JUDGE
from .ai_feedback import Labeller, judge_policy, judging, measure_judge, read_rulings
from .cai_findings import content, harm_and_help
from .cai_material import Material, open_material
from .critiques import critiques, to_learn_from
from .probing import property_looks
from .rlhf import demonstrated, measure_intent, measure_properties, preferred, with_room_for
from .stages import measured
from .task import TOWN_NAME, Task

SL, FEEDBACK, REWARD, RL = "sl-cai", "feedback", "cai-reward", "rl-cai"


def cai(recipe: Recipe, run: Run, access: Access | None = None) -> None:
    """Runs or resumes both stages of Constitutional AI in a run folder. `access` is how an endpoint is asked."""
    material = open_material(recipe, run)
    task = material.task
    # 1. The base model revises what it says to prompts that ask for harm.
    chains = _chains(recipe, run, material)
    # 2. It learns the revisions, beside helpful responses.
    sl = supervised(recipe, run, material, chains[0])
    # 3. A judge compares two responses of it by the principles; of helpfulness people may speak.
    feedback = labelled(recipe, run, material, sl, access or Access())
    # 4. Learn a score that explains the labels.
    reward = stages.reward(run, str(sl), feedback, recipe.reward, recipe.compute, name=REWARD)
    scorers = open_scorers(recipe, run, material, reward)
    # 5. Optimise it, leashed to the SL-CAI model.
    heldout, rl = reinforced(recipe, run, material, sl, feedback, reward, scorers)
    # 6. The town's raters teach a model the usual way, to compare with.
    models = {"base": task.base, **by_people(recipe, run, material), SL: str(sl), RL: str(rl)}
    # 7. Measure every model on the same held-out prompts.
    without_pool = recipe.model_copy(update={"evaluation": recipe.evaluation.model_copy(update={"best_of": 1})})
    measure_intent(without_pool, run, heldout, scorers, models)
    if recipe.data == TOWN_NAME and recipe.evaluation.properties:
        measure_properties(recipe, run, models)
    _conclude(recipe, run, material, chains, list(models))


def _chains(recipe: Recipe, run: Run, material: Material) -> tuple[list[Chain], list[Chain]]:
    """To learn from, and, where gold says what revision does, of the held-out prompts."""
    heldout = [example.prompt for example in material.task.heldout] if "gold" in material.task.gauges else []
    return critiques(
        run, material.task.base, material.constitution, [example.prompt for example in material.chained], heldout,
        recipe.cai, recipe.sampling, stages.frozen(recipe.compute),
    )  # fmt: skip


def supervised(recipe: Recipe, run: Run, material: Material, chains: Sequence[Chain]) -> Path:
    """The SL-CAI model."""
    base = material.task.base

    def looks(policy: Network) -> Sequence[Look]:
        return property_looks(recipe.probing, run, policy, base, {}, recipe.sampling)

    learnt = to_learn_from(run, chains, material.helpful)
    return stages.sft(run, base, learnt, recipe.sft, recipe.compute, looks, name=SL)


def labelled(
    recipe: Recipe,
    run: Run,
    material: Material,
    sl: Path,
    access: Access,
    *,
    name: str = FEEDBACK,
    judge: str = JUDGE,
    responses: Path | None = None,
    rulings: Path | None = None,
) -> list[Preference]:
    """Pairs of the SL-CAI model, labelled, and what people said already; the judge is measured on the way, as `judge`.

    `responses` and `rulings` are where such stages share what they have in common.
    """
    config, own = recipe.cai, {"base": material.task.base, SL: str(sl)}

    @cache
    def open_judge() -> RulingJudge:
        policy = judge_policy(config.judge, own, recipe.sampling, recipe.compute, access, run)
        return judging(config, policy, material.constitution, recipe.seed)

    asked = [example.prompt for example in material.chained]
    kept = rulings or run.stage_folder(name) / "rulings"
    label = Labeller(run, kept, open_judge, frozenset(asked), material.people)
    found = stages.preferences(
        run, sl, [*asked, *material.benign], label, recipe.sampling, stages.frozen(recipe.compute), name=name,
        responses=responses,
    )  # fmt: skip
    told = [row for file in sorted(kept.glob("*.jsonl")) for row in read_rulings(file)]
    gold = material.task.gauges.get("gold")
    measure_judge(run, open_judge, told, gold, material.kinds, material.questions, name=judge)
    return [*found, *material.preferences]


def open_scorers(recipe: Recipe, run: Run, material: Material, reward: Path) -> dict[str, Scorer]:
    """The proxy, and the gauges of intent where there are any."""
    network = load(str(reward), stages.frozen(recipe.compute), scalar=True)
    by = f"the rules {recipe.cai.rules}" if recipe.cai.rules else f"the constitution {material.constitution.name}"
    run.state["proxy_name"] = f"reward model on labels by {by}"
    run.state["gold_name"] = "the town's gold reward" if "gold" in material.task.gauges else None
    return {"proxy": RewardModel(network, "the reward model"), **material.task.gauges}


def reinforced(
    recipe: Recipe,
    run: Run,
    material: Material,
    sl: Path,
    feedback: Sequence[Preference],
    reward: Path,
    scorers: Mapping[str, Scorer],
    *,
    name: str = RL,
) -> tuple[list[Example], Path]:
    """The held-out prompts that every model has room to answer, and the RL-CAI model."""
    reference = load(str(sl), stages.frozen(recipe.compute))
    heldout = with_room_for(run, reference, material.task.heldout, recipe.sampling)

    def looks(policy: Network) -> Sequence[Look]:
        intent = probe.PolicyProbe(
            policy, reference, heldout, scorers, recipe.sampling, recipe.seed, run.stage_folder(name) / "probes", name
        )
        return [
            Look(intent, lambda steps: probe.probe_steps(steps, recipe.evaluation.probes)),
            *property_looks(recipe.probing, run, policy, reference, scorers, recipe.sampling),
        ]

    if recipe.cai.learn == "dpo":
        rl = preference_stages.dpo(run, str(sl), feedback, recipe.dpo, recipe.compute, looks=looks, name=name)
    else:
        policy = load(str(sl), recipe.compute, trainable=True, seed=seed_of(recipe.seed, "policy adapters"))
        rl = stages.ppo(
            run, policy, reference, str(reward), scorers["proxy"], material.prompts, recipe.ppo, recipe.sampling,
            base=str(sl), looks=looks(policy), name=name,
        )  # fmt: skip
    return heldout, rl


def by_people(recipe: Recipe, run: Run, material: Material) -> dict[str, str]:
    """SFT, PPO and DPO from people's demonstrations and labels about everything, harm too; those that are asked for,
    none where no raters are."""
    task, compute, beside = material.task, recipe.compute, recipe.cai.beside
    if task.label is None or not beside:
        return {}
    sft = demonstrated(recipe, run, task)
    models = {"sft": str(sft)}
    if "ppo" in beside or "dpo" in beside:
        preferences = preferred(recipe, run, task, sft)
    if "ppo" in beside:
        models["ppo"] = str(_by_reward(recipe, run, task, sft, preferences))
    if "dpo" in beside:
        models["dpo"] = str(preference_stages.dpo(run, str(sft), preferences, recipe.dpo, compute))
    return models


def _by_reward(recipe: Recipe, run: Run, task: Task, sft: Path, preferences: Sequence[Preference]) -> Path:
    """PPO against a reward model of people's labels."""
    compute = recipe.compute
    reward = stages.reward(run, str(sft), preferences, recipe.reward, compute)
    if not run.stage_done("ppo"):
        policy, reference = stages.load_policy(str(sft), compute, recipe.seed)
        proxy = RewardModel(load(str(reward), stages.frozen(compute), scalar=True), "the reward model")
        stages.ppo(run, policy, reference, str(reward), proxy, task.prompts, recipe.ppo, recipe.sampling, base=str(sft))
    return run.stage_folder("ppo") / "model"


def _conclude(
    recipe: Recipe, run: Run, material: Material, chains: tuple[Sequence[Chain], Sequence[Chain]], models: Sequence[str]
) -> None:
    said: list[str] = []
    peak: dict[str, Any] | None = None
    if "gold" in material.task.gauges:
        said += harm_and_help(run, models)
        if recipe.cai.judge in ("base", SL):
            said.append("Nobody's word about harm taught sl-cai or rl-cai.")
        probed = verdict.probed(run.stage_folder(RL) / "probes")
        peak = verdict.peak_of(probed, "gold")
        said += verdict.sentences(probed, peak, "gold")
        said.append(f"The judge agrees with gold on {measured(run, 'judge', 'judge_accuracy')} of pairs.")
    said.append(f"Accuracy of the reward model on held-out labels: {measured(run, REWARD, 'accuracy')}.")
    write_json(run.folder / "constitution.json", content(recipe.cai, material, *chains))
    run.save(status="done", peak=peak, summary=said)
