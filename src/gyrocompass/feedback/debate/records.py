"""Questions and transcripts: frozen records, with a JSON row each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import InputError
from ...files import read_jsonl
from .protocol import Speaker
from .quotes import Quote


@dataclass(frozen=True, slots=True)
class Question:
    """A question with two answers, and the passage that only those who argue get to read.

    `truth` is the place of the right answer, None where it isn't known. Raises InputError for blank or equal answers,
    or a truth that is no place.
    """

    id: str
    text: str
    answers: tuple[str, str]
    passage: str = ""
    truth: int | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.answers) != 2 or not all(answer.strip() for answer in self.answers):
            raise InputError(f"question {self.id}: expected two answers that aren't blank")
        if self.answers[0] == self.answers[1]:
            raise InputError(f"question {self.id}: the two answers are equal, so there is nothing to argue about")
        if self.truth not in (None, 0, 1):
            raise InputError(f"question {self.id}: truth is {self.truth!r}; give 0 or 1, or leave it out")

    @property
    def turned(self) -> Question:
        """The same with its answers the other way round."""
        first, second = self.answers
        return replace(self, answers=(second, first), truth=None if self.truth is None else 1 - self.truth)


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said. `side` is the answer argued for, None for who argues for none; `thought` nobody else reads.

    `shown` is the text with its quotes marked as the others read them; `words` counts the text before it was cut.
    `marks`: `empty`, `cut`, `no quote`, `unverified quote`.
    """

    speaker: Speaker
    side: int | None
    text: str
    shown: str
    words: int
    quotes: tuple[Quote, ...] = ()
    thought: str = ""
    marks: tuple[str, ...] = ()


class Belief(NamedTuple):
    """A judge's probability of the question's first answer, asked with the first answer named first and last.

    None is an abstention.
    """

    forward: float | None
    backward: float | None

    @property
    def p_first(self) -> float | None:
        """The mean of both orders; None unless both gave one."""
        if self.forward is None or self.backward is None:
            return None
        return (self.forward + self.backward) / 2


@dataclass(frozen=True, slots=True)
class Transcript:
    """A game: A argues for answer `opens`, B for the other one. `beliefs`: the judge's before the first group of turns
    and after each one."""

    question: Question
    protocol: str
    opens: int
    turns: tuple[Turn, ...] = ()
    beliefs: tuple[Belief, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> float | None:
        """The last belief in the first answer."""
        return self.beliefs[-1].p_first if self.beliefs else None

    @property
    def p_right(self) -> float | None:
        """The last belief in the right answer, None without one or where the truth isn't known."""
        return self.belief_in(self.question.truth)

    def belief_in(self, side: int | None) -> float | None:
        """The last belief in one of the answers."""
        if self.verdict is None or side is None:
            return None
        return self.verdict if side == 0 else 1 - self.verdict

    def side_of(self, speaker: Speaker) -> int | None:
        """The answer that a speaker argues for."""
        return {"A": self.opens, "B": 1 - self.opens}.get(speaker)

    def said(self, *turns: Turn) -> Transcript:
        """With more turns."""
        return replace(self, turns=(*self.turns, *turns))

    def believed(self, belief: Belief) -> Transcript:
        """With one more belief."""
        return replace(self, beliefs=(*self.beliefs, belief))


def to_row(transcript: Transcript) -> dict[str, Any]:
    """A transcript as one JSON object, which names its question by id; `from_row` reads it back."""
    row = asdict(transcript)
    row["question"] = transcript.question.id
    row["beliefs"] = [belief._asdict() for belief in transcript.beliefs]
    return row


def from_row(row: Mapping[str, Any], questions: Mapping[str, Question]) -> Transcript:
    """The transcript that `to_row` wrote, on one of these questions by id. Raises InputError if it is none."""
    try:
        turns = [{**turn, "quotes": tuple(Quote(**quote) for quote in turn["quotes"])} for turn in row["turns"]]
        return Transcript(
            questions[row["question"]],
            row["protocol"],
            row["opens"],
            tuple(Turn(**{**turn, "marks": tuple(turn["marks"])}) for turn in turns),
            tuple(Belief(**belief) for belief in row["beliefs"]),
            row.get("meta", {}),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"not a transcript on these questions: {error}") from None


def read_games(folder: Path, questions: Sequence[Question]) -> dict[str, list[Transcript]]:
    """The games kept in a folder by the names of their files, `NAME.jsonl`; rows name these questions."""
    by_id = {question.id: question for question in questions}
    return {file.stem: [from_row(row, by_id) for row in read_jsonl(file)] for file in sorted(folder.glob("*.jsonl"))}


def read_questions(path: Path) -> list[Question]:
    """Questions from JSONL: `question`, `answers` (two) and, where known, `id`, `passage`, `truth`.

    Raises InputError with file and line for a row that is none, or an id that comes twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{path}: no such file; give JSONL with question, answers, passage and truth") from None
    found = [_question(line, f"{path}:{i}", i) for i, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise InputError(f"{path}: holds no question; give JSONL with question, answers, passage and truth")
    seen: set[str] = set()
    for question in found:
        if question.id in seen:
            raise InputError(f"{path}: the id {question.id!r} comes twice; give each question one of its own")
        seen.add(question.id)
    return found


KEYS = ("id", "question", "answers", "passage", "truth")


def _place(truth: Any) -> Any:
    """Tables with gaps hold whole numbers as 1.0."""
    return int(truth) if isinstance(truth, float) and truth.is_integer() else truth


def _question(line: str, where: str, number: int) -> Question:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not valid JSON ({error.msg}); mend the line") from None
    if not isinstance(row, dict) or "question" not in row or not _two(row.get("answers")):
        raise InputError(f"{where}: expected a question and two answers; mend the line")
    meta = {key: value for key, value in row.items() if key not in KEYS}
    first, second = map(str, row["answers"])
    try:
        return Question(
            str(row.get("id", number)), str(row["question"]), (first, second), str(row.get("passage") or ""),
            _place(row.get("truth")), meta,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _two(answers: Any) -> bool:
    return isinstance(answers, Sequence) and not isinstance(answers, str) and len(answers) == 2
