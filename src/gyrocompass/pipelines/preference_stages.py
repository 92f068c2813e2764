"""DPO and its family as stages: from preferences at hand, or online against a scorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from .. import data
from ..config import DPO, Compute, Online, Sampling
from ..errors import InputError
from ..files import read_jsonl
from ..learn import reference as kept_reference
from ..learn.dpo import DirectPreferenceOptimisation, needs_reference, rewards
from ..learn.kto import KahnemanTverskyOptimisation, encode_labelled
from ..learn.loop import Look, Method, train
from ..learn.online import OnlinePreferenceOptimisation, best_against_worst, check
from ..learn.reward import split_by_prompt
from ..maths import clusters
from ..maths.stats import Estimate
from ..models.batching import seed_of
from ..models.loading import load
from ..models.network import Network
from ..models.pairs import PairRows, encode_pairs
from ..models.policy import with_room
from ..protocols import Scorer
from ..records import Example, Measurement, Preference, Prompt, Steps
from ..run import Run
from .probe import PolicyProbe
from .probing import due
from .stages import Looks, frozen, save, tell
from .task import read_preferences, recorded

REFERENCE_FILE = "reference.safetensors"
KL_PROMPTS = 32
"""Held-out prompts on which the KL to the reference is measured."""

Learn = Callable[[Network, Sequence[PairRows], Tensor | None, DPO, int], Method]


def dpo(
    run: Run,
    base: str,
    records: Sequence[Preference | Example],
    config: DPO,
    compute: Compute,
    *,
    looks: Looks = lambda policy: (),
    name: str = "dpo",
    kept: Path | None = None,
) -> Path:
    """Learns from preferences (kto: from labelled examples too), starting at `base`; returns the model's folder.

    Accuracy and margin of the implicit reward on prompts held out go to evals.json. The reference's log-probabilities
    are kept in the folder `kept`, by default the stage's own: stages that learn from the same records share them.
    Raises InputError if the records, the base or the reference can't be used.
    """
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name) as folder:
            training, heldout = split(records, config, run.seed)
            policy = load(base, compute, trainable=True, seed=seed_of(run.seed, "policy adapters"))
            pairs, notes = _encoded(policy, training, config)
            unseen, usable, more = encode_pairs(policy, heldout)
            tell(run, [*policy.notes, *notes, *(f"held out: {note}" for note in more)])
            file = (kept or folder) / REFERENCE_FILE
            known = _reference(run, name, policy, config, [*pairs, *unseen], file)
            seen, rest = (None, None) if known is None else (known[: len(pairs)], known[len(pairs) :])
            learn: Learn = KahnemanTverskyOptimisation if config.loss == "kto" else DirectPreferenceOptimisation
            train(learn(policy, pairs, seen, config, run.seed), config, run, name, looks=looks(policy))
            _measure(run, name, policy, unseen, usable, rest, config)
            save(run, policy, model, name, base, config)
    return model


def online_dpo(
    run: Run,
    policy: Network,
    reference: Network | None,
    scorer: Scorer,
    prompts: Sequence[Prompt],
    config: DPO,
    online: Online,
    sampling: Sampling,
    *,
    base: str,
    looks: Sequence[Look] = (),
    name: str = "dpo",
) -> Path:
    """Samples, scores and learns in turn; returns the model's folder. `reference` None: the policy's adapters off."""
    model = run.stage_folder(name) / "model"
    if not run.stage_done(name):
        with run.stage(name):
            check(config, online, len(prompts))
            room, notes = with_room(policy, prompts, sampling)
            tell(run, policy.notes + notes)
            method = OnlinePreferenceOptimisation(
                policy, reference, best_against_worst(scorer, online.missing_end_penalty),
                [prompts[i] for i in room], config, online, sampling, run.seed,
            )  # fmt: skip
            train(method, config, run, name, looks=looks)
            save(run, policy, model, name, base, config)
    return model


def read_feedback(source: str, config: DPO, run: Run) -> Sequence[Preference | Example]:
    """Preferences from a source, recorded in the run; for kto, whatever holds a response and a label."""
    if config.loss != "kto":
        return read_preferences(source, run)
    records = recorded(source, run, *data.read(source))
    return [record for record in records if not isinstance(record, Steps)]


def split(
    records: Sequence[Preference | Example], config: DPO, seed: int
) -> tuple[list[Preference | Example], list[Preference]]:
    """What to learn from, and the preferences held out, which share no prompt with the others.

    Raises InputError if there are examples, and the loss compares two responses.
    """
    preferences = [r for r in records if isinstance(r, Preference)]
    if len(preferences) < len(records) and config.loss != "kto":
        raise InputError(f"dpo: {config.loss} compares two responses; for examples with a label set dpo.loss to kto")
    training, heldout = split_by_prompt(preferences, config.heldout_fraction, seed)
    return [*training, *(r for r in records if isinstance(r, Example))], heldout


def load_reference(policy: Network, name: str) -> Network:
    """A frozen reference by folder or hub name. Raises InputError if it doesn't read the policy's tokens."""
    other = load(name, frozen(policy.compute))
    if other.tokenizer.get_vocab() != policy.tokenizer.get_vocab():
        raise InputError(f"reference {name}: its tokenizer is not the policy's; take one trained from the same base")
    return other


def _encoded(policy: Network, records: Sequence[Preference | Example], config: DPO) -> tuple[list[PairRows], list[str]]:
    if config.loss == "kto":
        return encode_labelled(policy, records)
    pairs, _, notes = encode_pairs(policy, [r for r in records if isinstance(r, Preference)])
    return pairs, notes


def _reference(
    run: Run, name: str, policy: Network, config: DPO, pairs: Sequence[PairRows], file: Path
) -> Tensor | None:
    """The reference's log-probabilities of all pairs, (N, 2), or None where the loss reads none."""
    if not needs_reference(config):
        return None
    weights = kept_reference.hash_of_weights(policy)
    if config.reference == "start":
        with policy.adapters_off() if policy.compute.lora_rank else nullcontext():
            return _kept(run, name, policy, weights, pairs, file)
    other = load_reference(policy, config.reference)
    others = kept_reference.hash_of_weights(other)
    if others == weights:
        raise InputError(f"reference {config.reference}: the very model that training starts from; leave it at start")
    if max(map(len, pairs), default=0) > other.max_tokens:
        raise InputError(
            f"reference {config.reference}: it reads {other.max_tokens:,} tokens; lower max_tokens to that"
        )
    run.warn(f"the reference is {config.reference}, not the start: log-ratios don't begin at 0, nor the loss at ln 2")
    return _kept(run, name, other, others, pairs, file)


def _kept(run: Run, name: str, network: Network, weights: str, pairs: Sequence[PairRows], file: Path) -> Tensor:
    def compute() -> Tensor:
        with run.progress(f"{name} reference", len(pairs)) as tick:
            return kept_reference.logprobs(network, pairs, tick)

    return kept_reference.kept(file, kept_reference.key_of(network, weights, pairs), compute)


def _measure(
    run: Run,
    name: str,
    policy: Network,
    pairs: Sequence[PairRows],
    preferences: Sequence[Preference],
    reference: Tensor | None,
    config: DPO,
) -> None:
    """Accuracy and margin of the implicit reward on held-out preferences, ties aside, clustered by prompt."""
    decided = [i for i, p in enumerate(preferences) if p.p_first != 0.5]
    prompts = {prompt: k for k, prompt in enumerate(dict.fromkeys(preferences[i].prompt for i in decided))}
    if len(prompts) < 2:
        run.warn(f"{name}: too few held-out preferences that are no tie, so there is no accuracy to report")
        return
    known = None if reference is None else reference[decided]
    first, second = rewards(policy, [pairs[i] for i in decided], known, config).cpu().double().numpy().T
    margin = (first - second) * np.array([1.0 if preferences[i].p_first > 0.5 else -1.0 for i in decided])
    owner = np.array([prompts[preferences[i].prompt] for i in decided])
    accuracy = clusters.proportion((1 + np.sign(margin)) / 2, owner)
    found = {"accuracy": accuracy, "margin": clusters.mean(margin, owner)}
    run.measure([Measurement(name, "intent", metric, *estimate) for metric, estimate in found.items()])
    run.say(f"{name}: accuracy {accuracy} on held-out preferences")


@dataclass(frozen=True)
class KLProbe:
    """Called after a training step: the KL to the reference on some prompts.

    `source` is where the reference is loaded from, for as long as the probe takes; None: the policy's adapters off.
    """

    policy: Network
    source: str | None
    prompts: Sequence[Example]
    sampling: Sampling
    seed: int
    folder: Path
    name: str

    def __call__(self, step: int) -> dict[str, Any]:
        reference = None if self.source is None else load_reference(self.policy, self.source)
        return PolicyProbe(
            self.policy, reference, self.prompts, {}, self.sampling, self.seed, self.folder, self.name
        )(step)  # fmt: skip


def kl_looks(
    run: Run, policy: Network, base: str, prompts: Sequence[Prompt], config: DPO, sampling: Sampling, name: str = "dpo"
) -> list[Look]:
    """Five looks at the KL to the reference (to the start where there is none), or a warning and no look where fewer
    than two prompts leave room for a response."""
    distinct = list(dict.fromkeys(prompts))
    try:
        room, _ = with_room(policy, distinct, sampling)
    except InputError as error:
        run.warn(f"the KL to the reference is not measured: {error}")
        return []
    some = [Example(distinct[i]) for i in room[:KL_PROMPTS]]
    if len(some) < 2:
        run.warn("the KL to the reference is not measured: fewer than two held-out prompts")
        return []
    source: str | None = config.reference
    if source in ("start", "none"):
        source = None if policy.compute.lora_rank else base
    probe = KLProbe(policy, source, some, sampling, run.seed, run.stage_folder(name) / "probes", name)
    return [Look(probe, lambda steps: due(steps, None))]


def last_kl(run: Run, name: str = "dpo") -> str:
    """The KL to the reference as it was last measured, in words; a probe's comes with its interval."""
    path = run.folder / "metrics.jsonl"
    rows = [row for row in read_jsonl(path) if row["stage"] == name and "kl_nats" in row] if path.exists() else []
    if not rows:
        return "not measured"
    last = rows[-1]
    keys = ("kl_nats", "kl_nats_low", "kl_nats_high", "n")
    known = (
        str(Estimate(*(last[key] for key in keys))) if all(key in last for key in keys) else f"{last['kl_nats']:.2f}"
    )
    return f"{known} nats a response"
