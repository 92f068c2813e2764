"""Rule-based rewards: weighted propositions about a response. Mu et al. 2024, arXiv:2411.01111.

A proposition is a yes/no question, answered by a model with its probability of yes, or a plain function of the example.
The question shows conversation and response fenced off; or, where the answers are named, it follows the response in the
chat, as a critique request does, and the answer is what the reply begins with.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import optimize

from ..data.located import Located, read_located
from ..errors import InputError
from ..protocols import Floats, Policy, Scorer
from ..records import Example, Message, Preference, Prompt, user
from .choice import ALONE, Answers, begun, chosen
from .grader import fenced, transcript

YES_OR_NO = ("yes", "no")
KEYS = ("id", "question", "weight")
RULES = Path(__file__).parent.parent / "rules"


@dataclass(frozen=True)
class Proposition:
    """Something that holds of a response or doesn't, and the reward for it where it does.

    `holds`: the question to ask a model, or a function whose value in [0, 1] is how far it holds.
    Raises InputError for a blank id or question, or a weight that isn't finite.
    """

    id: str
    holds: str | Callable[[Example], float]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise InputError("a proposition has no id; name it")
        if isinstance(self.holds, str) and not self.holds.strip():
            raise InputError(f"the proposition {self.id!r} has no question; write one that yes or no answers")
        if not math.isfinite(self.weight):
            raise InputError(f"the weight of {self.id!r} is {self.weight}; give a finite number")


@dataclass(frozen=True)
class RuleReward:
    """A Scorer: the sum of weight x how far each proposition holds.

    `policy` answers the questions, in `votes` replies each where it tells no log-probabilities (`choice.chosen`); with
    `answers`, what a reply begins with where the proposition holds and where it doesn't, in the chat (`choice.begun`).
    Raises InputError for no proposition, two of one id, or questions without a policy.
    """

    propositions: tuple[Proposition, ...]
    policy: Policy | None = None
    votes: int = 8
    seed: int = 0
    answers: Answers | None = None

    def __post_init__(self) -> None:
        _check(self.propositions)
        asking = next((p.id for p in self.propositions if isinstance(p.holds, str)), None)
        if asking and self.policy is None:
            raise InputError(f"the proposition {asking!r} is a question; give a policy that answers it")

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        """The reward of each response, (len(examples),); NaN where a proposition of weight couldn't be told."""
        counting = tuple(proposition for proposition in self.propositions if proposition.weight)
        if not counting:
            return np.zeros(len(examples))
        weights = np.array([proposition.weight for proposition in counting])
        reward: Floats = replace(self, propositions=counting).truths(examples) @ weights
        return reward

    def truths(self, examples: Sequence[Example]) -> Floats:
        """How far each proposition holds of each response, in [0, 1], (len(examples), len(propositions)).

        NaN where it can't be told. Raises InputError for an example without a response, or as the policy does.
        """
        if any(example.response is None for example in examples):
            raise InputError("an example without a response can't be rewarded; sample one first")
        truths = np.empty((len(examples), len(self.propositions)))
        asking = [k for k, proposition in enumerate(self.propositions) if isinstance(proposition.holds, str)]
        for k, proposition in enumerate(self.propositions):
            if callable(proposition.holds):
                truths[:, k] = [proposition.holds(example) for example in examples]
        if asking and self.policy:
            questions = [self.question(example, self.propositions[k]) for example in examples for k in asking]
            ask = begun if self.answers else chosen
            p_yes, _ = ask(self.policy, questions, self.answers or YES_OR_NO, self.votes, self.seed)
            truths[:, asking] = p_yes.reshape(len(examples), len(asking))
        return truths

    def question(self, example: Example, proposition: Proposition) -> Prompt:
        """What the model is asked, with conversation and response fenced off as in `grader`, or in the chat."""
        if self.answers:
            return (*example.prompt, Message("assistant", str(example.response)), *user(str(proposition.holds)))
        texts = {"conversation": transcript(example.prompt), "response": str(example.response)}
        rule, blocks = fenced(texts, self.seed)
        return user("\n\n".join((rule, *blocks, str(proposition.holds), ALONE.format(*YES_OR_NO))))


def fitted(
    reward: RuleReward, comparisons: Sequence[Preference], lasso: float = 0.01, base: Scorer | None = None
) -> RuleReward:
    """The reward with the weights w that rank the comparisons best.

    w minimises lasso |w|_1 + mean over comparisons of p cost(d) + (1 - p) cost(-d), cost(d) = max(0, 1 - d), where d is
    the total reward of the first response minus that of the second, and the total is `base` (such as a reward model of
    helpfulness) plus w . truths.
    Source: Mu et al. 2024, arXiv:2411.01111. Differs from source: the lasso, which gives a proposition that ranks
    nothing no weight; p may be soft. Comparisons with a truth that can't be told are left out.
    Raises InputError if none is left, or `lasso` isn't above 0.
    """
    if not lasso > 0:
        raise InputError(f"lasso is {lasso:g}; give a number above 0")
    both = [Example(c.prompt, text) for c in comparisons for text in (c.first, c.second)]
    features = reward.truths(both).reshape(-1, 2, len(reward.propositions))
    scores = base(both).reshape(-1, 2) if base and both else np.zeros((len(comparisons), 2))
    apart, ahead = features[:, 0] - features[:, 1], scores[:, 0] - scores[:, 1]
    told = ~np.isnan(apart).any(1)
    if not told.any():
        raise InputError(f"of {len(comparisons):,} comparisons none can be told by these propositions; give others")
    p_first = np.array([c.p_first for c in comparisons])[told]
    weights = ranking_weights(apart[told], ahead[told], p_first, lasso)
    pairs = zip(reward.propositions, weights, strict=True)
    return replace(reward, propositions=tuple(replace(one, weight=float(weight)) for one, weight in pairs))


def ranking_weights(apart: Floats, ahead: Floats, p_first: Floats, lasso: float) -> Floats:
    """The w of `fitted`, (K,), from differences of truths, (N, K), of base rewards, (N,), and p_first, (N,).

    Solved exactly, as a linear programme in the two signs of w and the cost of either order of each comparison.
    """
    n, k = apart.shape
    rows = np.concatenate([apart, -apart])
    margins = 1 - np.concatenate([ahead, -ahead])
    price = np.concatenate([np.full(2 * k, lasso), p_first / n, (1 - p_first) / n])
    short_of = np.hstack([-rows, rows, -np.eye(2 * n)])
    found = optimize.linprog(price, short_of, -margins, method="highs")
    weights: Floats = found.x[:k] - found.x[k : 2 * k]
    return weights


def read_rules(name: str | Path, policy: Policy | None = None, votes: int = 8, seed: int = 0) -> RuleReward:
    """The reward in a YAML file, or a shipped one by name: `propositions`, each with `id`, `question` and `weight`, and
    maybe the two `answers`.

    Raises InputError, naming the line, if the file can't be read, holds another key, or as the reward itself does.
    """
    propositions, answers = _written(name)
    return RuleReward(propositions, policy, votes, seed, answers)


def hash_of(name: str | Path) -> str:
    """Hex SHA-256 of what such a file says: of its questions, weights and answers, and not of its form.

    Raises InputError as `read_rules` does, whoever will answer.
    """
    propositions, answers = _written(name)
    content = {"propositions": sorted((p.id, str(p.holds), p.weight) for p in propositions), "answers": answers}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _written(name: str | Path) -> tuple[tuple[Proposition, ...], Answers | None]:
    path = Path(name)
    shipped = RULES / f"{path.name}.yaml"
    root = read_located(shipped if not path.exists() and shipped.exists() else path)
    parts = root.fields("a file of rules")
    unknown = [part for key, part in parts.items() if key not in ("propositions", "answers")]
    if unknown or "propositions" not in parts:
        raise (unknown[0] if unknown else root).fault("a file of rules holds `propositions`, and maybe `answers`")
    listed = parts["propositions"]
    propositions = tuple(_proposition(item) for item in listed.items("`propositions`"))
    try:
        _check(propositions)
    except InputError as error:
        raise listed.fault(str(error)) from None
    return propositions, _two(parts["answers"]) if "answers" in parts else None


def _check(propositions: Sequence[Proposition]) -> None:
    """Raises InputError for no proposition, or two of one id."""
    ids = [proposition.id for proposition in propositions]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if not ids:
        raise InputError("a reward without propositions rewards nothing; give one")
    if twice:
        raise InputError(f"two propositions have the id {twice!r}; rename one")


def _two(node: Located) -> Answers:
    answers = [item.text("an answer") for item in node.items("`answers`")]
    if len(answers) != 2 or not all(answers) or answers[0].casefold() == answers[1].casefold():
        raise node.fault('`answers` are two, for yes and for no; write answers: ["yes", "no"]')
    return answers[0], answers[1]


def _proposition(item: Located) -> Proposition:
    parts = item.fields("a proposition")
    for key, part in parts.items():
        if key not in KEYS:
            raise part.fault(f"unknown key {key!r}; a proposition has {', '.join(KEYS)}")
    texts = {key: parts[key].text(f"`{key}`") if key in parts else "" for key in ("id", "question")}
    weight = parts["weight"].number("`weight`") if "weight" in parts else 1.0
    try:
        return Proposition(texts["id"], texts["question"], weight)
    except InputError as error:
        raise item.fault(str(error)) from None
