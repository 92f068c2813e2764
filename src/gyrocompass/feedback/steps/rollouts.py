"""Labels without people: a step is as good as the answers it leads to.

Source: Math-Shepherd, Wang et al. 2023, arXiv:2312.08935, sec. 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Unsupported
from ...models.policy import Begun
from ...models.steps import Cut, char_ends
from ...records import Example, Prompt, Steps

Right = Callable[[Sequence[Example]], Sequence[bool]]
"""Whether each response comes to the right answer."""


@runtime_checkable
class Continues(Protocol):
    """A policy that can go on with a response that is begun; a local model is one."""

    def continued(self, begun: Sequence[Begun], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """Whole responses to each prompt, of n draws those that go on from where its response is begun."""
        ...


def rollout_labels(
    policy: object, chains: Sequence[Example], cut: Cut, right: Right, n: int, seed: int = 0
) -> list[Steps]:
    """Soft labels: of n continuations from where the next step begins, the share whose answer is right; the last step's
    is the response's own. Equal beginnings are continued once. Left out are responses without any step, and those that
    the policy can't go on with after some step.

    Raises Unsupported if the policy can't continue a response.
    """
    if not isinstance(policy, Continues):
        raise Unsupported("this policy can't go on with a response that is begun; label steps with a local model")
    kept = [(chain, steps) for chain in chains if (steps := cut(chain.response or ""))]
    begun = [_beginnings(chain, steps) for chain, steps in kept]
    promise = _promise(policy, {_key(one): one for several in begun for one in several}, right, n, seed)
    outcomes = right([chain for chain, _ in kept])
    return [
        Steps(
            chain.prompt,
            steps,
            (*(promise[_key(one)] for one in several), float(outcome)),
            {**chain.meta, "rollouts": n},
        )
        for (chain, steps), several, outcome in zip(kept, begun, outcomes, strict=True)
        if all(_key(one) in promise for one in several)
    ]


Key = tuple[Prompt, str]


def _key(begun: Begun) -> Key:
    return begun.example.prompt, begun.text


def _beginnings(chain: Example, steps: tuple[str, ...]) -> list[Begun]:
    """The response up to where each step but the first begins, so that what stands between two steps is said."""
    ends = char_ends(chain.response or "", steps)
    return [Begun(chain, end - len(step.strip())) for end, step in zip(ends[1:], steps[1:], strict=True)]


def _promise(policy: Continues, begun: dict[Key, Begun], right: Right, n: int, seed: int) -> dict[Key, float]:
    """The share of each beginning's continuations that come to the right answer, where there are any."""
    if not begun:
        return {}
    drawn = dict(zip(begun, policy.continued(list(begun.values()), n, seed=seed), strict=True))
    ended = [replace(begun[key].example, response=text) for key, texts in drawn.items() for text in texts]
    hits = iter(right(ended))
    return {key: float(np.mean([next(hits) for _ in texts])) for key, texts in drawn.items() if texts}


def hardened(chain: Steps) -> Steps:
    """Hard labels from soft ones: 1 where any continuation came to the right answer."""
    return replace(chain, labels=tuple(float(label > 0) for label in chain.labels))
