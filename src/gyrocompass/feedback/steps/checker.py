"""Steps judged by a program, and the outcome as a single step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import InputError
from ...models.steps import Cut, Graded, StepScorer, whole
from ...records import Example, Prompt, Steps
from .rollouts import Right

Check = Callable[[Prompt, tuple[str, ...]], Sequence[float]]
"""How likely each step of a chain is right, in [0, 1], one number a step."""


@dataclass(frozen=True)
class Checker:
    """A StepScorer from a check of steps."""

    cutting: Cut
    check: Check

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]:
        """Raises InputError if the check gives another number of labels than there are steps."""
        return [self._graded(example) for example in examples]

    def _graded(self, example: Example) -> Graded:
        steps = self.cutting(example.response or "")
        scores = tuple(map(float, self.check(example.prompt, steps)))
        if len(scores) != len(steps):
            raise InputError(f"the checker gave {len(scores)} labels for {len(steps)} steps; return one each")
        return Graded(steps, scores)


@dataclass(frozen=True)
class OutcomeChecker:
    """The StepScorer of outcome supervision: a response is one step, 1 if its answer is right, else 0."""

    right: Right

    def step_scores(self, examples: Sequence[Example], /) -> list[Graded]:
        both = zip(examples, self.right(examples), strict=True)
        return [Graded(steps := whole(example.response or ""), (float(hit),) * len(steps)) for example, hit in both]


def labelled(scorer: StepScorer, chains: Sequence[Example]) -> list[Steps]:
    """Responses with the labels that a checker, or a model such as an implicit PRM, gives their steps.

    Responses without any step are left out.
    """
    both = zip(chains, scorer.step_scores(chains), strict=True)
    return [Steps(chain.prompt, one.steps, one.scores, chain.meta) for chain, one in both if one.steps]


def outcome_alone(chain: Steps, joint: str) -> Steps:
    """The chain as one step, with the last label: what outcome supervision sees of it."""
    return replace(chain, steps=(joint.join(chain.steps),), labels=chain.labels[-1:])
