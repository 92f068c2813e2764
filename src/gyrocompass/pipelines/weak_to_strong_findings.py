"""What weak-to-strong shows: accuracies, the gap recovered, and which of their supervisors' errors students repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..maths import crossed
from ..maths.crossed import Mask
from ..maths.pgr import performance_gap_recovered
from ..maths.stats import Estimate, known
from ..models.cases import Case
from ..protocols import Floats
from ..records import Example, Measurement
from .weak_to_strong_material import Material, gold, kinds

WEAK, CEILING, SUPERVISOR = "weak", "ceiling", "-supervisor"
"""The last ends the name of a control's supervisor: gold labels made wrong, and no model."""
TITLES = {
    "naive": "naive training",
    "confidence": "the confidence loss",
    "bootstrap": "bootstrapping",
    "iid": "gold labels wrong anywhere",
    "slice": "gold labels wrong on whole kinds",
}
SHOWN = 12
"""Cases shown of those on which the first seed's supervisor is wrong."""

Outcome = Mapping[str, Floats]
"""One seed: by name, the probability of a yes that a model or supervisor gives each test case, (cases,)."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """All seeds on the same test cases. Tables are (seeds, cases); every n is the number of questions."""

    material: Material
    outcomes: Sequence[Outcome]

    @cached_property
    def students(self) -> list[str]:
        """Those that learnt from labels which may be wrong, controls included."""
        return [name for name in self.outcomes[0] if name not in (WEAK, CEILING) and not name.endswith(SUPERVISOR)]

    def supervisor_of(self, student: str) -> str:
        own = student + SUPERVISOR
        return own if own in self.outcomes[0] else WEAK

    def says(self, name: str) -> Mask:
        """Yes or no to each case."""
        found: Mask = np.stack([outcome[name] for outcome in self.outcomes]) > 0.5
        return found

    def right(self, name: str) -> Mask:
        """Whether that is what gold says."""
        found: Mask = self.says(name) == (gold(self.material.test) > 0.5)
        return found

    def accuracy(self, name: str, kind: str | None = None) -> Estimate:
        """Share of cases judged right, of one kind or all."""
        hits = self.right(name)
        among = np.array([kind in (None, one) for one in kinds(self.material.test)])
        return crossed.share(hits, np.broadcast_to(among, hits.shape), self.material.questions)

    def difference(self, one: str, other: str) -> Estimate:
        """Accuracy of one minus that of the other, paired by case."""
        first, second = (self.right(name).astype(np.float64) for name in (one, other))
        return crossed.mean(first - second, self.material.questions)

    def pgr(self, student: str) -> Estimate:
        """Performance gap recovered. Raises ValueError where the gap can't be told from 0."""
        weak, own, ceiling = (self.right(name) for name in (self.supervisor_of(student), student, CEILING))
        return performance_gap_recovered(weak, own, ceiling, self.material.questions)

    def agreement(self, student: str) -> Estimate:
        """Share of cases on which the student says what its supervisor says."""
        same = self.says(student) == self.says(self.supervisor_of(student))
        return crossed.share(same, np.ones_like(same), self.material.questions)

    def repeated(self, student: str, model: str) -> Estimate:
        """Share of the student's supervisor's errors that a model makes too. ValueError where there are too few."""
        wrong = ~self.right(self.supervisor_of(student))
        return crossed.share(~self.right(model), wrong, self.material.questions)

    def measurements(self) -> list[Measurement]:
        """Rows of evals.json, property `intent`. What can't be measured has no row."""
        found: list[tuple[str, str, Estimate | None]] = [
            (name, "accuracy", self.accuracy(name)) for name in self.outcomes[0]
        ]
        for student in self.students:
            found += [
                (student, "pgr", known(self.pgr, student)),
                (student, "agreement", self.agreement(student)),
                (student, "error_agreement", known(self.repeated, student, student)),
            ]
        found.append((CEILING, "error_agreement", known(self.repeated, self.students[0], CEILING)))
        return [Measurement(model, "intent", metric, *e) for model, metric, e in found if e]

    def content(self) -> Row:
        """What weak_to_strong.json holds; docs/methods/weak_to_strong.md describes it."""
        test, models = self.material.test, [WEAK, *self.students, CEILING]
        return {
            "task": "acceptable" if isinstance(test[0], Example) else "preferred",
            "seeds": len(self.outcomes),
            "train": len(self.material.train),
            "test": len(test),
            "weak": self.accuracy(WEAK)._asdict(),
            "ceiling": self.accuracy(CEILING)._asdict(),
            "students": [self._student(name) for name in self.students],
            "kinds": [
                {"kind": kind, "accuracies": {name: self.accuracy(name, kind)._asdict() for name in models}}
                for kind in sorted(set(kinds(test)))
                if known(self.accuracy, WEAK, kind)
            ],
            "cases": self._shown(models),
        }

    def _student(self, name: str) -> Row:
        return {
            "name": name,
            "control": self.supervisor_of(name) != WEAK,
            "supervisor": self.accuracy(self.supervisor_of(name))._asdict(),
            "accuracy": self.accuracy(name)._asdict(),
            "gap": self.difference(CEILING, self.supervisor_of(name))._asdict(),
            "gained": self.difference(name, self.supervisor_of(name))._asdict(),
            "pgr": _row(known(self.pgr, name)),
            "agreement": self.agreement(name)._asdict(),
            "repeated": _row(known(self.repeated, name, name)),
            "repeated_by_ceiling": _row(known(self.repeated, name, CEILING)),
        }

    def _shown(self, models: Sequence[str]) -> list[Row]:
        """Cases on which the first seed's supervisor is wrong, of every kind in turn, with what each model says."""
        first = self.outcomes[0]
        wrong = np.flatnonzero(~self.right(WEAK)[0])
        by_kind: dict[str, list[int]] = {}
        for i in wrong:
            by_kind.setdefault(kinds(self.material.test)[i], []).append(int(i))
        rounds = [some[place] for place in range(SHOWN) for some in by_kind.values() if place < len(some)]
        return [
            {**_texts(self.material.test[i]), "p_yes": {name: float(first[name][i]) for name in models}}
            for i in rounds[:SHOWN]
        ]

    def sentences(self) -> list[str]:
        """The gap recovered first, what it is a gap between, the other students, then whose errors are repeated."""
        first, *others = self.students
        accuracies = (
            f"The weaker model is right on {self.accuracy(WEAK)} of cases; the student on {self.accuracy(first)}, "
            f"and taught by gold on {self.accuracy(CEILING)}."
        )
        return [self._recovered(first), accuracies, *map(self._recovered, others), self._repetition()]

    def _recovered(self, student: str) -> str:
        who = f"Taught by a weaker model with {TITLES[student]}"
        if self.supervisor_of(student) != WEAK:
            who = f"Taught by {TITLES[student]}"
        try:
            found = self.pgr(student)
        except ValueError as error:
            return f"{who}, what the student recovers isn't measured: {error}."
        tail = (
            "" if found.low > 0 else ": below its supervisor" if found.high < 0 else ", which can't be told from none"
        )
        return f"{who}, the student recovers {found} of the gap to gold labels{tail}."

    def _repetition(self) -> str:
        told = [
            f"{found} with {TITLES[student]}"
            for student in self.students
            if (found := known(self.repeated, student, student))
        ]
        ceiling = known(self.repeated, self.students[0], CEILING)
        beside = f" The ceiling makes {ceiling} of the weak model's errors." if ceiling else ""
        return f"Of its supervisor's errors the student repeats: {'; '.join(told)}.{beside}"


def _row(found: Estimate | None) -> Row | None:
    return None if found is None else found._asdict()


def _texts(case: Case) -> Row:
    prompt = "\n".join(message.content for message in case.prompt)
    responses = [case.response] if isinstance(case, Example) else [case.first, case.second]
    return {"kind": case.kind, "prompt": prompt, "responses": responses, "gold": bool(gold([case])[0])}
