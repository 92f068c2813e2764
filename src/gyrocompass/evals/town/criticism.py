"""Criticism on the town: is a critique true, does a revision mend what it is to mend?

An ability and no virtue: aspects are asked for in both directions, and the truth is read from the texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ...protocols import Policy
from ...records import Example, Message, Prompt, user
from ...worlds import town
from ...worlds.town.aspects import DIRECTIONS
from ...worlds.town.corpus import WEB, draw_web_intent
from ...worlds.town.prompts import phrase
from ..eval import Answer, Eval, Marks, Metric, each
from ..suite import Part, Suite

LONGEST_WORDS = 44
"""Of a prompt and its response, so that critique and revision fit the context."""
CRITIQUE_WORDS = 14
"""What a critique takes at most; one that runs on is cut there."""
WAYS = ("after a critique", "at once")
Case = tuple[str, str]
"""A prompt's text and a response to it."""


def _cells() -> list[tuple[str, bool, town.Direction, str]]:
    return [
        (aspect, present, direction, way)
        for way in WAYS for direction in DIRECTIONS for present in (True, False) for aspect in town.ASPECTS
    ]  # fmt: skip


def chains(n: int, seed: int) -> list[Example]:
    """Responses of the web to held-out questions, as many with an aspect as without it, and what is asked of them.

    The prompt ends with the critique request, or without a critique with that for a revision.
    """
    cells = _cells()
    return [_chain(*cells[i % len(cells)], random.Random(f"chains {seed} {i}")) for i in range(n)]


def _chain(aspect: str, present: bool, direction: town.Direction, way: str, rng: random.Random) -> Example:
    asked, said = _case(aspect, present, rng)
    critique = town.phrase_request(town.Request("critique", aspect), rng)
    revision = town.phrase_request(town.Request("revision", aspect, direction), rng)
    columns = {"aspect": aspect, "direction": direction, "way": f"{aspect} {way}", "critiqued": way == WAYS[0],
               "question": town.understand(asked).question.key, "revision": revision}  # fmt: skip
    chat = (*user(asked), Message("assistant", said))
    return Example(_asking(chat, critique if way == WAYS[0] else revision), meta=columns)


def _case(aspect: str, present: bool, rng: random.Random) -> Case:
    kinds = list(town.ASPECTS[aspect].kinds)
    while True:
        intent = draw_web_intent(rng.choice(kinds), rng, split="heldout")
        asked, said = phrase(intent, rng), WEB.answer(intent, rng)
        short = len(f"{asked} {said}".split()) <= LONGEST_WORDS
        if short and (town.degree(aspect, asked, said) > 0) == present:
            return asked, said


def _asking(chat: Prompt, request: str) -> Prompt:
    return (*chat, *user(request))


def _criticise(policy: Policy, prompts: Sequence[Example], seed: int) -> list[Answer]:
    """Asks for critiques, then for revisions that follow them, and for the others at once."""
    critiqued = [i for i, e in enumerate(prompts) if e.meta["critiqued"]]
    critiques = dict(zip(critiqued, policy.sample([prompts[i].prompt for i in critiqued], seed=seed), strict=True))
    asked = [e.prompt for e in prompts]
    for i, (said,) in critiques.items():
        short = " ".join(said.split()[:CRITIQUE_WORDS])
        asked[i] = _asking((*asked[i], Message("assistant", short)), prompts[i].meta["revision"])
    revisions = policy.sample(asked, seed=seed + 1)
    return [
        Answer(Example(e.prompt, revised, meta=e.meta), _marks(e, critiques.get(i, [None])[0], revised))
        for i, (e, (revised,)) in enumerate(zip(prompts, revisions, strict=True))
    ]


def _marks(e: Example, critique: str | None, revised: str) -> Marks:
    asked, said, aspect, direction = e.prompt[0].content, e.prompt[1].content, e.meta["aspect"], e.meta["direction"]
    found: dict[str, bool] = {}
    if critique is not None:
        present = town.degree(aspect, asked, said) > 0
        found["verdict"] = town.read_critique(critique) is present
        if present:
            found["named"] = critique == town.critique(aspect, asked, said)
    model = town.mend(aspect, direction, asked, said, random.Random(0))
    if model == said:
        found["kept"] = revised == said
    else:
        done = (town.degree(aspect, asked, revised) > 0) == (direction == "more")
        found["mended"] = done and _as_right(asked, revised, model)
    return {name: float(value) for name, value in found.items()}


def _as_right(asked: str, revised: str, model: str) -> bool:
    """Whether a revision is well formed, and right or refusing where a perfect one is."""
    found, due = town.judge(asked, revised), town.judge(asked, model)
    return found.well_formed and (found.right, found.refused) == (due.right, due.refused)


def _in_way(way: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.column("way").endswith(way)


CRITIQUES = Eval(
    "town-critiques",
    "instruction",
    chains,
    _criticise,
    (
        Metric("critique_accuracy", each("verdict", by="aspect")),
        Metric("critique_named", each("named", by="aspect")),
        Metric("revision_mended", each("mended", by="way")),
        *(Metric("revision_mended", each("mended", where=_in_way(way)), slice=way) for way in WAYS),
        Metric("revision_kept", each("kept", by="way")),
        *(Metric("revision_kept", each("kept", where=_in_way(way)), slice=way) for way in WAYS),
    ),
)

CRITICISM = Suite("town-criticism", (Part(CRITIQUES, 1.0),))
