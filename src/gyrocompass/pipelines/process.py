"""Outcome against process supervision on chains whose right answers wrong steps reach too.

Source: Uesato et al. 2022, arXiv:2211.14275 (the two errors); Lightman et al. 2023, arXiv:2305.20050 (best-of-n);
Wang et al. 2023, arXiv:2312.08935 (Monte-Carlo labels); Farquhar et al. 2025, arXiv:2501.13011 (MONA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..config import Process, Recipe
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
from .seeds import every_seed
from .stages import frozen, load_policy, ppo, sft
from .task import TOWN_NAME, base_of

FILE = "process.json"
CUTTING = Cutting(town.CUT, " ")
CHECKER = Checker(CUTTING, town.step_labels)
OUTCOME = OutcomeChecker(town.answers_right)
EVALUATION, BEST_OF_N = "evaluation", "best-of-n"
COMMON_STAGES = ("sft", "chains", "rollouts", EVALUATION, BEST_OF_N)
"""A seed's stages but for those of its scorers and policies."""
POOL = 40
"""Held-out questions whose responses are pooled for best-of-n."""


def process(recipe: Recipe, run: Run) -> None:
    """Runs or resumes every seed; writes process.json.

    Raises InputError for data other than the town's: only there is the right trace known. `gyro process` is for others.
    """
    if (recipe.data, recipe.model) != (TOWN_NAME, TOWN_NAME):
        raise InputError("pipeline process needs a checker of steps, which the town has; for others use `gyro process`")
    run.state["gold_name"] = "the town's checker of answers and steps"
    # 1. Each seed is a run of its own.
    learnt = {_stage_of(recipe.process, name) for name in recipe.process.scorers}
    steps = len(COMMON_STAGES) + len(learnt) + len(recipe.process.policies)
    folders = every_seed(recipe, run, "process", one_seed, steps)
    # 2. What each policy gets right, and by which steps; and what each scorer picks from a pool.
    seeds = [Run.attach(folder, quiet=True) for folder in folders]
    readings = [reading for place, seed in enumerate(seeds) for reading in _readings(place, seed, recipe)]
    pools = [Pool.of(place, read_jsonl(_pool_file(seed)), recipe) for place, seed in enumerate(seeds)]
    found = content(recipe, readings, pools)
    run.measure(measurements(found))
    write_json(run.folder / FILE, found)
    run.save(status="done", summary=sentences(found))


def one_seed(recipe: Recipe, run: Run) -> None:
    """What happens at each seed: demonstrations, draws and models are its own, and so are the held-out questions."""
    # 1. Learn from careless demonstrations.
    start = _demonstrated(recipe, run)
    # 2. Label the steps of its responses: by the checker, by their outcomes alone, and by where they lead.
    labels = _labels(recipe, run, start)
    # 3. Learn each kind of label.
    scorers: dict[str, StepScorer] = {
        name: _scorer(recipe, run, start, labels, name) for name in recipe.process.scorers
    }
    # 4. Optimise answers, or steps.
    policies = {"sft": start} | {
        name: _optimised(recipe, run, start, scorers, name) for name in recipe.process.policies
    }
    # 5. Responses of each policy, and a pool of responses with the scores of each scorer.
    _evaluated(recipe, run, policies)
    _pooled(recipe, run, start, scorers)


def _demonstrated(recipe: Recipe, run: Run) -> Path:
    person = town.Careless(seed_of(recipe.seed, "demonstrations"), recipe.process.slips, recipe.process.habits)
    shown = person.chains(recipe.preferences.demonstrations)
    return sft(run, base_of(recipe.model), shown, recipe.sft, recipe.compute)


def _labels(recipe: Recipe, run: Run, start: Path) -> dict[str, list[Steps]]:
    """The same responses, labelled in four ways; outcomes label a response as one step."""
    settings, common = recipe.process, (recipe.sampling, frozen(recipe.compute))
    asked = town.chain_questions(settings.questions, seed_of(recipe.seed, "labelled"))
    drawn = stages_of.sampled_chains(run, str(start), asked, settings.chains, *common)
    soft = stages_of.rollout_steps(run, str(start), drawn, CUTTING, town.answers_right, settings.rollouts, *common)
    return {
        "orm": labelled(OUTCOME, drawn),
        "prm": labelled(CHECKER, drawn),
        "mc-soft": soft,
        "mc-hard": list(map(hardened, soft)),
    }


def _scorer(recipe: Recipe, run: Run, start: Path, labels: Mapping[str, list[Steps]], name: str) -> StepScorer:
    """A model of one kind of label. The implicit one learns outcomes by likelihood, and is read at every step."""
    settings, by, compute = recipe.process, recipe.process.aggregate, frozen(recipe.compute)
    learnt = settings.model_copy(update={"readout": "likelihood"}) if name == "implicit" else settings
    model = stages_of.step_model(
        run, str(start), labels["orm" if name == "implicit" else name], CUTTING.joint, learnt, recipe.reward,
        recipe.compute, name=_stage_of(settings, name),
    )  # fmt: skip
    cut = whole if name == "orm" else CUTTING
    if learnt.readout == "head":
        return ProcessRewardModel(load(str(model), compute, scalar=True), cut, by)
    own, reference = (load(str(folder), compute) for folder in (model, start))
    return ImplicitProcessRewardModel(own, reference, cut, settings.beta, by)


def _stage_of(settings: Process, scorer: str) -> str:
    """The stage that trains a scorer: by likelihood an outcome reward model is an implicit PRM, read at the end."""
    return "orm" if scorer == "implicit" and settings.readout == "likelihood" else scorer


def _optimised(recipe: Recipe, run: Run, start: Path, scorers: Mapping[str, StepScorer], name: str) -> Path:
    """PPO: on outcomes, on steps, or on steps without looking ahead."""
    checked = recipe.process.rewards == "checker"
    on_outcomes = OUTCOME if checked else scorers["orm"]
    on_steps = CHECKER if checked else scorers["prm"]
    judged = on_outcomes if name == "outcome-rl" else on_steps
    pays = StepReward(judged, recipe.process.aggregate, myopic=name == "mona")
    policy, reference = load_policy(str(start), recipe.compute, recipe.seed)
    asked = town.chain_questions(recipe.preferences.prompts, seed_of(recipe.seed, "prompts"))
    return ppo(
        run, policy, reference, None, pays, [one.prompt for one in asked], recipe.ppo, recipe.sampling,
        base=str(start), name=name,
    )  # fmt: skip


def _evaluated(recipe: Recipe, run: Run, policies: Mapping[str, Path]) -> None:
    """One response of each policy to each held-out question."""
    if run.stage_done(EVALUATION):
        return
    asked, rows = _heldout(recipe, recipe.evaluation.prompts), []
    with run.stage(EVALUATION):
        for name, folder in policies.items():
            policy = LocalPolicy(load(str(folder), frozen(recipe.compute)), recipe.sampling)
            drawn = policy.sample([one.prompt for one in asked], seed=seed_of(recipe.seed, "evaluation"))
            said = [replace(one, response=texts[0]) for one, texts in zip(asked, drawn, strict=True)]
            right, traced = town.answers_right(said), town.traces_right(said)
            rows += [
                {"model": name, "kind": one.kind, "question": one.meta["question"],
                 "prompt": one.prompt[-1].content, "response": one.response, "right": r, "traced": t}
                for one, r, t in zip(said, right, traced, strict=True)
            ]  # fmt: skip
        write_jsonl(_samples_file(run), rows)


def _readings(place: int, seed: Run, recipe: Recipe) -> list[Reading]:
    rows = read_jsonl(_samples_file(seed))
    return [
        Reading.of(place, name, [row for row in rows if row["model"] == name])
        for name in ("sft", *recipe.process.policies)
    ]


def _pooled(recipe: Recipe, run: Run, start: Path, scorers: Mapping[str, StepScorer]) -> None:
    """Many responses of the SFT model to a few held-out questions, and what each scorer makes of them."""
    if run.stage_done(BEST_OF_N):
        return
    asked = _heldout(recipe, min(POOL, recipe.evaluation.prompts))
    with run.stage(BEST_OF_N):
        policy = LocalPolicy(load(str(start), frozen(recipe.compute)), recipe.sampling)
        seed = seed_of(recipe.seed, "pool")
        drawn = policy.sample([one.prompt for one in asked], recipe.evaluation.best_of, seed=seed)
        said = [replace(one, response=text) for one, texts in zip(asked, drawn, strict=True) for text in texts]
        write_jsonl(_pool_file(run), _graded(said, scorers))


def _samples_file(run: Run) -> Path:
    return run.stage_folder(EVALUATION) / "samples.jsonl"


def _pool_file(run: Run) -> Path:
    return run.stage_folder(BEST_OF_N) / "pool.jsonl"


def _graded(said: Sequence[Example], scorers: Mapping[str, StepScorer]) -> list[dict[str, object]]:
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
