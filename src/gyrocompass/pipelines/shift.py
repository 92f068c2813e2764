"""Distribution shift in a run or a model: by dialect on the town, by what prompts are like on data of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..audits.audit import Finding
from ..audits.shift.columns import question_of, slices
from ..audits.shift.dialects import answered, preferences
from ..audits.shift.gains import GAINS, Gain, TwoGains
from ..audits.shift.out_of_distribution import ACCURACY, CALIBRATION, Shifted
from ..audits.shift.slices import GAP, Cut
from ..audits.shift.twosample import OUTPUTS, PROMPTS, TwoSets, prompts, responses
from ..config import Compute, Sampling
from ..errors import InputError
from ..files import read_jsonl
from ..maths import stats
from ..models.batching import seed_of
from ..models.loading import load
from ..models.scorer import RewardModel
from ..protocols import Floats, Policy, Scorer
from ..records import Example, Preference, user
from ..run import Run
from ..worlds import town
from .stages import frozen
from .subjects import Subject, subjects
from .suites import TOWN_NEW_TOKENS
from .task import TOWN_NAME

ASKED = 400
"""Prompts in either dialect."""
BEFORE = "sft"
"""The model that training is compared with, where a run has it; else the first it has."""
TOWN_COLUMNS = ("kind", "length")
OWN_COLUMNS = ("kind", "length", "script", "cluster")
DIALECTS = ("the standard dialect", "the second dialect")


@dataclass(frozen=True)
class Answers:
    """A model's responses, and what each is worth, (N,)."""

    model: str
    examples: Sequence[Example]
    scores: Floats


def of_run(run: Run, compute: Compute, asked: int = ASKED) -> list[Finding]:
    """On the town the run's policies answer in both dialects, and its reward model is tried in both.

    Elsewhere the responses that the run kept of its evaluation are sliced, by its gauge of intent.
    Raises InputError if the run has kept none.
    """
    config = run.state["config"]
    if TOWN_NAME not in (config.get("data"), config.get("model")):
        return of_answers(*_kept(run))
    sampling = Sampling(**config.get("sampling", {}))
    sampling = sampling.model_copy(update={"max_new_tokens": min(sampling.max_new_tokens, TOWN_NEW_TOKENS)})
    compute = frozen(compute)
    policies = {subject.name: subject.local(compute, sampling) for subject in _trained(run)}
    return on_town(policies, reward_of(run, compute), asked, run.seed)


def on_town(
    policies: Mapping[str, Policy], scorer: Scorer | None = None, asked: int = ASKED, seed: int = 0
) -> list[Finding]:
    """Policies, the one before training first, on the same held-out prompts in either dialect; and a reward model."""
    drawn = seed_of(seed, "shift")
    both = [town.prompts(asked, drawn, split="heldout", dialect=second) for second in (False, True)]
    found: list[Finding] = []
    before: list[Answers] = []
    for name, policy in policies.items():
        after = [_gold(name, policy, side, drawn) for side in both]
        whole = Answers(name, [*after[0].examples, *after[1].examples], np.concatenate([a.scores for a in after]))
        found += _by(whole, ["dialect"], "gold")
        if before:
            first, second = map(_gain, DIALECTS, before, after)
            found.append(GAINS(TwoGains(first, second, paired=True), name))
            found.append(_outputs(before[0], after[0]))
            found += _by(_gained(before[0], after[0]), TOWN_COLUMNS, "the gain in gold")
        elif len(policies) == 1:
            found += _by(after[0], TOWN_COLUMNS, "gold")
        before = before or after
    if scorer is not None:
        pairs = preferences(next(iter(policies.values())), both[0], drawn)
        case = Shifted(scorer, pairs, list(map(_in_second, pairs)), (f"in {DIALECTS[0]}", f"in {DIALECTS[1]}"))
        found += [audit(case, "reward") for audit in (ACCURACY, CALIBRATION)]
    return found


def of_answers(answers: Sequence[Answers], gauge: str) -> list[Finding]:
    """Responses of models, the one before training first, to the same prompts: what training gained by slice, and
    whether it changed what is said; of one model alone, what falls behind."""
    before = answers[0]
    found: list[Finding] = []
    if len(answers) == 1:
        return list(_by(before, OWN_COLUMNS, gauge))
    for after in answers[1:]:
        found += [*_by(_gained(before, after), OWN_COLUMNS, f"the gain in {gauge}"), _outputs(before, after)]
    return found


def of_prompts(known: Sequence[Example], deployed: Sequence[Example], model: str) -> Finding:
    """Whether the prompts that a model is asked are unlike those that it was trained on."""
    return PROMPTS(TwoSets(prompts("training", known), prompts("deployment", deployed), "prompts"), model)


def _by(answers: Answers, columns: Sequence[str], of: str) -> Iterator[Finding]:
    """The slice gap by every column that cuts these prompts in two or more."""
    for by in columns:
        if by == "kind" and not any(e.kind for e in answers.examples):
            continue
        names = slices(answers.examples, by)
        if len(set(names)) > 1:
            cut = Cut(answers.scores, names, list(map(question_of, answers.examples)), of, by)
            title = f"{GAP.name}: {of} by {by}"
            yield replace(GAP, name=title)(cut, answers.model)


def _gold(name: str, policy: Policy, asked: Sequence[Example], seed: int) -> Answers:
    examples = answered(policy, asked, seed)
    return Answers(name, examples, town.gold(examples))


def _gain(name: str, before: Answers, after: Answers) -> Gain:
    return Gain(name, before.scores, after.scores, list(map(question_of, after.examples)))


def _gained(before: Answers, after: Answers) -> Answers:
    """What training gained on each prompt. Kinds of prompt are unequally hard, so levels would always differ."""
    return Answers(after.model, after.examples, after.scores - before.scores)


def _outputs(before: Answers, after: Answers) -> Finding:
    """Training is meant to change what is said: a difference that costs no intent is no failure."""
    change = stats.paired_difference(after.scores, before.scores)
    harmless = "" if change.high < 0 else f"But the responses aren't known to be worth less than before: {change}."
    case = TwoSets(responses(before.model, before.examples), responses(after.model, after.examples), harmless=harmless)
    return OUTPUTS(case, after.model)


def _in_second(pair: Preference) -> Preference:
    """The same pair in the second dialect: as hard, and gold's verdict stands."""
    first, second = map(town.to_dialect, (pair.first, pair.second))
    return replace(pair, prompt=user(town.to_dialect(town.prompt_text(pair.prompt))), first=first, second=second)


def _trained(run: Run) -> list[Subject]:
    """The model before training, then those that rest on it."""
    policies = subjects([str(run.folder)])
    names = [subject.name for subject in policies]
    start = names.index(BEFORE) if BEFORE in names else 0
    return policies[start:]


def reward_of(run: Run, compute: Compute) -> Scorer | None:
    """The run's reward model, None if it trained none."""
    if not run.stage_done("reward"):
        return None
    return RewardModel(load(str(run.stage_folder("reward") / "model"), compute, scalar=True), "the reward model")


def _kept(run: Run) -> tuple[list[Answers], str]:
    """The responses of a run's evaluation, and the gauge of intent that they have.

    Raises InputError if there are none.
    """
    files = sorted(run.folder.glob("stages/*-evaluation/samples.jsonl"))
    if not files:
        raise InputError(f"{run.folder}: it keeps no responses of an evaluation; finish `gyro run`, or audit a model")
    rows = read_jsonl(files[-1])
    gauge = next(name for name in ("gold", "heldout_proxy", "proxy") if name in rows[0])
    names = list(dict.fromkeys(row["model"] for row in rows))
    start = names.index(BEFORE) if BEFORE in names else 0
    return [_answers([row for row in rows if row["model"] == name], name, gauge) for name in names[start:]], gauge


def _answers(rows: Sequence[Mapping[str, object]], model: str, gauge: str) -> Answers:
    examples = [
        Example(user(str(row["prompt"])), str(row["response"]), meta={"kind": row["kind"]} if row["kind"] else {})
        for row in rows
    ]
    return Answers(model, examples, np.array([row[gauge] for row in rows], dtype=np.float64))
