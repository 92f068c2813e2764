"""Constitutions as files: the form of this project, and the forms in public use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...data.conversation import Unusable, messages
from ...data.located import Located, read_located
from ...errors import InputError
from ...records import Prompt
from .principles import NAMES, TEMPLATE, Constitution, Fault, Principle, Verdicts

FOLDER = Path(__file__).parents[2] / "constitutions"
KEYS = ("name", "system", "template", "answers", "verdicts", "examples", "principles")
PRINCIPLE_KEYS = ("id", "critique", "revision", "comparison", "weight", "tags")
LABEL = re.compile(r"\A(?:Critique|Revision)Request:|\n\s*(?:Critique|Revision):\Z|\bOptions:\Z")
"""What the paper's files write around a request so that a transcript goes on from there."""
TRANSCRIPT = re.compile(r"\s*(?:Human|Assistant):")


class Form(NamedTuple):
    """A form of file: what it is called, and how its principles are read."""

    name: str
    read: Callable[[Located], Constitution]


def read_constitution(name_or_path: str | Path) -> Constitution:
    """The constitution in a YAML or JSON file, or the shipped one of this name.

    Raises InputError, naming file and line: no such file, no known form, an unknown or repeated key, a principle
    without a critique or a revision request, and whatever `Constitution` and `Principle` refuse.
    """
    file = located_constitution(name_or_path)
    return form_of(file).read(file)


def located_constitution(name_or_path: str | Path) -> Located:
    """The file of `read_constitution`, not yet understood. Raises InputError if there is none, or it isn't valid."""
    path = Path(name_or_path)
    if path.exists():
        return read_located(path)
    if str(name_or_path) not in shipped():
        raise InputError(f"{name_or_path}: no such constitution; give a file, or one of {', '.join(shipped())}")
    return read_located(FOLDER / f"{name_or_path}.yaml")


def shipped() -> list[str]:
    """Names of the constitutions that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def form_of(file: Located) -> Form:
    """The form that a file has. Raises InputError for an empty file, and one of no known form."""
    value = file.value
    if value is None or value in ({}, []):
        raise file.fault("the constitution is empty; give it a principle")
    if isinstance(value, list):
        return QUESTIONS if all(isinstance(item.value, str) for item in value) else PAIRS
    if isinstance(value, dict):
        if "constitutions" in value:
            return PAIRS
        if value.keys() & set(KEYS):
            return OWN
        keys = {key for part in value.values() if isinstance(part.value, dict) for key in part.value}
        if keys & {"prompt", "edit_request"}:
            return REQUESTS
    raise file.fault("no form of a constitution; begin it with `principles:`, and list them below")


def _own(file: Located) -> Constitution:
    given = _known(file, "the constitution", KEYS)
    principles = given["principles"].items("principles") if "principles" in given else []
    texts = {key: given[key].text(key) for key in ("name", "system", "template") if key in given}
    with _placed(file):
        return Constitution(
            texts.get("name") or Path(file.place.file).stem,
            tuple(map(_principle, principles)),
            texts.get("system", ""),
            _examples(given["examples"]) if "examples" in given else (),
            texts.get("template", TEMPLATE),
            _two(given["answers"]) if "answers" in given else ("(A)", "(B)"),
            _verdicts(given["verdicts"]) if "verdicts" in given else None,
        )


def _principle(node: Located) -> Principle:
    """Of this project's form: with critique and revision request, the comparison question may be missing."""
    given = _known(node, "a principle", PRINCIPLE_KEYS)
    if "id" not in given:
        raise node.at("id").fault("a principle has no id; name it")
    texts = {key: given[key].text(key) for key in PRINCIPLE_KEYS[:4] if key in given}
    for key in ("critique", "revision"):
        if not texts.get(key):
            raise node.at(key).fault(f"the principle {texts['id']!r} has no {NAMES[key]}; add `{key}:`")
    with _placed(node):
        return Principle(
            **texts,
            weight=given["weight"].number("weight") if "weight" in given else 1.0,
            tags=tuple(tag.text("a tag") for tag in given["tags"].items("tags")) if "tags" in given else (),
        )


def _requests(file: Located) -> Constitution:
    """The paper's requests: {id: {"prompt": [critique request], "edit_request": revision request}}."""
    principles = []
    for name, node in file.fields("the constitution").items():
        given = _known(node, f"the principle {name!r}", ("prompt", "edit_request"))
        for key, part in (("prompt", "critique"), ("edit_request", "revision")):
            if key not in given:
                raise node.at(key).fault(f"the principle {name!r} has no {NAMES[part]}; add {key!r}")
        prompt = given["prompt"]
        parts = prompt.items("prompt") if isinstance(prompt.value, list) else [prompt]
        if len(parts) != 1:
            raise prompt.fault(f"the principle {name!r} has {len(parts)} critique requests; give it one")
        tag = name.rstrip("0123456789")
        with _placed(node):
            critique, revision = _request(parts[0]), _request(given["edit_request"])
            principles.append(Principle(name, critique, revision, tags=(tag,) if tag else ()))
    return _named(file, principles)


def _questions(file: Located) -> Constitution:
    """The paper's comparison questions, a list of texts."""
    principles = []
    for number, node in enumerate(file.items("the constitution")):
        if TRANSCRIPT.match(node.text("a comparison question")):
            raise node.fault("this is a transcript and no comparison question; give the file of the instructions")
        principles.append(Principle(f"question{number}", comparison=_request(node)))
    return _named(file, principles)


def _pairs(file: Located) -> Constitution:
    """llm-swarm's {"constitutions": [{"critic", "revision"}], "system_chat": [conversation]}, or its list alone."""
    listed, chats = file, None
    if isinstance(file.value, dict):
        given = _known(file, "the constitution", ("constitutions", "system_chat"))
        listed, chats = file.at("constitutions"), given.get("system_chat")
    principles = []
    for number, node in enumerate(listed.items("constitutions")):
        pair = _known(node, "a principle", ("critic", "revision"))
        for key, part in (("critic", "critique"), ("revision", "revision")):
            if key not in pair:
                raise node.at(key).fault(f"the principle has no {NAMES[part]}; add {key!r}")
        principles.append(Principle(f"principle{number}", _request(pair["critic"]), _request(pair["revision"])))
    return _named(file, principles, _examples(chats) if chats else ())


OWN = Form("gyrocompass", _own)
REQUESTS = Form("critique and revision requests (Bai et al. 2022)", _requests)
QUESTIONS = Form("comparison questions (Bai et al. 2022)", _questions)
PAIRS = Form("critic and revision pairs (llm-swarm)", _pairs)


def _named(file: Located, principles: list[Principle], examples: tuple[Prompt, ...] = ()) -> Constitution:
    with _placed(file):
        return Constitution(Path(file.place.file).stem, tuple(principles), examples=examples)


def _request(node: Located) -> str:
    """A request without the labels of a transcript. Raises InputError if nothing is left."""
    text = LABEL.sub("", node.text("a request")).strip()
    if not text:
        raise node.fault("a request is empty; write it, or take the principle out")
    return text


def _examples(node: Located) -> tuple[Prompt, ...]:
    """Few-shot conversations, each a list of turns with role and content."""
    read = []
    for example in node.items("examples"):
        try:
            turns = messages(example.plain, "examples")
        except (InputError, Unusable) as error:
            raise example.fault(str(error)) from None
        read.append(turns)
    return tuple(read)


def _two(node: Located) -> tuple[str, str]:
    answers = [answer.text("an answer") for answer in node.items("answers")]
    if len(answers) != 2:
        raise node.fault(f"there are {len(answers)} answers; give two, for the first and the second response")
    return answers[0], answers[1]


def _verdicts(node: Located) -> Verdicts:
    given = _known(node, "the verdicts", Verdicts._fields)
    for key in Verdicts._fields:
        if key not in given:
            raise node.at(key).fault(f"the verdicts lack {key!r}; add what such a critique begins with")
    return Verdicts(*(given[key].text(key) for key in Verdicts._fields))


def _known(node: Located, what: str, known: Collection[str]) -> Mapping[str, Located]:
    """The fields of a mapping that are filled. Raises InputError if it is none, or has a key besides those known."""
    given = node.fields(what)
    for key, part in given.items():
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise part.fault(f"unknown key {key!r} in {what}; the nearest one is {nearest!r}")
    return {key: part for key, part in given.items() if part.value is not None}


@contextmanager
def _placed(node: Located) -> Iterator[None]:
    """Names the line of what the value at this node is refused for."""
    try:
        yield
    except Fault as fault:
        raise node.at(*fault.path).fault(str(fault)) from None
