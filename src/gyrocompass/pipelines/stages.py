"""The stages of a run. Each is done once: a finished stage is read back from its folder."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import data
from ..config import PPO, SFT, Compute, Config, Reward, Sampling, StepPayment
from ..errors import InputError
from ..feedback.steps import Cutting
from ..files import read_json, read_jsonl, write_jsonl, write_text
from ..learn.loop import Look, train
from ..learn.ppo import PolicyOptimisation, check
from ..learn.process import StepReward
from ..learn.reward import RewardModelling, accuracy, split_by_prompt
from ..learn.sft import Finetuning
from ..maths.stats import Estimate
from ..models import chat
from ..models.batching import seed_of
from ..models.loading import load
from ..models.network import Network
from ..models.pairs import encode_pairs
from ..models.policy import LocalPolicy, with_room
from ..models.rollouts import ServerRollouts
from ..models.scorer import RewardModel
from ..models.steps import ProcessRewardModel, StepPay, StepScorer
from ..protocols import Pair, Scorer
from ..records import Example, Measurement, Preference, Prompt
from ..run import Run
from .card import model_card
from .task import Label

BLOCK_PROMPTS = 512
"""Prompts sampled between two writes: what a kill may cost."""
CALIBRATION = 1000
"""Preferences whose responses set a reward model's zero and unit."""


Looks = Callable[[Network], Sequence[Look]]
"""The probes of a stage, given the policy that it trains."""


def sft(
    run: Run,
    base: str,
    examples: Sequence[Example],
    config: SFT,
    compute: Compute,
    looks: Looks = lambda policy: (),
    *,
    name: str = "sft",
) -> Path:
    """Fine-tunes `base` on responses; returns the model's folder."""
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            network = load(base, compute, trainable=True, seed=seed_of(run.seed, "sft adapters"))
            encoded = chat.encode(network.tokenizer, examples, network.max_tokens)
            tell(run, network.notes + encoded.notes)
            train(Finetuning(network, encoded.rows, config, run.seed), config, run, name, looks=looks(network))
            save(run, network, model, name, base, config)
    return model


def preferences(
    run: Run,
    policy: Path,
    prompts: Sequence[Prompt],
    label: Label,
    sampling: Sampling,
    compute: Compute,
    *,
    name: str = "preferences",
    responses: Path | None = None,
) -> list[Preference]:
    """Two responses a prompt from the policy, labelled. Prompts that leave no room for a response are left out, as are
    those whose responses came out equal. `responses` is a folder in which stages share them."""
    file = run.stage_folder(name) / "preferences.jsonl"
    if not run.stage_done(name):
        with run.stage(name) as folder:
            pairs = _sampled_pairs(run, responses or folder / "responses", policy, prompts, sampling, compute)
            if not pairs:
                raise InputError("the policy answers every prompt the same way twice; raise sampling.temperature")
            data.write(label(pairs), file)
    return data.read_preferences(file)[0]


def _sampled_pairs(
    run: Run, folder: Path, policy: Path, prompts: Sequence[Prompt], sampling: Sampling, compute: Compute
) -> list[Pair]:
    """Two different responses a prompt; blocks already on disk are not sampled again."""
    folder.mkdir(parents=True, exist_ok=True)
    local = LocalPolicy(load(str(policy), compute), sampling)
    kept, notes = with_room(local.network, prompts, sampling)
    tell(run, notes)
    prompts = [prompts[i] for i in kept]
    drawn: list[list[str]] = []
    with run.progress("preferences", len(prompts)) as tick:
        for start in range(0, len(prompts), BLOCK_PROMPTS):
            block, file = prompts[start : start + BLOCK_PROMPTS], folder / f"{start:06d}.jsonl"
            if not file.exists():
                responses = local.sample(block, 2, seed=seed_of(run.seed, "pairs", start))
                write_jsonl(file, [{"responses": two} for two in responses])
            drawn += [row["responses"] for row in read_jsonl(file)]
            tick(len(drawn))
    both = zip(prompts, drawn, strict=True)
    return [Pair(prompt, first, second) for prompt, (first, second) in both if first != second and first and second]


def reward(
    run: Run,
    base: str,
    records: Sequence[Preference],
    config: Reward,
    compute: Compute,
    *,
    name: str = "reward",
) -> Path:
    """Trains a reward model from `base`; its accuracy on prompts held out goes to evals.json."""
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            seed = seed_of(run.seed, name, "adapters")
            network = load(base, compute, scalar=True, trainable=True, seed=seed)
            _, usable, notes = encode_pairs(network, records)
            tell(run, network.notes + notes)
            training, heldout = split_by_prompt(usable, config.heldout_fraction, run.seed)
            pairs, _, _ = encode_pairs(network, training)
            train(RewardModelling(network, pairs, config, run.seed), config, run, name)
            scorer = RewardModel(network, name)
            scorer.calibrate([Example(p.prompt, text) for p in training[:CALIBRATION] for text in (p.first, p.second)])
            save(run, network, model, name, base, config)
            _measure_accuracy(run, scorer, [p for p in heldout if p.p_first != 0.5])
    return model


def _measure_accuracy(run: Run, scorer: RewardModel, decided: Sequence[Preference]) -> None:
    if len(decided) < 2:
        run.warn(f"{scorer.name}: too few held-out preferences that are no tie, so there is no accuracy to report")
        return
    found = accuracy(scorer, decided)
    run.measure([Measurement(scorer.name, "intent", "accuracy", *found)])
    run.say(f"{scorer.name}: accuracy {found} on held-out preferences")


def ppo(
    run: Run,
    policy: Network,
    reference: Network | None,
    critic_base: str | None,
    scorer: Scorer | StepPay,
    prompts: Sequence[Prompt],
    config: PPO,
    sampling: Sampling,
    *,
    base: str,
    looks: Sequence[Look] = (),
    name: str = "ppo",
    rollout: str | None = None,
    seed: int | None = None,
) -> Path:
    """Optimises the policy against the scorer; returns the model's folder. `rollout` is the server that samples;
    `seed`, by default the run's, sets the order of prompts and the draws."""
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            check(config, len(prompts))
            kept, notes = with_room(policy, prompts, sampling)
            tell(run, policy.notes + notes)
            prompts = [prompts[i] for i in kept]
            adapters = run.stage_folder(name) / "checkpoint" / "rollout"  # cleared away with the checkpoint
            rollouts = ServerRollouts(rollout, policy, sampling, adapters, run.warn) if rollout else None
            critic = _critic(run, policy, critic_base, base) if config.estimator == "gae" else None
            method = PolicyOptimisation(
                policy,
                reference,
                critic,
                scorer,
                prompts,
                config,
                sampling,
                run.seed if seed is None else seed,
                rollouts,
            )
            train(method, config, run, name, looks=looks)
            save(run, policy, model, name, base, config)
            if cut := getattr(scorer, "cut", 0):
                run.warn(f"{cut:,} responses were longer than the scorer reads, and scored without their end")
    return model


def _critic(run: Run, policy: Network, critic_base: str | None, base: str) -> Network:
    """A value model that starts as the reward model, if that reads the policy's tokens, else as the policy."""
    seed = seed_of(run.seed, "critic adapters")
    if critic_base is not None:
        critic = load(critic_base, policy.compute, scalar=True, trainable=True, seed=seed)
        if critic.tokenizer.get_vocab() == policy.tokenizer.get_vocab():
            return critic
        run.warn("the scorer's tokenizer is not the policy's, so the critic starts as the policy and not as the scorer")
    return load(base, policy.compute, scalar=True, trainable=True, seed=seed)


def load_policy(model: str, compute: Compute, seed: int) -> tuple[Network, Network | None]:
    """A policy to train and its reference: a frozen copy, or None where switching adapters off gives it."""
    policy = load(model, compute, trainable=True, seed=seed_of(seed, "policy adapters"))
    return policy, None if compute.lora_rank else load(model, compute)


def frozen(compute: Compute) -> Compute:
    """The same way of running models, without adapters."""
    return compute.model_copy(update={"lora_rank": 0})


def scorer_of(name: str, compute: Compute, steps: StepPayment) -> Scorer:
    """A reward model, or process reward model, from a folder or hub name, or a function from `module:function`.

    Raises InputError if there is no such function, or the model scores nothing.
    """
    if ":" not in name:
        return as_scorer(load(name, frozen(compute), scalar=True), name, steps)
    found: Scorer = function_of(name, "--scorer", "a folder, a hub name or module:function")
    return found


def as_scorer(network: Network, name: str, steps: StepPayment) -> Scorer:
    """The network behind the Scorer protocol, as what its config says it is."""
    if hasattr(network.core.config, "step_joint"):
        return ProcessRewardModel(network, Cutting(steps.cut), steps.aggregate)
    return RewardModel(network, name)


def paid(scorer: Scorer, steps: StepPayment) -> Scorer | StepPay:
    """What ppo is to pay: steps where the scorer scores them, else responses.

    Raises InputError for myopia about whole responses.
    """
    if isinstance(scorer, StepScorer):
        return StepReward(scorer, steps.aggregate, steps.myopic)
    if steps.myopic:
        raise InputError("ppo: --myopic pays steps, and this scorer whole responses; give one process reward model")
    return scorer


def function_of(name: str, flag: str, wanted: str = "module:function") -> Any:
    """The function `module:function`, from the working directory too. Raises InputError if there is none."""
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{flag} {name}: {error}; give {wanted}") from None


def measured(run: Run, model: str, metric: str) -> str:
    """A number of evals.json with its interval, in words."""
    row = measured_row(run, model, metric)
    return str(Estimate(*(row[key] for key in ("value", "low", "high", "n")))) if row else "not measured"


def measured_row(run: Run, model: str, metric: str, property: str | None = None) -> dict[str, Any] | None:
    """A row of evals.json about the whole, of this property or of any; None where there is none."""
    path = run.folder / "evals.json"
    rows = [row for row in read_json(path) if row["model"] == model] if path.exists() else []
    found = (row for row in rows if (row["metric"], row["slice"]) == (metric, None))
    return next((row for row in found if property in (None, row["property"])), None)


def tell(run: Run, notes: Sequence[str]) -> None:
    """Keeps each note as a warning of the run."""
    for note in notes:
        run.warn(note)


def save(run: Run, network: Network, folder: Path, stage: str, base: str, config: Config) -> None:
    """Writes a stage's model with its card."""
    network.save(folder)
    write_text(folder / "README.md", model_card(run, stage, base, config))
