"""Critique and revision: a model finds fault with its own responses by principles, and rewrites them.

The supervised stage of Constitutional AI, Bai et al. 2022, arXiv:2212.08073, section 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

from ..errors import InputError
from ..models.batching import seed_of
from ..protocols import Policy
from ..records import Example, Message, Prompt
from .constitution import Constitution, Principle, draw, without_critique
from .turns import Step, read_reply

UNCHANGED = "unchanged"
"""The mark of a revision that says what the response says; the others are `empty STEP` and `STEP ran on`."""


@runtime_checkable
class Telling(Protocol):
    """A policy that tells of each response whether it came to its end, rather than to the token limit."""

    def sample_ended(self, prompts: Sequence[Prompt], *, seed: int = 0) -> list[tuple[str, bool]]: ...


@dataclass(frozen=True, slots=True)
class Round:
    """One critique and revision by a principle, named by its id. Where the revision is empty the response stays."""

    principle: str
    critique: str
    revision: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """A prompt, its first response, and what became of it round by round. `marks` are the first response's own."""

    prompt: Prompt
    response: str
    rounds: tuple[Round, ...] = ()
    marks: tuple[str, ...] = ()

    def after(self, rounds: int) -> str:
        """The response as it is after so many rounds; 0 is the first one."""
        revisions = [one.revision for one in self.rounds[:rounds] if one.revision]
        return revisions[-1] if revisions else self.response

    @property
    def final(self) -> str:
        """The response after the last round."""
        return self.after(len(self.rounds))

    @property
    def revised(self) -> bool:
        """Whether any round brought a revision, be it equal to the response."""
        return any(one.revision for one in self.rounds)

    @property
    def row(self) -> dict[str, Any]:
        """The chain as one JSON object; `from_row` reads it back."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Chain:
        """The chain that `row` wrote."""
        rounds = (Round(**one | {"marks": tuple(one["marks"])}) for one in row["rounds"])
        prompt = tuple(Message(**message) for message in row["prompt"])
        return cls(prompt, row["response"], tuple(rounds), tuple(row["marks"]))


def revise(
    policy: Policy,
    constitution: Constitution,
    prompts: Sequence[Prompt],
    rounds: int,
    *,
    critiques: bool = True,
    responses: Sequence[str] | None = None,
    seed: int = 0,
) -> list[Chain]:
    """A chain for each prompt: a response, then so many rounds of a principle, a critique and a revision.

    The first response is the policy's to the prompt alone, unless `responses` are given. Each round asks about the
    response as it then stands, not about earlier rounds; without `critiques` it asks for a revision right away. The
    critiques of all prompts are sampled together, then the revisions. What a reply says past its own turn is cut off
    and marked; so is, of a policy that tells, a reply which reached the token limit. After an empty critique no
    revision is asked for.
    The principle depends on the seed, the prompt, how often it came before, and the round: with and without critiques,
    with few and many rounds the same ones act.
    Raises InputError for rounds below 0, other numbers of prompts and responses, or no principle to draw.
    """
    if rounds < 0:
        raise InputError(f"rounds is {rounds}; give 0 or more")
    chains = _begun(policy, prompts, responses, seed)
    if not rounds:
        return chains
    principles = constitution.having("critique", "revision") if critiques else constitution.having("revision")
    reviser = _Reviser(policy, constitution, critiques, seed)
    keys = _keys(prompts)
    for number in range(rounds):
        drawn = [draw(principles, seed, f"{key} {number}") for key in keys]
        chains = reviser.round(chains, drawn, number)
    return chains


def examples(chains: Sequence[Chain]) -> list[Example]:
    """What to fine-tune on: the last revision of each chain; a chain that none was made in is left out.

    `meta` tells the principles that acted, and the marks of the rounds.
    """
    return [
        Example(
            chain.prompt,
            chain.final,
            meta={
                "principles": [one.principle for one in chain.rounds],
                "marks": [mark for one in chain.rounds for mark in one.marks],
            },
        )
        for chain in chains
        if chain.revised
    ]


@dataclass(frozen=True)
class Acted:
    """How often a principle was drawn, how often it changed the response, and how often each mark was given."""

    drawn: int
    changed: int
    marks: Mapping[str, int]


@dataclass(frozen=True)
class Summary:
    """Counts over chains; `unrevised` ones have no revision, and `examples` leaves them out.

    `marks` counts those of first responses (of `chains`) and of rounds (of `rounds`); `principles` goes by id.
    """

    chains: int
    unrevised: int
    rounds: int
    marks: Mapping[str, int]
    principles: Mapping[str, Acted]

    @property
    def row(self) -> dict[str, Any]:
        """The counts as one JSON object."""
        return asdict(self)


def summary(chains: Sequence[Chain]) -> Summary:
    """What happened in these chains."""
    rounds = [one for chain in chains for one in chain.rounds]
    marks = Counter(mark for chain in chains for mark in chain.marks)
    marks.update(mark for one in rounds for mark in one.marks)
    by_principle: dict[str, list[Round]] = {}
    for one in rounds:
        by_principle.setdefault(one.principle, []).append(one)
    return Summary(
        len(chains),
        sum(not chain.revised for chain in chains),
        len(rounds),
        dict(marks.most_common()),
        {name: _acted(by_principle[name]) for name in sorted(by_principle)},
    )


def _acted(rounds: Sequence[Round]) -> Acted:
    marks = Counter(mark for one in rounds for mark in one.marks)
    changed = sum(bool(one.revision) and UNCHANGED not in one.marks for one in rounds)
    return Acted(len(rounds), changed, dict(marks.most_common()))


@dataclass(frozen=True)
class _Reviser:
    """Has responses criticised and revised, a round at a time."""

    policy: Policy
    constitution: Constitution
    critiques: bool
    seed: int

    def round(self, chains: Sequence[Chain], drawn: Sequence[Principle], number: int) -> list[Chain]:
        """The chains with one more round each; a chain without a response stays as it is."""
        begun = {i: Round(drawn[i].id, "", "") for i, chain in enumerate(chains) if chain.final.strip()}
        if self.critiques:
            begun |= self._criticised({i: chains[i] for i in begun}, drawn, number)
        made = begun | self._revised(
            {i: (chains[i], one) for i, one in begun.items() if one.critique or not self.critiques}, drawn, number
        )
        return [
            replace(chain, rounds=(*chain.rounds, made[i])) if i in made else chain for i, chain in enumerate(chains)
        ]

    def _criticised(self, chains: Mapping[int, Chain], drawn: Sequence[Principle], number: int) -> dict[int, Round]:
        asked = [self._conversation(chain, drawn[i].critique) for i, chain in chains.items()]
        replies = _replies(self.policy, "critique", asked, seed_of(self.seed, "critique", number))
        return {i: Round(drawn[i].id, text, "", marks) for i, (text, marks) in zip(chains, replies, strict=True)}

    def _revised(
        self, begun: Mapping[int, tuple[Chain, Round]], drawn: Sequence[Principle], number: int
    ) -> dict[int, Round]:
        asked = []
        for i, (chain, one) in begun.items():
            criticised = (drawn[i].critique, one.critique) if self.critiques else ()
            asked.append(self._conversation(chain, *criticised, drawn[i].revision))
        replies = _replies(self.policy, "revision", asked, seed_of(self.seed, "revision", number))
        made = {}
        for (i, (chain, one)), (text, marks) in zip(begun.items(), replies, strict=True):
            same = (UNCHANGED,) * (text.split() == chain.final.split())
            made[i] = replace(one, revision=text, marks=(*one.marks, *marks, *same))
        return made

    def _conversation(self, chain: Chain, *turns: str) -> Prompt:
        """System message, few-shot examples, prompt and response, and then these turns, the user's and the model's."""
        heads = [self.constitution.system, *(message.content for message in chain.prompt if message.role == "system")]
        system = "\n\n".join(filter(None, heads))
        shown = self.constitution.examples
        if not self.critiques:
            shown = tuple(map(without_critique, shown))
        return (
            *((Message("system", system),) if system else ()),
            *(message for example in shown for message in example),
            *(message for message in chain.prompt if message.role != "system"),
            Message("assistant", chain.final),
            *(Message("assistant" if place % 2 else "user", turn) for place, turn in enumerate(turns)),
        )


def _begun(policy: Policy, prompts: Sequence[Prompt], responses: Sequence[str] | None, seed: int) -> list[Chain]:
    """Chains of the first responses, sampled or given."""
    if responses is None:
        first = _replies(policy, "response", prompts, seed_of(seed, "response"))
        return [Chain(prompt, text, (), marks) for prompt, (text, marks) in zip(prompts, first, strict=True)]
    if len(responses) != len(prompts):
        raise InputError(f"{len(prompts):,} prompts but {len(responses):,} responses; give one for each")
    marked = [() if text.strip() else ("empty response",) for text in responses]
    return [Chain(prompt, text, (), marks) for prompt, text, marks in zip(prompts, responses, marked, strict=True)]


def _replies(policy: Policy, step: Step, asked: Sequence[Prompt], seed: int) -> list[tuple[str, tuple[str, ...]]]:
    """A reply to each conversation, without what isn't of this step, and its marks."""
    if not asked:
        return []
    if isinstance(policy, Telling):
        drawn = policy.sample_ended(asked, seed=seed)
    else:
        drawn = [(text, True) for (text,) in policy.sample(asked, seed=seed)]
    return [read_reply(step, text, ended) for text, ended in drawn]


def _keys(prompts: Sequence[Prompt]) -> list[str]:
    """A name for each prompt, another one where a prompt comes again."""
    met: Counter[Prompt] = Counter()
    keys = []
    for prompt in prompts:
        keys.append(f"{[(message.role, message.content) for message in prompt]} {met[prompt]}")
        met[prompt] += 1
    return keys
