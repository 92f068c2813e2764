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
from ..maths import clusters
from ..models.batching import seed_of
from ..models.loading import load
from ..models.scorer import RewardModel
from ..protocols import Floats, Policy, Scorer
from ..records import Example, Preference, Prompt, user
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
OWN_COLUMNS = ("kind", "length", "language", "cluster")
DIALECTS = ("the standard dialect", "the second dialect")


@dataclass(frozen=True)
class Answers:
    """A model's responses, and what each is worth, (N,), by one gauge or more; higher is better."""

    model: str
    examples: Sequence[Example]
    worth: Mapping[str, Floats]

    @property
    def questions(self) -> list[str]:
        return list(map(question_of, self.examples))


def of_run(run: Run, compute: Compute, asked: int = ASKED, stage: str | None = None) -> list[Finding]:
    """On the town the run's policies answer in both dialects, and its reward model is tried in both.

    Elsewhere the responses that the run kept of its evaluation are sliced, by its gauge of intent. Of a `stage` alone
    it is told what that one gained. Raises InputError if the run has kept no responses.
    """
    config = run.state["config"]
    if TOWN_NAME not in (config.get("data"), config.get("model")):
        return of_answers(_kept(run, stage))
    sampling = Sampling(**config.get("sampling", {}))
    sampling = sampling.model_copy(update={"max_new_tokens": min(sampling.max_new_tokens, TOWN_NEW_TOKENS)})
    compute = frozen(compute)
    policies = {subject.name: subject.local(compute, sampling) for subject in _trained(run, stage)}
    scorer = reward_of(run, compute) if stage is None else None
    return on_town(policies, scorer, asked, run.seed)


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
        whole = np.concatenate([side.worth["gold"] for side in after])
        found += _by(Answers(name, [*after[0].examples, *after[1].examples], {"gold": whole}), ["dialect"])
        if before:
            first, second = map(_gain, DIALECTS, before, after)
            found.append(GAINS(TwoGains(first, second), name))
            gained = _gained(before[0], after[0])
            found += [_outputs(before[0], after[0], gained), *_by(gained, TOWN_COLUMNS)]
        elif len(policies) == 1:
            found += _by(after[0], TOWN_COLUMNS)
        before = before or after
    if scorer is not None:
        pairs = preferences(next(iter(policies.values())), both[0], drawn)
        case = Shifted(scorer, pairs, list(map(_in_second, pairs)), (f"in {DIALECTS[0]}", f"in {DIALECTS[1]}"))
        found += [audit(case, "reward") for audit in (ACCURACY, CALIBRATION)]
    return found


def of_answers(answers: Sequence[Answers], columns: Sequence[str] = OWN_COLUMNS) -> list[Finding]:
    """Responses of models, the one before training first, to the same prompts: what training gained by slice, and
    whether it changed what is said; of one model alone, what falls behind.

    Raises InputError if two models share fewer than two prompts.
    """
    before = answers[0]
    found: list[Finding] = []
    if len(answers) == 1:
        return list(_by(before, columns))
    for after in answers[1:]:
        gained = _gained(before, after)
        found += _by(gained, columns)
        if all(any(e.response for e in one.examples) for one in (before, after)):
            found.append(_outputs(before, after, gained))
    return found


def of_prompts(known: Sequence[Example], deployed: Sequence[Example], model: str) -> Finding:
    """Whether the prompts that a model is asked are unlike those that it was trained on."""
    return PROMPTS(TwoSets(prompts("training", known), prompts("deployment", deployed), "prompts"), model)


def _by(answers: Answers, columns: Sequence[str]) -> Iterator[Finding]:
    """The slice gap of each gauge by every column that cuts these prompts in two or more."""
    for by in columns:
        if by == "kind" and not any(e.kind for e in answers.examples):
            continue
        names = slices(answers.examples, by)
        for of, scores in answers.worth.items() if len(set(names)) > 1 else ():
            audit = replace(GAP, name=f"{GAP.name}: {of} by {by}")
            yield audit(Cut(scores, names, answers.questions, of, by), answers.model)


def _gold(name: str, policy: Policy, asked: Sequence[Example], seed: int) -> Answers:
    examples = answered(policy, asked, seed)
    return Answers(name, examples, {"gold": town.gold(examples)})


def _gain(name: str, before: Answers, after: Answers) -> Gain:
    return Gain(name, before.worth["gold"], after.worth["gold"], after.questions)


def _gained(before: Answers, after: Answers) -> Answers:
    """What training gained on each prompt. Kinds of prompt are unequally hard, so levels would always differ."""
    first, second = _matched(before, after)
    gains = {f"the gain in {gauge}": scores - first.worth[gauge] for gauge, scores in second.worth.items()}
    return Answers(second.model, second.examples, gains)


def _matched(before: Answers, after: Answers) -> tuple[Answers, Answers]:
    """Both on the same prompts in the same order: as they are, or else a row for each prompt that both were asked."""
    asked = [[e.prompt for e in one.examples] for one in (before, after)]
    if asked[0] == asked[1]:
        return before, after
    known = set(asked[0])
    shared = [prompt for prompt in dict.fromkeys(asked[1]) if prompt in known]
    if len(shared) < 2:
        raise InputError(
            f"{before.model} and {after.model} answer {len(shared)} prompts in common, so what was gained can't be "
            "told; ask both the same, or keep each model in a file of its own"
        )
    return _averaged(before, shared), _averaged(after, shared)


def _averaged(answers: Answers, prompts: Sequence[Prompt]) -> Answers:
    """The first of the rows with each of these prompts, and the mean of what they are worth."""
    rows: dict[Prompt, list[int]] = {prompt: [] for prompt in prompts}
    for at, example in enumerate(answers.examples):
        if example.prompt in rows:
            rows[example.prompt].append(at)
    worth = {gauge: np.array([v[r].mean() for r in rows.values()]) for gauge, v in answers.worth.items()}
    return Answers(answers.model, [answers.examples[r[0]] for r in rows.values()], worth)


def _outputs(before: Answers, after: Answers, gained: Answers) -> Finding:
    """Training is meant to change what is said: a difference that costs no intent is no failure."""
    changes = {of: clusters.mean(scores, gained.questions) for of, scores in gained.worth.items()}
    of, change = min(changes.items(), key=lambda one: one[1].high)
    harmless = "" if change.high < 0 else f"But they aren't known to be worth less than before: {of} is {change}."
    case = TwoSets(responses(before.model, before.examples), responses(after.model, after.examples), harmless=harmless)
    return OUTPUTS(case, after.model)


def _in_second(pair: Preference) -> Preference:
    """The same pair in the second dialect: as hard, and gold's verdict stands."""
    first, second = map(town.to_dialect, (pair.first, pair.second))
    return replace(pair, prompt=user(town.to_dialect(town.prompt_text(pair.prompt))), first=first, second=second)


def _trained(run: Run, stage: str | None) -> list[Subject]:
    """The model before training, then those that rest on it, or the `stage` alone."""
    policies = {subject.name: subject for subject in subjects([str(run.folder)])}
    return [policies[name] for name in _since(list(policies), stage)]


def _since(models: Sequence[str], stage: str | None) -> list[str]:
    start = models.index(BEFORE) if BEFORE in models else 0
    return [models[start], *(name for name in models[start + 1 :] if stage in (None, name))]


def reward_of(run: Run, compute: Compute) -> Scorer | None:
    """The run's reward model, None if it trained none."""
    if not run.stage_done("reward"):
        return None
    return RewardModel(load(str(run.stage_folder("reward") / "model"), compute, scalar=True), "the reward model")


def _kept(run: Run, stage: str | None) -> list[Answers]:
    """The responses of a run's evaluation and their gauge of intent. Raises InputError if there are none."""
    files = sorted(run.folder.glob("stages/*-evaluation/samples.jsonl"))
    if not files:
        raise InputError(f"{run.folder}: it keeps no responses of an evaluation; finish `gyro run`, or audit a model")
    rows = read_jsonl(files[-1])
    gauge = next(name for name in ("gold", "heldout_proxy", "proxy") if name in rows[0])
    names = _since(list(dict.fromkeys(row["model"] for row in rows)), stage)
    return [_answers([row for row in rows if row["model"] == name], name, gauge) for name in names]


def _answers(rows: Sequence[Mapping[str, object]], model: str, gauge: str) -> Answers:
    examples = [
        Example(user(str(row["prompt"])), str(row["response"]), meta={"kind": row["kind"]} if row["kind"] else {})
        for row in rows
    ]
    return Answers(model, examples, {gauge: np.array([row[gauge] for row in rows], dtype=np.float64)})
