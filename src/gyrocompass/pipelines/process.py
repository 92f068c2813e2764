"""Outcome against process supervision on chains whose right answers wrong steps reach too.

Source: Uesato et al. 2022, arXiv:2211.14275 (the two errors); Lightman et al. 2023, arXiv:2305.20050 (best-of-n);
Wang et al. 2023, arXiv:2312.08935 (Monte-Carlo labels); Farquhar et al. 2025, arXiv:2501.13011 (MONA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..config import Recipe
from ..errors import InputError
from ..feedback.steps import Checker, Cutting, OutcomeChecker, hardened, labelled
from ..files import read_jsonl, write_json, write_jsonl
from ..learn.process import StepReward
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..models.steps import ImplicitProcessRewardModel, ProcessRewardModel, StepScorer, whole
from ..records import Example, Steps
from ..run import Run
from ..worlds.town import chains as town
from . import process_stages as stages_of
from .process_findings import Pool, Reading, content, measurements, sentences
from .stages import frozen, load_policy, ppo, sft
from .task import TOWN_NAME, base_of

FILE = "process.json"
CUTTING = Cutting(town.CUT, " ")
CHECKER = Checker(CUTTING, town.step_labels)
OUTCOME = OutcomeChecker(town.answers_right)
POOL = 40
"""Held-out questions whose responses are pooled for best-of-n."""


@dataclass(frozen=True)
class Study:
    """One seed of the study: its own demonstrations, draws and models, in stages of its own."""

    recipe: Recipe
    run: Run
    place: int

    @property
    def seed(self) -> int:
        return seed_of(self.recipe.seed, "study", self.place)

    def name(self, stage: str) -> str:
        """What a stage of this seed is called; the first one's has no number."""
        return f"{stage}-seed-{self.place}" if self.place else stage


def process(recipe: Recipe, run: Run) -> None:
    """Runs or resumes the study, once for each seed; writes process.json.

    Raises InputError for data other than the town's: only there is the right trace known. `gyro process` is for others.
    """
    if (recipe.data, recipe.model) != (TOWN_NAME, TOWN_NAME):
        raise InputError("pipeline process needs a checker of steps, which the town has; for others use `gyro process`")
    run.state["gold_name"] = "the town's checker of answers and steps"
    readings, pools = [], []
    for place in range(recipe.process.seeds):
        study = Study(recipe, run, place)
        # 1. Learn from careless demonstrations.
        start = _demonstrated(study)
        # 2. Label the steps of its responses: by the checker, by their outcomes alone, and by where they lead.
        labels = _labels(study, start)
        # 3. Learn each kind of label.
        scorers = _scorers(study, start, labels)
        # 4. Optimise answers, or steps.
        policies = {"sft": start} | {name: _optimised(study, start, scorers, name) for name in recipe.process.policies}
        # 5. What each policy gets right, and by which steps; and what each scorer picks from a pool.
        readings += _read(study, policies)
        pools.append(_pooled(study, start, scorers))
    found = content(recipe, readings, pools)
    run.measure(measurements(found))
    write_json(run.folder / FILE, found)
    run.save(status="done", summary=sentences(found))


def _demonstrated(study: Study) -> Path:
    recipe = study.recipe
    n, slips = recipe.preferences.demonstrations, recipe.process.slips
    shown = town.careless_chains(n, seed_of(study.seed, "demonstrations"), slips)
    return sft(study.run, base_of(recipe.model), shown, recipe.sft, recipe.compute, name=study.name("sft"))


def _labels(study: Study, start: Path) -> dict[str, list[Steps]]:
    """The same responses, labelled in four ways; outcomes label a response as one step."""
    recipe, settings = study.recipe, study.recipe.process
    asked = town.chain_questions(settings.questions, seed_of(study.seed, "labelled"))
    common = recipe.sampling, frozen(recipe.compute)
    drawn = stages_of.sampled_chains(study.run, start, asked, settings.chains, *common, name=study.name("chains"))
    soft = stages_of.rollout_steps(
        study.run, start, drawn, CUTTING, town.answers_right, settings.rollouts, *common, name=study.name("rollouts")
    )
    return {
        "orm": labelled(OUTCOME, drawn),
        "prm": labelled(CHECKER, drawn),
        "mc-soft": soft,
        "mc-hard": list(map(hardened, soft)),
    }


def _scorers(study: Study, start: Path, labels: Mapping[str, list[Steps]]) -> dict[str, StepScorer]:
    """A model of each kind of label that the recipe names; the implicit one learns the outcomes."""
    return {name: _scorer(study, start, labels, name) for name in study.recipe.process.scorers}


def _scorer(study: Study, start: Path, labels: Mapping[str, list[Steps]], name: str) -> StepScorer:
    recipe, compute = study.recipe, frozen(study.recipe.compute)
    settings, by = recipe.process, recipe.process.aggregate
    common = CUTTING.joint, settings, recipe.reward, recipe.compute
    if name == "implicit":
        model = stages_of.implicit_reward(study.run, str(start), labels["mc-soft"], *common, name=study.name(name))
        own, reference = (load(str(folder), compute) for folder in (model, start))
        return ImplicitProcessRewardModel(own, reference, CUTTING, settings.beta, by)
    model = stages_of.process_reward(study.run, str(start), labels[name], *common, name=study.name(name))
    return ProcessRewardModel(load(str(model), compute, scalar=True), whole if name == "orm" else CUTTING, by)


def _optimised(study: Study, start: Path, scorers: Mapping[str, StepScorer], name: str) -> Path:
    """PPO: on outcomes, on steps, or on steps without looking ahead."""
    recipe = study.recipe
    checked = recipe.process.rewards == "checker"
    on_outcomes = OUTCOME if checked else scorers["orm"]
    on_steps = CHECKER if checked else scorers["prm"]
    judged = on_outcomes if name == "outcome-rl" else on_steps
    pays = StepReward(judged, recipe.process.aggregate, myopic=name == "mona")
    policy, reference = load_policy(str(start), recipe.compute, study.seed)
    asked = town.chain_questions(recipe.preferences.prompts, seed_of(study.seed, "prompts"))
    return ppo(
        study.run, policy, reference, None, pays, [one.prompt for one in asked],
        recipe.ppo, recipe.sampling,
        base=str(start), name=study.name(name), seed=study.seed,
    )  # fmt: skip


def _read(study: Study, policies: Mapping[str, Path]) -> list[Reading]:
    """One response of each policy to each held-out question, which are the same for all seeds."""
    recipe, stage = study.recipe, study.name("evaluation")
    asked = _heldout(recipe, recipe.evaluation.prompts)
    file = study.run.stage_folder(stage) / "samples.jsonl"
    if not study.run.stage_done(stage):
        with study.run.stage(stage):
            rows = []
            for name, folder in policies.items():
                policy = LocalPolicy(load(str(folder), frozen(recipe.compute)), recipe.sampling)
                drawn = policy.sample([one.prompt for one in asked], seed=seed_of(study.seed, "evaluation"))
                said = [replace(one, response=texts[0]) for one, texts in zip(asked, drawn, strict=True)]
                right, traced = town.answers_right(said), town.traces_right(said)
                rows += [
                    {"model": name, "kind": one.kind, "question": one.meta["question"],
                     "prompt": one.prompt[-1].content, "response": one.response, "right": r, "traced": t}
                    for one, r, t in zip(said, right, traced, strict=True)
                ]  # fmt: skip
            write_jsonl(file, rows)
    rows = read_jsonl(file)
    return [Reading.of(study.place, name, [row for row in rows if row["model"] == name]) for name in policies]


def _pooled(study: Study, start: Path, scorers: Mapping[str, StepScorer]) -> Pool:
    """Many responses of the SFT model to a few held-out questions, and what each scorer makes of them."""
    recipe, stage = study.recipe, study.name("best-of-n")
    asked = _heldout(recipe, min(POOL, recipe.evaluation.prompts))
    folder = study.run.stage_folder(stage)
    if not study.run.stage_done(stage):
        with study.run.stage(stage):
            policy = LocalPolicy(load(str(start), frozen(recipe.compute)), recipe.sampling)
            drawn = policy.sample(
                [one.prompt for one in asked], recipe.evaluation.best_of, seed=seed_of(study.seed, "pool")
            )
            said = [replace(one, response=text) for one, texts in zip(asked, drawn, strict=True) for text in texts]
            write_jsonl(folder / "pool.jsonl", list(_graded(said, scorers, recipe)))
    return Pool.of(study.place, read_jsonl(folder / "pool.jsonl"), len(asked), recipe)


def _graded(said: Sequence[Example], scorers: Mapping[str, StepScorer], recipe: Recipe) -> list[dict[str, object]]:
    """A row for each distinct response to a question, with how often it came and every scorer's step scores."""
    counts: dict[tuple[str, str], int] = {}
    distinct: dict[tuple[str, str], Example] = {}
    for one in said:
        key = (one.prompt[-1].content, one.response or "")
        counts[key] = counts.get(key, 0) + 1
        distinct[key] = one
    examples = list(distinct.values())
    graded = {name: scorer.step_scores(examples) for name, scorer in {"checker": CHECKER, **scorers}.items()}
    right, traced = town.answers_right(examples), town.traces_right(examples)
    return [
        {
            "prompt": prompt, "response": response, "question": example.meta["question"],
            "count": counts[prompt, response], "answer": town.chain_answer(response),
            "right": right[i], "traced": traced[i],
            "steps": list(graded["checker"][i].steps),
            "scores": {name: np.round(every[i].scores, 6).tolist() for name, every in graded.items()},
        }
        for i, ((prompt, response), example) in enumerate(distinct.items())
    ]  # fmt: skip


def _heldout(recipe: Recipe, n: int) -> list[Example]:
    """Distinct held-out questions."""
    drawn = town.chain_questions(8 * n, seed_of(recipe.seed, "heldout"), "heldout")
    return list({str(one.meta["question"]): one for one in drawn}.values())[:n]
