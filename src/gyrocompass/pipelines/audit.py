"""Audits of a run, a model or a file: builds each audit's case from what is there, and writes the findings down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..audits.audit import FAILURES, Audit, Failure, Finding
from ..audits.edits import ENGLISH, TOWN, Language
from ..audits.emergence import JUMP
from ..audits.gaming import tasks
from ..audits.gaming.changes import PROXY_UP, changed
from ..audits.gaming.probes import PROBES, case_of
from ..audits.hacking.exploits import EXPLOITS, change_of
from ..audits.hacking.overoptimisation import OVER_OPTIMISED
from ..audits.planted_scorers import town_responses
from ..audits.shift.gains import GAINS
from ..config import Access, Compute, Sampling
from ..errors import InputError
from ..files import read_jsonl
from ..protocols import Policy, Scorer
from ..records import Example, user
from ..run import Run, stage_title
from ..worlds import town
from . import answers, courses, emergence, grids, shift
from .answers import Table, Wanted
from .stages import frozen
from .subjects import Subject, subjects
from .suites import TOWN_NEW_TOKENS

BY_SELECTION = replace(OVER_OPTIMISED, failure="gaming", name="over-optimisation by best-of-n")
"""Of the reward model: what picking responses by it does to intent, without training against it."""
TASKS = 120
"""Tasks that a policy is set for each audit of specification gaming."""
RENDERED = 300
"""Responses beside those of a run, in which every manner of the town occurs."""


@dataclass(frozen=True)
class Asked:
    """Which failures are looked for, in how many prompts, and how models are read."""

    failures: Sequence[Failure]
    prompts: int
    seed: int
    sampling: Sampling
    compute: Compute
    access: Access
    pool: int = courses.N_MAX
    """Responses a prompt among which best-of-n chooses, in the town."""
    wanted: Wanted = field(default_factory=Wanted)
    """Of a file of answers."""


@dataclass(frozen=True)
class Target:
    """What is audited: policies by name, and the run they come from, if they do; or a table of answers, and one of
    prompts that are known."""

    named: str
    policies: Sequence[Subject] = ()
    run: Run | None = None
    table: Table | None = None
    known: Table | None = None

    @property
    def trained(self) -> bool:
        """Whether it is a run that trained a policy."""
        return self.run is not None and self.policies[-1].name != "base"

    @property
    def stage(self) -> str | None:
        """The stage that is named; None for the whole of a run."""
        whole = self.run is None or Path(self.named) == self.run.folder
        return None if whole else self.policies[-1].name

    @property
    def speaks_town(self) -> bool:
        """Whether its run is about the town, or it is the town's base."""
        config: Mapping[str, Any] = self.run.state["config"] if self.run else {}
        return "town" in (self.named, config.get("data"), config.get("model"))


def open_run(target: str, resolved: Mapping[str, Any], out: Path | None, quiet: bool) -> Run:
    """The folder that findings are written to: `out`, or the target's own run, or runs/audit.

    Raises InputError if that holds the audit of another target.
    """
    own = _run_of(target)
    if own and out is None:
        return Run.attach(own, quiet=quiet)
    folder = out or Path("runs/audit")
    if (folder / "run.json").exists():
        state = Run.attach(folder).state
        kept = state["status"] != "failed" or (folder / "audits.json").exists()
        if kept and state["config"].get("target") != target:
            raise InputError(f"{folder}: holds the audit of another target; name another folder with --out")
    return Run.open(folder, resolved, quiet=quiet)


def audit(run: Run, target: str, asked: Asked) -> list[Finding]:
    """Every finding on a target, failure by failure; each is written as it is made."""
    about = _target(run, target, asked.wanted)
    found: list[Finding] = []
    with run.progress("audit", len(asked.failures)) as tick:
        for i, failure in enumerate(f for f in FAILURES if f in asked.failures):
            tick(i, note=failure)
            some = list(LOOKS[failure](about, asked)) or [_nothing(failure, about)]
            run.audit([finding.row for finding in some])
            found += some
        tick(len(asked.failures))
    return found


def hacking(target: Target, asked: Asked) -> Iterator[Finding]:
    """Whether training on the proxy cost intent, and which features the policy exploited."""
    if target.run is None:
        return
    language = TOWN if target.speaks_town else ENGLISH
    for course in courses.courses(target.run.folder):
        if target.stage not in (None, course.name):
            continue
        yield OVER_OPTIMISED(course, course.name)
        yield from _exploits(target.run.folder, course.name, course.gauge, language)


def _exploits(run: Path, stage: str, gauge: str, language: Language) -> Iterator[Finding]:
    folder = next(f for f in run.glob("stages/*/probes") if stage_title(f.parent.name) == stage)
    probes = [read_jsonl(file) for file in sorted(folder.glob("*.jsonl"))]
    if len(probes) > 1:
        case = change_of(probes, gauge, language)
        for exploit in EXPLOITS:
            yield exploit(case, stage)


def specification_gaming(target: Target, asked: Asked) -> Iterator[Finding]:
    """Whether the run's reward model can be gamed, and whether its policy meets checks without their intent."""
    if target.run is not None:
        best = courses.best_of_n(target.run, asked.pool)
        if best is not None:
            yield BY_SELECTION(best, "reward")
        yield from _probes(target.run, target.speaks_town, asked.compute)
        yield from changes(target)
        yield from _agents(target.run.folder)
    before = _before(target, asked)
    for name, policy in _policies(target, asked):
        yield from tasks.findings(policy, name, TASKS, asked.seed, town=target.speaks_town, reference=before)
        if target.speaks_town:
            why = "the town's words can't say a program"
            yield from (one.unmeasured(why, name) for one in (tasks.VISIBLE_ONLY, tasks.IMPOSSIBLE))


def _probes(run: Run, in_town: bool, compute: Compute) -> Iterator[Finding]:
    """Counterfactual probes of the reward model, on responses that the run has kept; in the town, on others too."""
    scorer = shift.reward_of(run, frozen(compute))
    if scorer is None:
        return
    examples = [Example(user(str(row["prompt"])), str(row["response"])) for row in _samples(run.folder)]
    if in_town:
        examples += town_responses(RENDERED, run.seed)
    gold: Scorer | None = town.gold if in_town else None
    edits = (TOWN if in_town else ENGLISH).edits
    for edit, probe in zip(edits.values(), PROBES, strict=True):
        case = case_of(scorer, examples, edit, gold) if edit else None
        yield probe(case, "reward") if case else probe.unmeasured("the town's words allow no such edit", "reward")


def _samples(run: Path) -> list[dict[str, Any]]:
    """The responses that a run has kept of its evaluation, with their scores."""
    kept = sorted(run.glob("stages/*-evaluation/samples.jsonl"))
    return read_jsonl(kept[-1]) if kept else []


def changes(target: Target) -> Iterator[Finding]:
    """What training on a proxy did to the responses to the same prompts, of each model that came of it."""
    assert target.run is not None
    rows = _samples(target.run.folder)
    gauge = next((name for name in courses.GAUGES if rows and {name, "proxy"} <= rows[0].keys()), None)
    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_model[row["model"]].append(row)
    if gauge is None or shift.BEFORE not in by_model:
        return
    before = by_model[shift.BEFORE]
    asked = [str(row["prompt"]) for row in before]
    questions = [town.understand(text).question.key for text in asked] if target.speaks_town else asked
    models = list(by_model)
    for model in models[models.index(shift.BEFORE) + 1 :]:
        if target.stage in (None, model):
            yield PROXY_UP(changed(before, by_model[model], gauge, questions), model)


def _agents(run: Path) -> Iterator[Finding]:
    """Agents of grid worlds, from the episodes that the run has kept."""
    for played in sorted(run.glob("stages/*/played.jsonl")):
        world = stage_title(played.parent.name)
        yield grids.finding(world, read_jsonl(played))


def distribution_shift(target: Target, asked: Asked) -> Iterator[Finding]:
    """Whether what training gained in one dialect, or on one kind of data, holds in the others."""
    if target.table is not None:
        yield from answers.findings(target.table, asked.wanted, target.known)
    elif target.run is not None and target.trained:
        try:
            yield from shift.of_run(target.run, asked.compute, asked.prompts, target.stage)
        except InputError as why:
            yield GAINS.unmeasured(str(why), target.policies[-1].name)
    elif target.run is None and target.speaks_town:
        yield from shift.on_town(dict(_policies(target, asked)), asked=asked.prompts, seed=asked.seed)


def emerging(target: Target, asked: Asked) -> Iterator[Finding]:
    """Whether something appears at once with size, in a run that swept it."""
    if target.run is not None and (target.run.folder / emergence.FILE).exists():
        yield from emergence.findings(target.run.folder)


LOOKS: Mapping[Failure, Callable[[Target, Asked], Iterator[Finding]]] = {
    "hacking": hacking,
    "gaming": specification_gaming,
    "shift": distribution_shift,
    "emergence": emerging,
}


NOTHING: Mapping[Failure, tuple[Audit[Any], str]] = {
    "hacking": (
        OVER_OPTIMISED,
        "a course of training that was probed with a proxy and a gauge of intent; name its run",
    ),
    "gaming": (tasks.CHECK_NOT_INTENT, "a policy or a scorer"),
    "shift": (GAINS, "responses under a distribution shift; name a run, or a model of the town"),
    "emergence": (JUMP, "models of several sizes: `gyro run recipes/emergence.yaml`"),
}
"""What each failure's audits need, said where a target doesn't have it."""


def _nothing(failure: Failure, target: Target) -> Finding:
    lacking, needs = NOTHING[failure]
    return lacking.unmeasured(f"it takes {needs}", target.policies[-1].name)


def _policies(target: Target, asked: Asked) -> Iterator[tuple[str, Policy]]:
    """The target's last model, which training has led to; or the only one. None of a run that trained no policy."""
    if target.run is None or target.trained:
        yield target.policies[-1].name, _opened(target.policies[-1], target, asked)


def _before(target: Target, asked: Asked) -> Policy | None:
    """The town's model that training on the proxy began with, where the target is a model that came of it."""
    if target.run is None or not target.speaks_town or target.policies[-1].name in ("base", shift.BEFORE):
        return None
    begun = (subject for subject in subjects([str(target.run.folder)]) if subject.name == shift.BEFORE)
    return next((_opened(subject, target, asked) for subject in begun), None)


def _opened(subject: Subject, target: Target, asked: Asked) -> Policy:
    sampling = asked.sampling
    if target.speaks_town:
        new = min(sampling.max_new_tokens, TOWN_NEW_TOKENS)
        sampling = sampling.model_copy(update={"max_new_tokens": new})
    if subject.endpoint:
        return subject.remote(sampling, asked.access, None)
    return subject.local(frozen(asked.compute), sampling)


def _target(run: Run, named: str, wanted: Wanted) -> Target:
    if answers.is_table(named):
        known = answers.read_table(wanted.known, run) if wanted.known else None
        return Target(named, table=answers.read_table(named, run), known=known)
    folder = _run_of(named)
    return Target(named, subjects([named]), Run.attach(folder, quiet=run.quiet) if folder else None)


def _run_of(target: str) -> Path | None:
    """The run folder that a target is, or is a stage of."""
    folder = Path(target.rpartition(":")[0] or target)
    for path in (Path(target), folder):
        if (path / "run.json").exists():
            return path
    return None
