"""The stages of process supervision: responses, labels of their steps, and the models that learn these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .. import data
from ..config import Access, Compute, Reward, Sampling, StepLearning
from ..errors import InputError
from ..feedback.steps import Cutting, Right, rollout_labels
from ..files import read_jsonl, write_jsonl
from ..learn.loop import train
from ..learn.process import ImplicitRewardModelling, ProcessRewardModelling
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy, with_room
from ..models.steps import encode_steps
from ..records import Example, Record, Steps, from_row, to_row
from ..run import Run
from .stages import load_policy, save, tell
from .subjects import subject
from .suites import opened

BLOCK = 128
"""Questions whose responses are sampled, or continued, between two writes: what a kill may cost."""


def sampled_chains(
    run: Run, source: str, questions: Sequence[Example], n: int, sampling: Sampling, compute: Compute,
    access: Access | None = None, *, name: str = "chains",
) -> list[Example]:  # fmt: skip
    """n responses of a local model, or an endpoint, to each question, as examples. Questions that leave a local model
    no room for a response are left out."""
    file = run.stage_folder(name) / "chains.jsonl"
    if not run.stage_done(name):
        with run.stage(name) as folder:
            policy = opened(subject(source), sampling, compute, access or Access(), run)
            asked = list(questions)
            if isinstance(policy, LocalPolicy):
                kept, notes = with_room(policy.network, [one.prompt for one in questions], sampling)
                tell(run, notes)
                asked = [questions[i] for i in kept]
            with run.progress(name, len(asked)) as tick:
                for start in range(0, len(asked), BLOCK):
                    block, part = asked[start : start + BLOCK], folder / "blocks" / f"{start:06d}.jsonl"
                    if not part.exists():
                        drawn = policy.sample([q.prompt for q in block], n, seed=seed_of(run.seed, name, start))
                        both = zip(block, drawn, strict=True)
                        data.write([replace(q, response=text) for q, texts in both for text in texts], part)
                    tick(start + len(block))
            data.write(_blocks(folder), file)
    return data.read_examples(file)[0]


def rollout_steps(
    run: Run, source: str, chains: Sequence[Example], cutting: Cutting, right: Right, n: int, sampling: Sampling,
    compute: Compute, *, name: str = "rollouts",
) -> list[Steps]:  # fmt: skip
    """Soft Monte-Carlo labels of the chains' steps by n continuations from each; blocks on disk are kept. Chains that
    can't be continued from some step are left out and counted."""
    file = run.stage_folder(name) / "steps.jsonl"
    if not run.stage_done(name):
        with run.stage(name) as folder, run.progress(name, len(chains)) as tick:
            (folder / "blocks").mkdir(exist_ok=True)
            local = LocalPolicy(load(source, compute), sampling)
            for start in range(0, len(chains), 4 * BLOCK):
                block, part = chains[start : start + 4 * BLOCK], folder / "blocks" / f"{start:06d}.jsonl"
                if not part.exists():
                    seed = seed_of(run.seed, name, start)
                    write_jsonl(part, list(map(to_row, rollout_labels(local, block, cutting, right, n, seed))))
                tick(start + len(block))
            labelled = _blocks(folder)
            if left := sum(bool(cutting(chain.response or "")) for chain in chains) - len(labelled):
                run.warn(
                    f"{left:,} of {len(chains):,} responses were left out: after some step there was no room to go on, "
                    f"or all of {n:,} continuations changed it"
                )
            if not labelled:
                raise InputError(
                    f"{name}: no step of {len(chains):,} responses could be labelled; look at what they say"
                )
            data.write(labelled, file)
    return data.read_steps(file)[0]


def _blocks(folder: Path) -> list[Record]:
    """What each block came to, which may be nothing."""
    return [from_row(row) for part in sorted((folder / "blocks").glob("*.jsonl")) for row in read_jsonl(part)]


def step_model(
    run: Run, base: str, chains: Sequence[Steps], joint: str, learning: StepLearning, config: Reward,
    compute: Compute, *, name: str = "prm",
) -> Path:  # fmt: skip
    """Trains a process reward model from `base` on labelled chains, by a head or by likelihood; returns its folder."""
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            if learning.readout == "head":
                network = load(base, compute, scalar=True, trainable=True, seed=seed_of(run.seed, name, "adapters"))
            else:
                network, reference = load_policy(base, compute, run.seed)
                network.core.config.implicit_beta = learning.beta
            rows, _, notes = encode_steps(network, chains, joint, learning.until_error)
            tell(run, network.notes + notes)
            method = (
                ProcessRewardModelling(network, rows, config, run.seed)
                if learning.readout == "head"
                else ImplicitRewardModelling(network, reference, rows, config, learning.beta, run.seed)
            )
            network.core.config.step_joint = joint
            train(method, config, run, name)
            save(run, network, model, name, base, config)
    return model
