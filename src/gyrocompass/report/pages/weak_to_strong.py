"""Weak-to-strong: supervisor, students and ceiling, the gap recovered, and whose errors are repeated."""

from __future__ import annotations

from dataclasses import dataclass

from ..charts import PLAIN, STYLES, Style
from ..folder import RunData
from ..notation import Estimate, and_list, number, places_of, sentence
from ..spectrum import Measured
from ..weak_to_strong import ShownCase, Student, WeakToStrong
from .lanes import Group, Lanes, Row, draw
from .section import Section

TITLES = {
    "weak": "weak supervisor",
    "naive": "naive training",
    "confidence": "confidence loss",
    "bootstrap": "bootstrapping",
    "iid": "wrong anywhere",
    "slice": "wrong on whole kinds",
    "ceiling": "gold labels",
}
WEAK, TAUGHT, CONTROL = STYLES["base"], PLAIN, Style("plain", "ring")
QUESTIONS = {
    "acceptable": "Is this response acceptable?",
    "preferred": "Is the first of these two responses the better one?",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model says of a case, and whether it is right."""

    title: str
    says: str
    right: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A case that the supervisor got wrong, with everyone's verdict."""

    shown: ShownCase
    gold: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class KindLine:
    """A row of the table: accuracies on one kind of prompt."""

    kind: str
    estimates: tuple[Estimate | None, ...]

    @property
    def n(self) -> int:
        """Questions, the same for every model."""
        return max((e.n for e in self.estimates if e), default=0)


def weak_to_strong(run: RunData) -> Section | None:
    """The lanes, the table by kind and the cases of weak_to_strong.json."""
    found = run.weak_to_strong
    if found is None or not found.students:
        return None
    models = ["weak", *(student.name for student in found.students), "ceiling"]
    lines = [
        KindLine(sentence(one.kind), tuple(_known(one.accuracies.get(name)) for name in models)) for one in found.kinds
    ]
    content = {
        "found": found,
        "question": QUESTIONS[found.task],
        "said": _said(found),
        "accuracy": draw(_accuracies(found)),
        "recovered": _recovered(found),
        "repeated": _repeated(found),
        "heads": [sentence(TITLES.get(name, name)) for name in models],
        "lines": lines if len(lines) > 1 else [],
        "places": places_of(e for line in lines for e in line.estimates if e),
        "cases": [_case(one, found.task) for one in found.cases],
    }
    return Section("weak-to-strong", "Weak supervisor, strong student", content)


def _said(found: WeakToStrong) -> str:
    above = [_title(s) for s in found.students if not s.control and s.pgr and s.pgr.low > 0]
    unmeasured = [_title(s) for s in found.students if not s.control and s.pgr is None]
    said = (
        f"The student comes out above its supervisor with {and_list(above)}."
        if above
        else ("No student of the weak model was shown to come out above it.")
    )
    return f"{said} Not measured, for want of a gap: {and_list(unmeasured)}." if unmeasured else said


def _title(student: Student) -> str:
    return TITLES.get(student.name, student.name)


def _style(student: Student) -> Style:
    return CONTROL if student.control else TAUGHT


def _known(measured: Measured | None) -> Estimate | None:
    return measured.estimate if measured else None


def _accuracies(found: WeakToStrong) -> list[Group]:
    taught = [s for s in found.students if not s.control]
    rows = [
        Row(TITLES["weak"], WEAK, found.weak.estimate),
        *(Row(_title(s), _style(s), s.accuracy.estimate) for s in taught),
        Row(TITLES["ceiling"], STYLES["ppo"], found.ceiling.estimate),
    ]
    groups = [Group("Taught by the weak model", ("and by gold labels",), tuple(rows))]
    for student in found.students:
        if student.control:
            own = (
                Row("the labels themselves", WEAK, student.supervisor.estimate),
                Row("the student", CONTROL, student.accuracy.estimate),
            )
            groups.append(Group(sentence(_title(student)), ("control",), own))
    return groups


def _recovered(found: WeakToStrong) -> Lanes | None:
    rows = tuple(Row(_title(s), _style(s), _known(s.pgr)) for s in found.students)
    group = Group("Gap recovered", ("0: the supervisor", "1: gold labels"), rows, zero=True)
    return draw([group], [0.0, 1.0]) if group.estimates else None


def _repeated(found: WeakToStrong) -> Lanes | None:
    groups = [
        Group(
            sentence(_title(s)),
            ("control",) if s.control else (),
            (
                Row("the student", _style(s), _known(s.repeated)),
                Row("taught by gold", STYLES["ppo"], _known(s.repeated_by_ceiling)),
            ),
        )
        for s in found.students
        if s.repeated
    ]
    return draw(groups, [0.0, 1.0]) if groups else None


def _case(shown: ShownCase, task: str) -> Case:
    words = ("acceptable", "not acceptable") if task == "acceptable" else ("the first", "the second")
    verdicts = tuple(
        Verdict(
            sentence(TITLES.get(name, name)), f"{words[p <= 0.5]}, {number(max(p, 1 - p), 2)}", (p > 0.5) == shown.gold
        )
        for name, p in shown.p_yes.items()
    )
    return Case(shown, words[not shown.gold], verdicts)
