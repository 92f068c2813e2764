"""Labels without people: a step is as good as the answers it leads to.

Source: Math-Shepherd, Wang et al. 2023, arXiv:2312.08935, sec. 3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import Unsupported
from ...models.steps import Cut, char_ends
from ...records import Example, Prompt, Steps

Right = Callable[[Sequence[Example]], Sequence[bool]]
"""Whether each response comes to the right answer."""


@runtime_checkable
class Continues(Protocol):
    """A policy that can go on with a response that is begun; a local model is one."""

    def continued(self, begun: Sequence[Example], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        """n whole responses to each prompt that begin as its response does."""
        ...


def rollout_labels(
    policy: object, chains: Sequence[Example], cut: Cut, right: Right, n: int, seed: int = 0
) -> list[Steps]:
    """Soft labels: the share of n continuations from after each step whose answer is right; the last step's is the
    response's own. Equal beginnings are continued once. Responses without any step are left out.

    Raises Unsupported if the policy can't continue a response.
    """
    if not isinstance(policy, Continues):
        raise Unsupported("this policy can't go on with a response that is begun; label steps with a local model")
    cuts = [(chain, cut(chain.response or "")) for chain in chains]
    kept = [(chain, steps, char_ends(chain.response or "", steps)) for chain, steps in cuts if steps]
    begun: dict[tuple[Prompt, str], Example] = {}
    for chain, _, ends in kept:
        for end in ends[:-1]:
            text = (chain.response or "")[:end]
            begun.setdefault((chain.prompt, text), replace(chain, response=text))
    promise = _promise(policy, begun, right, n, seed)
    outcomes = right([chain for chain, _, _ in kept])
    return [
        Steps(
            chain.prompt,
            steps,
            (*(promise[chain.prompt, (chain.response or "")[:end]] for end in ends[:-1]), float(outcome)),
            {**chain.meta, "rollouts": n},
        )
        for (chain, steps, ends), outcome in zip(kept, outcomes, strict=True)
    ]


def _promise(
    policy: Continues, begun: dict[tuple[Prompt, str], Example], right: Right, n: int, seed: int
) -> dict[tuple[Prompt, str], float]:
    """The share of each beginning's continuations that come to the right answer."""
    if not begun:
        return {}
    beginnings = list(begun.values())
    drawn = policy.continued(beginnings, n, seed=seed)
    ended = [replace(one, response=text) for one, texts in zip(beginnings, drawn, strict=True) for text in texts]
    shares = np.array(right(ended), dtype=np.float64).reshape(len(beginnings), n).mean(1)
    return dict(zip(begun, shares.tolist(), strict=True))


def hardened(chain: Steps) -> Steps:
    """Hard labels from soft ones: 1 where any continuation came to the right answer."""
    return replace(chain, labels=tuple(float(label > 0) for label in chain.labels))
