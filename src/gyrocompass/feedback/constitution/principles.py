"""What a constitution is: principles, and how they are put to a model."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from ...errors import InputError
from ...records import Message, Prompt

Part = Literal["critique", "revision", "comparison"]
PARTS: tuple[Part, ...] = ("critique", "revision", "comparison")
NAMES = {"critique": "critique request", "revision": "revision request", "comparison": "comparison question"}

TEMPLATE = """\
Consider this conversation between a user and an assistant.

{conversation}

{question}

(A) {first}

(B) {second}

Answer with (A) or (B) alone."""
SLOT = re.compile(r"\{(conversation|question|first|second)\}")
EXAMPLE_TURNS = 6
"""Of a few-shot example at least: prompt, response, critique request, critique, revision request, revision."""


class Fault(InputError):
    """What is wrong with a constitution, and the path to it, so that a reader of files can name the line."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True, slots=True)
class Principle:
    """What to ask of a response; a part that is missing is empty. It is drawn in proportion to its weight.

    Raises Fault for a blank id, no part to ask by, a critique request without a revision request, a weight that isn't
    finite and above 0.
    """

    id: str
    critique: str = ""
    revision: str = ""
    comparison: str = ""
    weight: float = 1.0
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise Fault("a principle's id is empty; name it", "id")
        if self.critique and not self.revision:
            raise Fault(f"the principle {self.id!r} has no revision request; add one", "revision")
        if not (self.revision or self.comparison):
            raise Fault(f"the principle {self.id!r} asks for nothing; add a critique and a revision request", "id")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise Fault(f"the weight of {self.id!r} is {self.weight:g}; give a finite number above 0", "weight")


class Verdicts(NamedTuple):
    """What a critique begins with where it finds a fault, and where it finds none."""

    fault: str
    fine: str


@dataclass(frozen=True)
class Constitution:
    """Principles, and how they are put to a model.

    `system` opens the conversations in which the model criticises and revises, then come the few-shot `examples`: each
    a prompt, a response, a critique request, a critique, a revision request and a revision, turn by turn. `template`
    lays out a comparison, of which `answers` name the first and the second response. With `verdicts` there is no
    comparison: a judge criticises each response on its own.
    Raises Fault for no principle, two of one id, an example of other turns, a template without one of its four slots,
    answers that are empty or equal, verdicts that are empty or of which one begins with the other.
    """

    name: str
    principles: tuple[Principle, ...]
    system: str = ""
    examples: tuple[Prompt, ...] = ()
    template: str = TEMPLATE
    answers: tuple[str, str] = ("(A)", "(B)")
    verdicts: Verdicts | None = None

    def __post_init__(self) -> None:
        if not self.principles:
            raise Fault(f"the constitution {self.name!r} is empty; give it a principle", "principles")
        met: set[str] = set()
        for number, principle in enumerate(self.principles):
            if principle.id in met:
                raise Fault(f"two principles have the id {principle.id!r}; rename one", "principles", number, "id")
            met.add(principle.id)
        for number, example in enumerate(self.examples):
            _check_example(example, number)
        missing = {"conversation", "question", "first", "second"} - set(SLOT.findall(self.template))
        if missing:
            raise Fault(f"the template lacks {{{min(missing)}}}; add it", "template")
        first, second = (answer.strip() for answer in self.answers)
        if not (first and second) or first == second:
            raise Fault(f"the answers are {first!r} and {second!r}; give two different ones", "answers")
        if self.verdicts:
            _check_verdicts(self.verdicts)

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the content: of all but the name, the order of the principles and the form of the file."""
        content = asdict(self)
        del content["name"]
        if not self.verdicts:
            del content["verdicts"]
        content["principles"] = sorted(content["principles"], key=lambda principle: str(principle["id"]))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def judged_by(self) -> Part:
        """The part of a principle that a judge asks by."""
        return "critique" if self.verdicts else "comparison"

    def having(self, *parts: Part) -> tuple[Principle, ...]:
        """The principles with all of these parts, by id. Raises InputError if there is none."""
        found = [principle for principle in self.principles if all(getattr(principle, part) for part in parts)]
        if not found:
            lacking = " and a ".join(NAMES[part] for part in parts)
            raise InputError(f"the constitution {self.name!r} has no principle with a {lacking}; give one that has")
        return tuple(sorted(found, key=lambda principle: principle.id))

    def compared(self, principle: Principle, conversation: str, first: str, second: str) -> str:
        """The text that asks which of two responses to a conversation is better by this principle."""
        texts = {"conversation": conversation, "question": principle.comparison, "first": first, "second": second}
        return SLOT.sub(lambda slot: texts[slot[1]], self.template)

    def about(self, prompt: Prompt, response: str, *turns: str, critiques: bool = True) -> Prompt:
        """A conversation about a response: system message, few-shot examples, prompt, response, and then these turns,
        the user's and the model's. Without `critiques` the examples have none."""
        heads = [self.system, *(message.content for message in prompt if message.role == "system")]
        system = "\n\n".join(filter(None, heads))
        shown = self.examples if critiques else tuple(map(without_critique, self.examples))
        return (
            *((Message("system", system),) if system else ()),
            *(message for example in shown for message in example),
            *(message for message in prompt if message.role != "system"),
            Message("assistant", response),
            *(Message("assistant" if place % 2 else "user", turn) for place, turn in enumerate(turns)),
        )


def draw(principles: Sequence[Principle], seed: int, key: str) -> Principle:
    """One of the principles, as often as its weight says: the same for the same seed, key and principles."""
    weights = [principle.weight for principle in principles]
    return random.Random(f"principle {seed} {key}").choices(principles, weights)[0]


def without_critique(example: Prompt) -> Prompt:
    """A few-shot example in which the revision request follows the response directly."""
    return (*example[:-4], *example[-2:])


def joined(constitutions: Sequence[Constitution]) -> Constitution:
    """One constitution with the principles and examples of several, else as the first is.

    So critique requests and comparison questions may come from files of their own. Raises Fault as a constitution does.
    """
    first = constitutions[0]
    return Constitution(
        " + ".join(constitution.name for constitution in constitutions),
        tuple(principle for constitution in constitutions for principle in constitution.principles),
        first.system,
        tuple(example for constitution in constitutions for example in constitution.examples),
        first.template,
        first.answers,
        first.verdicts,
    )


def _check_verdicts(verdicts: Verdicts) -> None:
    fault, fine = (verdict.strip().casefold() for verdict in verdicts)
    if not (fault and fine):
        raise Fault("a verdict is empty; give what a critique begins with", "verdicts")
    if fault.startswith(fine) or fine.startswith(fault):
        raise Fault(
            f"the verdicts are {verdicts.fault!r} and {verdicts.fine!r}; neither may begin with the other", "verdicts"
        )


def _check_example(example: Prompt, number: int) -> None:
    roles = [message.role for message in example]
    if len(roles) < EXAMPLE_TURNS or len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
        raise Fault(
            f"example {number + 1} isn't a prompt, a response, a critique request, a critique, a revision request and "
            "a revision, user and assistant by turns; rewrite it so",
            "examples",
            number,
        )
    blank = next((turn for turn, message in enumerate(example) if not _said(message)), None)
    if blank is not None:
        raise Fault(f"turn {blank + 1} of example {number + 1} is empty; fill it", "examples", number, blank)


def _said(message: Message) -> bool:
    return bool(message.content.strip())
