"""Base model -> SFT -> preferences -> reward model -> PPO, measured against intent all the way.

Source: Ouyang et al. 2022, arXiv:2203.02155, fig. 2; the measurement: Gao et al. 2023, arXiv:2210.10760.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..config import Recipe, Sampling
from ..evals.town import TOWN
from ..files import write_jsonl
from ..learn.loop import Look
from ..models.batching import seed_of
from ..models.loading import load
from ..models.network import Network
from ..models.policy import with_room
from ..models.scorer import RewardModel
from ..protocols import Scorer
from ..records import Example, Preference
from ..run import Run
from . import probe, stages, verdict
from .evaluate import STAGE, Plan, evaluate
from .probing import property_looks
from .spectrum import spectrum
from .stages import measured
from .subjects import Subject
from .task import TOWN_NAME, Task, open_task


def rlhf(recipe: Recipe, run: Run) -> None:
    """Runs or resumes the whole road in a run folder."""
    task = open_task(recipe, run)
    compute = recipe.compute
    # 1. Learn from demonstrations.
    sft = demonstrated(recipe, run, task)
    # 2. Ask which of two responses is better, or take the preferences at hand.
    preferences = preferred(recipe, run, task, sft)
    # 3. Learn a score that explains the preferences: the proxy.
    reward = stages.reward(run, str(sft), preferences, recipe.reward, compute)
    scorers = open_scorers(recipe, run, task, sft, reward)
    # 4. Optimise the proxy, leashed to the SFT model, and probe intent on the way.
    policy, reference = stages.load_policy(str(sft), compute, recipe.seed)
    heldout = with_room_for(run, policy, task.heldout, recipe.sampling)
    intent = probe.PolicyProbe(
        policy, reference, heldout, scorers, recipe.sampling, recipe.seed,
        run.stage_folder("ppo") / "probes",
    )  # fmt: skip
    looks = [
        Look(intent, lambda steps: probe.probe_steps(steps, recipe.evaluation.probes)),
        *property_looks(recipe.probing, run, policy, reference, scorers, recipe.sampling),
    ]
    ppo = stages.ppo(
        run, policy, reference, str(reward), scorers["proxy"], task.prompts, recipe.ppo, recipe.sampling,
        base=str(sft), looks=looks,
    )  # fmt: skip
    # 5. Measure every model on the same held-out prompts.
    models = {"base": task.base, "sft": str(sft), "ppo": str(ppo)}
    measure_intent(recipe, run, heldout, scorers, models)
    if recipe.data == TOWN_NAME and recipe.evaluation.properties:
        measure_properties(recipe, run, models)
    _conclude(run, scorers)


def demonstrated(recipe: Recipe, run: Run, task: Task) -> Path:
    """The SFT model. The properties are probed in step, where they are asked for; there is no proxy yet."""

    def looks(policy: Network) -> Sequence[Look]:
        return property_looks(recipe.probing, run, policy, task.base, {}, recipe.sampling)

    return stages.sft(run, task.base, task.demonstrations, recipe.sft, recipe.compute, looks)


def preferred(recipe: Recipe, run: Run, task: Task, sft: Path) -> list[Preference]:
    """What raters say of the SFT model's responses, or the preferences at hand."""
    if task.label is None:
        return task.preferences
    return stages.preferences(run, sft, task.prompts, task.label, recipe.sampling, stages.frozen(recipe.compute))


def open_scorers(recipe: Recipe, run: Run, task: Task, sft: Path, reward: Path) -> dict[str, Scorer]:
    """The proxy and the gauges of intent; without gold, a reward model from the other half of the data."""
    frozen = stages.frozen(recipe.compute)
    scorers: dict[str, Scorer] = {"proxy": RewardModel(load(str(reward), frozen, scalar=True), "the reward model")}
    if task.second_half:
        other = stages.reward(run, str(sft), task.second_half, recipe.reward, recipe.compute, name="heldout-reward")
        scorers["heldout_proxy"] = RewardModel(load(str(other), frozen, scalar=True), "the held-out reward model")
    run.state["proxy_name"] = "reward model on the preferences"
    run.state["gold_name"] = "the town's gold reward" if "gold" in task.gauges else None
    return scorers | task.gauges


def with_room_for(run: Run, policy: Network, heldout: Sequence[Example], sampling: Sampling) -> list[Example]:
    """The held-out prompts that leave room for a response; the others are counted in a warning."""
    kept, notes = with_room(policy, [e.prompt for e in heldout], sampling)
    for note in notes:
        run.warn(f"held out: {note}")
    return [heldout[i] for i in kept]


def measure_intent(
    recipe: Recipe, run: Run, heldout: Sequence[Example], scorers: dict[str, Scorer], models: Mapping[str, str]
) -> None:
    """Every model on the held-out prompts, a response each; the SFT model's best of n too."""
    if run.stage_done("evaluation"):
        return
    with run.stage("evaluation") as folder:
        run.rewind("best-of-n", -1)
        samples = []
        with run.progress("evaluation", len(models) + 1) as tick:
            for i, (name, path) in enumerate(models.items()):
                network = load(path, stages.frozen(recipe.compute))
                found = probe.read(network, heldout, scorers, recipe.sampling, seed_of(recipe.seed, "evaluation"))
                run.measure(found.measurements(name))
                samples += found.rows(name)
                tick(i + 1, note=name)
                if name == "sft" and recipe.evaluation.best_of > 1:
                    probe.best_of_n(run, network, heldout, scorers, recipe.evaluation, recipe.sampling)
            tick(len(models) + 1, note=f"best of {recipe.evaluation.best_of}")
        write_jsonl(folder / "samples.jsonl", samples)


def measure_properties(recipe: Recipe, run: Run, models: Mapping[str, str]) -> None:
    """The five properties, and the spectrum of the models."""
    if run.stage_done(STAGE):
        return
    plan = Plan(TOWN, recipe.evaluation.properties, recipe.seed, recipe.sampling, stages.frozen(recipe.compute))
    found = evaluate(run, [Subject(name, source) for name, source in models.items()], plan)
    spectrum(run, list(models), plan, found)


def gauge_of(scorers: Mapping[str, Scorer]) -> str:
    """The metric that intent is read from."""
    return "gold" if "gold" in scorers else "heldout_proxy"


def _conclude(run: Run, scorers: dict[str, Scorer]) -> None:
    gauge = gauge_of(scorers)
    probed = verdict.probed(run.stage_folder("ppo") / "probes")
    peak = verdict.peak_of(probed, gauge)
    said = verdict.sentences(probed, peak, gauge)
    said.append(f"Accuracy of the reward model on held-out preferences: {measured(run, 'reward', 'accuracy')}.")
    run.save(status="done", peak=peak, summary=said)
