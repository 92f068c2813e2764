"""Base model -> SFT -> preferences -> reward model -> PPO, measured against intent all the way.

Source: Ouyang et al. 2022, arXiv:2203.02155, fig. 2; the measurement: Gao et al. 2023, arXiv:2210.10760.
"""

from __future__ import annotations

from ..config import Recipe
from ..models.batching import seed_of
from ..models.network import load
from ..models.scorer import RewardModel
from ..protocols import Scorer
from ..run import Run, write_jsonl
from . import probe, stages, verdict
from .task import Task, open_task


def rlhf(recipe: Recipe, run: Run) -> None:
    """Runs or resumes the whole road in a run folder."""
    task = open_task(recipe, run)
    compute = recipe.compute
    # 1. Learn from demonstrations.
    sft = stages.sft(run, task.base, task.demonstrations, recipe.sft, compute)
    # 2. Ask which of two responses is better, or take the preferences at hand.
    preferences = task.preferences
    if task.label is not None:
        preferences = stages.preferences(run, sft, task.prompts, task.label, recipe.sampling, stages.frozen(compute))
    # 3. Learn a score that explains the preferences: the proxy.
    reward = stages.reward(run, str(sft), preferences, recipe.reward, compute)
    scorers = _scorers(recipe, run, task, str(sft), str(reward))
    # 4. Optimise the proxy, leashed to the SFT model, and probe intent on the way.
    policy, reference = stages.load_policy(str(sft), compute)
    look = probe.PolicyProbe(
        policy, reference, task.heldout, scorers, recipe.sampling, recipe.seed,
        run.stage_folder("ppo") / "probes",
    )  # fmt: skip
    ppo = stages.ppo(
        run, policy, reference, str(reward), scorers["proxy"], task.prompts, recipe.ppo, recipe.sampling,
        base=str(sft), probe=look, probe_at=probe.probe_steps(recipe.ppo.steps, recipe.evaluation.probes),
    )  # fmt: skip
    # 5. Measure every model on the same held-out prompts.
    _evaluate(recipe, run, task, scorers, {"base": task.base, "sft": str(sft), "ppo": str(ppo)})
    _conclude(run, scorers)


def _scorers(recipe: Recipe, run: Run, task: Task, sft: str, reward: str) -> dict[str, Scorer]:
    """The proxy and the gauges of intent; without gold, a reward model from the other half of the data."""
    frozen = stages.frozen(recipe.compute)
    scorers: dict[str, Scorer] = {"proxy": RewardModel(load(reward, frozen, scalar=True), "the reward model")}
    if task.second_half:
        other = stages.reward(run, sft, task.second_half, recipe.reward, recipe.compute, name="heldout-reward")
        scorers["heldout_proxy"] = RewardModel(load(str(other), frozen, scalar=True), "the held-out reward model")
    run.state["proxy_name"] = "reward model on the preferences"
    run.state["gold_name"] = "the town's gold reward" if "gold" in task.gauges else None
    return scorers | task.gauges


def _evaluate(recipe: Recipe, run: Run, task: Task, scorers: dict[str, Scorer], models: dict[str, str]) -> None:
    if run.stage_done("evaluation"):
        return
    with run.stage("evaluation") as folder:
        run.rewind("best-of-n", -1)
        samples = []
        with run.progress("evaluation", len(models) + 1) as tick:
            for i, (name, path) in enumerate(models.items()):
                network = load(path, stages.frozen(recipe.compute))
                found = probe.read(network, task.heldout, scorers, recipe.sampling, seed_of(recipe.seed, "evaluation"))
                run.measure(found.measurements(name))
                samples += found.rows(name)
                tick(i + 1, note=name)
                if name == "sft" and recipe.evaluation.best_of > 1:
                    probe.best_of_n(run, network, task.heldout, scorers, recipe.evaluation, recipe.sampling)
            tick(len(models) + 1, note=f"best of {recipe.evaluation.best_of}")
        write_jsonl(folder / "samples.jsonl", samples)


def _conclude(run: Run, scorers: dict[str, Scorer]) -> None:
    gauge = "gold" if "gold" in scorers else "heldout_proxy"
    probed = verdict.probed(run.stage_folder("ppo") / "probes")
    peak = verdict.peak_of(probed, gauge)
    run.save(status="done", peak=peak, summary=verdict.sentences(probed, peak, gauge))
