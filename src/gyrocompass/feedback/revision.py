"""Critique and revision: a model finds fault with its own responses by principles, and rewrites them.

The supervised stage of Constitutional AI, Bai et al. 2022, arXiv:2212.08073, section 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

from ..errors import InputError
from ..models.batching import seed_of
from ..protocols import Policy
from ..records import Example, Message, Prompt
from .constitution import Constitution, Principle, draw
from .turns import Said, Step, read_reply

UNCHANGED = "unchanged"
"""The mark of a revision that says what the response says; the others are `empty STEP` and `STEP ran on`."""
UNASKED = Said("", ())


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
        critiques = [UNASKED] * len(chains)
        if self.critiques:
            wanted = [self._critique_request(*each) for each in zip(chains, drawn, strict=True)]
            critiques = _replies(self.policy, "critique", wanted, seed_of(self.seed, "critique", number))
        wanted = [self._revision_request(*each) for each in zip(chains, drawn, critiques, strict=True)]
        revisions = _replies(self.policy, "revision", wanted, seed_of(self.seed, "revision", number))
        return [_extended(*each) for each in zip(chains, drawn, critiques, revisions, strict=True)]

    def _critique_request(self, chain: Chain, principle: Principle) -> Prompt | None:
        """None where there is no response."""
        return self._about(chain, principle.critique) if chain.final.strip() else None

    def _revision_request(self, chain: Chain, principle: Principle, critique: Said) -> Prompt | None:
        """None where there is no response, or no critique though one was wanted."""
        if not chain.final.strip() or (self.critiques and not critique.text):
            return None
        criticised = (principle.critique, critique.text) if self.critiques else ()
        return self._about(chain, *criticised, principle.revision)

    def _about(self, chain: Chain, *turns: str) -> Prompt:
        return self.constitution.about(chain.prompt, chain.final, *turns, critiques=self.critiques)


def _extended(chain: Chain, principle: Principle, critique: Said, revision: Said) -> Chain:
    """The chain with the round that these replies make, if it has a response."""
    if not chain.final.strip():
        return chain
    same = (UNCHANGED,) * (revision.text.split() == chain.final.split())
    one = Round(principle.id, critique.text, revision.text, (*critique.marks, *revision.marks, *same))
    return replace(chain, rounds=(*chain.rounds, one))


def _begun(policy: Policy, prompts: Sequence[Prompt], responses: Sequence[str] | None, seed: int) -> list[Chain]:
    """Chains of the first responses, sampled or given."""
    if responses is None:
        first = _replies(policy, "response", prompts, seed_of(seed, "response"))
    elif len(responses) == len(prompts):
        first = [Said(text, () if text.strip() else ("empty response",)) for text in responses]
    else:
        raise InputError(f"{len(prompts):,} prompts but {len(responses):,} responses; give one for each")
    return [Chain(prompt, said.text, (), said.marks) for prompt, said in zip(prompts, first, strict=True)]


def _replies(policy: Policy, step: Step, wanted: Sequence[Prompt | None], seed: int) -> list[Said]:
    """What is said to each conversation, without what isn't of this step; UNASKED where there is none."""
    asked = [conversation for conversation in wanted if conversation is not None]
    drawn: Iterable[tuple[str, bool]] = ()
    if asked and isinstance(policy, Telling):
        drawn = policy.sample_ended(asked, seed=seed)
    elif asked:
        drawn = ((text, True) for (text,) in policy.sample(asked, seed=seed))
    said = iter([read_reply(step, text, ended) for text, ended in drawn])
    return [UNASKED if conversation is None else next(said) for conversation in wanted]


def _keys(prompts: Sequence[Prompt]) -> list[str]:
    """A name for each prompt, another one where a prompt comes again."""
    met: Counter[Prompt] = Counter()
    keys = []
    for prompt in prompts:
        keys.append(f"{[(message.role, message.content) for message in prompt]} {met[prompt]}")
        met[prompt] += 1
    return keys
