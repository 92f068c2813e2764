"""Weak-to-strong: a weaker model's labels train a stronger one. How far above its supervisor does it come?

Source: Burns et al. 2023, arXiv:2312.09390. Differs from source: controls, whose labels are wrong as often as the weak
ones and as sure, and not where those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit

from .. import data
from ..config import Recipe, WeakToStrong
from ..files import read_jsonl, write_json, write_jsonl
from ..learn.loop import train
from ..learn.weak_to_strong import WeakSupervision
from ..maths.crossed import Mask
from ..models.batching import seed_of
from ..models.cases import Case, encode_cases, logits_of
from ..models.loading import check, load
from ..models.network import Network
from ..protocols import Floats
from ..run import Run
from .stages import save, tell
from .weak_to_strong_findings import CEILING, SUPERVISOR, WEAK, Outcome, Study
from .weak_to_strong_material import (
    Material,
    as_sure,
    gold,
    kinds,
    open_material,
    wrong_anywhere,
    wrong_kinds,
)

FILE = "weak_to_strong.json"


def weak_to_strong(recipe: Recipe, run: Run) -> None:
    """Runs or resumes every seed; writes weak_to_strong.json and evals.json.

    Raises InputError if models, data and settings don't fit one another.
    """
    material = open_material(recipe, run)
    for model in (material.weak, *material.between, material.strong):
        check(model, recipe.compute)
    if not run.stage_done("cases"):
        with run.stage("cases") as folder:
            data.write(material.train, folder / "train.jsonl")
            data.write(material.test, folder / "test.jsonl")
    seeds = range(recipe.seed, recipe.seed + recipe.weak_to_strong.seeds)
    study = Study(material, [Round(recipe, run, material, seed).outcome() for seed in seeds])
    run.measure(study.measurements())
    write_json(run.folder / FILE, study.content())
    run.save(status="done", summary=study.sentences())


@dataclass(frozen=True)
class Round:
    """Everything once, from another seed: the split of the cases, and every model trained on them."""

    recipe: Recipe
    run: Run
    material: Material
    seed: int

    @property
    def settings(self) -> WeakToStrong:
        return self.recipe.weak_to_strong

    def outcome(self) -> Outcome:
        """What every model, and every control's supervisor, says of the test cases."""
        settings, material = self.settings, self.material
        own, transfer = material.halves(self.seed)
        said: dict[str, Floats] = {}
        teach = partial(self.verdicts, base=material.strong, cases=transfer)
        # 1. The weak supervisor learns from gold labels, on cases of its own, and labels the others.
        said[WEAK], labels = self.supervisor(WEAK, material.weak, own, gold(own), transfer)
        # 2. The strong student learns from these labels: as they are, or with an opinion of its own.
        for method in settings.methods:
            if method != "bootstrap":
                said[method] = teach(method, labels=labels, confident=method == "confidence")
        # 3. Bootstrapping: models of growing size, each of which labels for the next.
        if "bootstrap" in settings.methods:
            handed = labels
            for i, model in enumerate(material.between, start=1):
                _, handed = self.supervisor(f"between-{i}", model, transfer, handed, transfer)
            said["bootstrap"] = teach("bootstrap", labels=handed)
        # 4. The ceiling: the student on gold labels of the same cases.
        said[CEILING] = teach(CEILING, labels=gold(transfer))
        # 5. Controls: gold labels that are wrong as often as the weak ones and as sure, but elsewhere.
        for control in settings.controls:
            wrong, said[control + SUPERVISOR] = self.planted(control, labels, transfer)
            said[control] = teach(control, labels=wrong)
        return said

    def supervisor(
        self, name: str, base: str, cases: Sequence[Case], labels: Floats, transfer: Sequence[Case]
    ) -> tuple[Floats, Floats]:
        """A model that learns to label: what it says of the test cases, and its labels for the next to learn from."""
        verdicts = self.verdicts(name, base, cases, labels, rate=self.settings.weak_learning_rate, label=transfer)
        said = self._read(name, "transfer")
        return verdicts, said if self.settings.labels == "soft" else np.round(said)

    def planted(self, control: str, labels: Floats, transfer: Sequence[Case]) -> tuple[Floats, Floats]:
        """Gold labels made wrong as often as these, anywhere or on whole kinds: to learn from, and of the test cases.

        Those to learn from are as sure as these are.
        """
        truth, test, seed = gold(transfer), self.material.test, partial(seed_of, self.seed, control)
        rate = float(np.mean((labels > 0.5) != (truth > 0.5)))
        chosen = wrong_kinds(kinds(transfer), rate, seed()) if control == "slice" else frozenset()

        def wrong(cases: Sequence[Case], place: str) -> Mask:
            if control == "slice":
                return np.isin(kinds(cases), list(chosen))
            return wrong_anywhere(len(cases), rate, seed(place))

        taught = as_sure(labels, truth, wrong(transfer, "transfer"), seed("sureness"))
        return taught, np.where(wrong(test, "test"), 1 - gold(test), gold(test))

    def verdicts(
        self,
        name: str,
        base: str,
        cases: Sequence[Case],
        labels: Floats,
        *,
        confident: bool = False,
        rate: float | None = None,
        label: Sequence[Case] = (),
    ) -> Floats:
        """Trains `base` on labelled cases; the probabilities of a yes that it then gives the test cases.

        Those of the cases to `label` it writes beside them. The models of the first seed are kept.
        """
        stage, run, settings = self._stage(name), self.run, self.settings
        config = settings.model_copy(update={"learning_rate": rate or settings.learning_rate})
        if not run.stage_done(stage):
            with run.stage(stage) as folder:
                seed = seed_of(self.seed, stage, "adapters")
                scalar = config.readout == "head"
                network = load(base, self.recipe.compute, scalar=scalar, trainable=True, seed=seed)
                rows, notes = encode_cases(network, cases)
                tell(run, [*network.notes, *notes])
                train(
                    WeakSupervision(network, rows, labels, config, self.seed, confident=confident), config, run, stage
                )
                for place, some in (("test", self.material.test), ("transfer", label)):
                    if some:
                        write_jsonl(folder / f"{place}.jsonl", [{"p_yes": p} for p in _probabilities(network, some)])
                if self.seed == self.recipe.seed:
                    save(run, network, folder / "model", stage, base, config)
        return self._read(name, "test")

    def _stage(self, name: str) -> str:
        return f"{name}-{self.seed}"

    def _read(self, name: str, place: str) -> Floats:
        path = self.run.stage_folder(self._stage(name)) / f"{place}.jsonl"
        return np.array([row["p_yes"] for row in read_jsonl(path)])


def _probabilities(network: Network, cases: Sequence[Case]) -> list[float]:
    rows, _ = encode_cases(network, cases)
    found: list[float] = expit(logits_of(network, rows)).tolist()
    return found
