"""The stages of a run. Each is done once: a finished stage is read back from its folder."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from pathlib import Path

from .. import data
from ..config import PPO, SFT, Compute, Reward, Sampling
from ..errors import InputError
from ..learn.loop import Probe, train
from ..learn.ppo import PolicyOptimisation
from ..learn.reward import RewardModelling, accuracy, encode_pairs, split_by_prompt
from ..learn.sft import Finetuning
from ..maths.stats import Estimate
from ..models import chat
from ..models.batching import seed_of
from ..models.network import Network, load
from ..models.policy import LocalPolicy
from ..models.scorer import RewardModel
from ..protocols import Pair, Scorer
from ..records import Example, Measurement, Preference, Prompt
from ..run import Run, read_json, write_text
from .card import model_card
from .task import Label


def sft(run: Run, base: str, examples: Sequence[Example], config: SFT, compute: Compute) -> Path:
    """Fine-tunes `base` on responses; returns the model's folder."""
    model = run.stage_folder("sft") / "model"
    if not run.stage_done("sft"):
        with run.stage("sft"):
            network = load(base, compute, trainable=True)
            encoded = chat.encode(network.tokenizer, examples, network.max_tokens)
            _tell(run, network.notes + encoded.notes)
            train(Finetuning(network, encoded.rows, config, run.seed), config, run, "sft")
            _save(run, network, model, "sft", base)
    return model


def preferences(
    run: Run, policy: Path, prompts: Sequence[Prompt], label: Label, sampling: Sampling, compute: Compute
) -> list[Preference]:
    """Two responses a prompt from the policy, labelled. Prompts whose responses came out equal are left out."""
    file = run.stage_folder("preferences") / "preferences.jsonl"
    if not run.stage_done("preferences"):
        with run.stage("preferences"):
            network = load(str(policy), compute)
            drawn = LocalPolicy(network, sampling).sample(prompts, 2, seed=seed_of(run.seed, "pairs"))
            pairs = [
                Pair(prompt, first, second)
                for prompt, (first, second) in zip(prompts, drawn, strict=True)
                if first != second and first and second
            ]
            if not pairs:
                raise InputError("the policy answers every prompt the same way twice; raise sampling.temperature")
            data.write(label(pairs), file)
    return data.read_preferences(file)[0]


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
            training, heldout = split_by_prompt(records, config.heldout_fraction, run.seed)
            network = load(base, compute, scalar=True, trainable=True)
            pairs, notes = encode_pairs(network, training)
            _tell(run, network.notes + notes)
            train(RewardModelling(network, pairs, config, run.seed), config, run, name)
            scorer = RewardModel(network, name)
            scorer.calibrate([Example(p.prompt, text) for p in training[:1000] for text in (p.first, p.second)])
            _save(run, network, model, name, base)
            decided = [p for p in heldout if p.p_first != 0.5]
            if decided:
                found = accuracy(scorer, decided)
                run.measure([Measurement(name, "intent", "accuracy", *found)])
                run.say(f"{name}: accuracy {found} on held-out preferences")
            else:
                run.warn(f"{name}: every held-out preference is a tie, so there is no accuracy to report")
    return model


def ppo(
    run: Run,
    policy: Network,
    reference: Network | None,
    critic_base: str | None,
    scorer: Scorer,
    prompts: Sequence[Prompt],
    config: PPO,
    sampling: Sampling,
    *,
    base: str,
    probe: Probe | None = None,
    probe_at: Collection[int] = (),
) -> Path:
    """Optimises the policy against the scorer; returns the model's folder."""
    model = run.stage_folder("ppo") / "model"
    if not run.stage_done("ppo"):
        with run.stage("ppo"):
            critic = None
            if config.estimator == "gae":
                critic = load(critic_base or base, policy.compute, scalar=True, trainable=True)
            method = PolicyOptimisation(policy, reference, critic, scorer, prompts, config, sampling, run.seed)
            train(method, config, run, "ppo", probe=probe, probe_at=probe_at)
            _save(run, policy, model, "ppo", base)
    return model


def load_policy(model: str, compute: Compute) -> tuple[Network, Network | None]:
    """A policy to train and its reference: a frozen copy, or None where switching adapters off gives it."""
    policy = load(model, compute, trainable=True)
    return policy, None if compute.lora_rank else load(model, compute)


def frozen(compute: Compute) -> Compute:
    """The same way of running models, without adapters."""
    return compute.model_copy(update={"lora_rank": 0})


def scorer_of(name: str, compute: Compute) -> Scorer:
    """A reward model from a folder or hub name, or a function from `module:function`.

    Raises InputError if there is no such function.
    """
    module, colon, function = name.partition(":")
    if not colon:
        return RewardModel(load(name, frozen(compute), scalar=True), name)
    try:
        found: Scorer = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"--scorer {name}: {error}; give a folder, a hub name or module:function") from None
    return found


def measured(run: Run, model: str, metric: str) -> str:
    """A number of evals.json with its interval, in words."""
    path = run.folder / "evals.json"
    rows = [row for row in read_json(path) if (row["model"], row["metric"]) == (model, metric)] if path.exists() else []
    return str(Estimate(*(rows[0][key] for key in ("value", "low", "high", "n")))) if rows else "not measured"


def _tell(run: Run, notes: Sequence[str]) -> None:
    for note in notes:
        run.warn(note)


def _save(run: Run, network: Network, folder: Path, stage: str, base: str) -> None:
    network.save(folder)
    write_text(folder / "README.md", model_card(run, stage, base))
