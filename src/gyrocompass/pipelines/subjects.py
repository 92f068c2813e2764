"""The models that a command line names: a run, a stage of it, a folder, a hub name, an endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import Access, Compute, Sampling
from ..errors import InputError
from ..files import read_json
from ..models.endpoint import EndpointPolicy, is_endpoint, open_endpoint
from ..models.gradients import SearchableLocal
from ..models.loading import load
from ..run import stage_title
from .task import TOWN_NAME, base_of


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to be measured: what it is called, where it is loaded from, and the run it is a stage of."""

    name: str
    source: str
    run: Path | None = None

    @property
    def endpoint(self) -> bool:
        return is_endpoint(self.source)

    def remote(self, sampling: Sampling, access: Access, cache: Path | None) -> EndpointPolicy:
        """The policy behind a URL. Raises InputError if nothing answers there."""
        return open_endpoint(self.source, sampling, access, cache)

    def local(self, compute: Compute, sampling: Sampling) -> SearchableLocal:
        """The policy, loaded. Raises InputError if nothing loads from the source."""
        return SearchableLocal(load(self.source, compute), sampling)


def subjects(names: Sequence[str]) -> list[Subject]:
    """The models named, in order: `RUN` is all of a run's, `RUN:STAGE` one of them, `town` the embedded base.

    Models of one name from several runs are told apart by their run's name.
    Raises InputError for a run or stage that isn't there, and for a model named twice.
    """
    found = [subject for name in names for subject in _subjects(name)]
    titles = [subject.name for subject in found]
    found = [_with_run(s) if titles.count(s.name) > 1 else s for s in found]
    titles = [subject.name for subject in found]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: named twice; name each model once, or copy one into a folder of another name")
    return found


def subject(name: str, asked_as: str = "") -> Subject:
    """The one model that a name stands for. Raises InputError, saying what it was asked as, if that is several."""
    found = subjects([name])
    if len(found) > 1:
        raise InputError(f"{asked_as}{name}: a run of {len(found)} models; name one of them, as RUN:STAGE")
    return found[0]


def _subjects(name: str) -> list[Subject]:
    if is_endpoint(name):
        model = name.rpartition("#")[2]
        return [Subject(Path(model).name if model.startswith("/") else model or name, name)]
    folder, _, stage = name.rpartition(":")
    if folder and (Path(folder) / "run.json").exists():
        return [_of_run(Path(folder), stage)]
    path = Path(name)
    if (path / "run.json").exists():
        return _all_of_run(path)
    if path.is_dir() and not (path / "config.json").exists() and (path / "model" / "config.json").exists():
        path = path / "model"
    if path.name == "model" and path.parent.parent.name == "stages":
        return [Subject(_title(path.parent), str(path), path.parents[2])]
    return [Subject(name if name == TOWN_NAME else path.name, base_of(name))]


def _with_run(subject: Subject) -> Subject:
    return subject if subject.run is None else replace(subject, name=f"{subject.run.name}/{subject.name}")


def _title(stage: Path) -> str:
    return stage_title(stage.name) or stage.name


def _all_of_run(run: Path) -> list[Subject]:
    """The base and every stage that made a policy, in the order in which they were made."""
    stages = sorted(run.glob("stages/*/model"))
    policies = [Subject(_title(folder.parent), str(folder), run) for folder in stages if _is_policy(folder)]
    config = read_json(run / "run.json").get("config", {})
    base = [Subject("base", base_of(config["model"]), run)] if "model" in config else []
    if not policies and not base:
        raise InputError(f"{run}: the run has made no policy yet; finish it first, or name a model's folder")
    return base + policies


def _of_run(run: Path, stage: str) -> Subject:
    every = _all_of_run(run)
    for subject in every:
        if subject.name == stage:
            return subject
    raise InputError(f"{run}: it has no model {stage!r}; there are {', '.join(s.name for s in every)}")


def _is_policy(folder: Path) -> bool:
    """Whether a stage's model writes text, rather than scores it."""
    try:
        kinds = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or []
    except (OSError, ValueError):
        return False
    return any("CausalLM" in kind or "LMHead" in kind for kind in kinds)
