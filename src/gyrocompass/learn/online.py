"""Online DPO: the policy samples responses, a scorer or a judge compares them, DPO learns from the pairs; repeat.

Source: Guo et al. 2024, arXiv:2402.04792. With a scorer the best of a prompt's responses is set against the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..config import DPO, Online, Sampling
from ..errors import InputError
from ..maths.losses import Metrics
from ..models import chat
from ..models.batching import Passes, pad, seed_of, shuffled
from ..models.chat import Row
from ..models.network import Network
from ..models.pairs import PairRows
from ..models.policy import check_room, reference_logprobs, response_texts, rollout, sampled_logprobs
from ..models.scorer import checked
from ..protocols import Judge, Pair, Scorer
from ..records import Example, Prompt
from . import dpo
from .dpo import Micro
from .loop import Collected
from .reference import check_start


class Choice(NamedTuple):
    """Two of a step's responses, by index, and how likely it is that the first is the better one."""

    first: int
    second: int
    p_first: float


Compare = Callable[
    [Sequence[Prompt], Sequence[Sequence[str]], "Bool[Tensor, 'B']"], tuple[list[Choice], dict[str, float]]
]
"""From prompts, each one's responses, and which of all responses ended, to pairs worth learning, and metrics."""


class OnlinePreferenceOptimisation:
    """One step: sample responses, compare them, then `epochs` passes of DPO over the pairs.

    `reference` None means the policy with its adapters off. Log-probabilities are those at the temperature that
    responses are sampled with. A step without a usable pair makes no update.
    Raises InputError if the settings don't fit together, or a step finds that the policy doesn't start at the
    reference though it is said to.
    """

    def __init__(
        self,
        policy: Network,
        reference: Network | None,
        compare: Compare,
        prompts: Sequence[Prompt],
        config: DPO,
        online: Online,
        sampling: Sampling,
        seed: int,
    ) -> None:
        check(config, online, len(prompts))
        self.networks: Mapping[str, Network] = {"policy": policy}
        self.policy, self.reference, self.compare, self.prompts = policy, reference, compare, prompts
        self.config, self.online, self.sampling, self.seed = config, online, sampling, seed
        self.prompt_ids = chat.encode_prompts(policy.tokenizer, prompts)
        check_room(self.prompt_ids, policy, sampling)
        per_step = config.batch_size // online.samples_per_prompt
        self.passes = Passes(len(prompts), per_step, 1, seed_of(seed, "online dpo"))
        self.steps = online.steps
        self.state: dict[str, float] = {}

    def collect(self, step: int) -> Collected:
        n, temperature = self.online.samples_per_prompt, self.sampling.temperature
        # 1. Prompts of this step, and the policy's responses to them.
        chosen = self.passes.indices(step)
        ids = [self.prompt_ids[i] for i in chosen]
        rows, ended, logp = rollout(self.policy, ids, n, self.sampling, seed_of(self.seed, "rollout", step))
        # 2. Which of two responses is the better one.
        texts = response_texts(self.policy, rows)
        groups = [texts[start : start + n] for start in range(0, len(texts), n)]
        choices, found = self.compare([self.prompts[i] for i in chosen], groups, ended)
        # 3. Log-probabilities under policy and reference.
        mask = pad(rows).mask.to(self.policy.device)
        if self.policy.autocast_type is not None:  # decoding rounds otherwise
            logp = sampled_logprobs(self.policy, rows, temperature)
        ref = reference_logprobs(self.policy, self.reference, rows, temperature)
        if step == 1 and self.config.reference == "start":
            check_start(self.policy, logp.sum(1), ref.sum(1), mask.sum(1).float())
        # 4. Passes of DPO over the pairs.
        metrics = found | _metrics(logp - ref, mask, ended) | {"pairs": float(len(choices))}
        return Collected(self._batches(rows, ref.sum(1), choices, step), sum(map(len, rows)), metrics)

    def loss(self, micro: Micro) -> tuple[Tensor, Metrics]:
        return dpo.preference_loss(self.policy, micro, self.config, self.sampling.temperature)

    def _batches(
        self, rows: Sequence[Row], ref: Float[Tensor, "B"], choices: Sequence[Choice], step: int
    ) -> Iterator[list[Micro]]:
        pairs = [PairRows(rows[c.first], rows[c.second], c.p_first, 0.0) for c in choices]
        both = torch.stack([ref[[c.first for c in choices]], ref[[c.second for c in choices]]], 1)
        known = dpo.placed(self.policy, both if dpo.needs_reference(self.config) else None, len(pairs))
        for epoch in range(self.config.epochs if pairs else 0):
            order = shuffled(len(pairs), seed_of(self.seed, "pass", step, epoch))
            yield dpo.micros(self.policy, pairs, known, order)


def best_against_worst(scorer: Scorer, missing_end_penalty: float = 0.0) -> Compare:
    """Pairs of each prompt's best and worst response by score; none where they are equal, or score alike.

    A response that never ended pays the penalty. Raises InputError or Diverged for scores that are no numbers.
    """

    def compare(
        prompts: Sequence[Prompt], groups: Sequence[Sequence[str]], ended: Bool[Tensor, "B"]
    ) -> tuple[list[Choice], dict[str, float]]:
        examples = [Example(p, text) for p, texts in zip(prompts, groups, strict=True) for text in texts]
        scores = checked(scorer(examples), len(examples), "the scorer") - missing_end_penalty * (~ended).cpu().numpy()
        per_prompt = scores.reshape(len(prompts), -1)
        choices = []
        for i, (row, texts) in enumerate(zip(per_prompt, groups, strict=True)):
            best, worst = int(row.argmax()), int(row.argmin())
            if row[best] > row[worst] and texts[best] != texts[worst]:
                choices.append(Choice(i * len(texts) + best, i * len(texts) + worst, 1.0))
        return choices, {"score": float(scores.mean())}

    return compare


def judged(judge: Judge) -> Compare:
    """Each prompt's two responses with what the judge thinks of them; none where they are equal or it abstains.

    Raises InputError if there are more than two.
    """

    def compare(
        prompts: Sequence[Prompt], groups: Sequence[Sequence[str]], ended: Bool[Tensor, "B"]
    ) -> tuple[list[Choice], dict[str, float]]:
        if len(groups[0]) != 2:
            raise InputError(f"dpo: a judge compares two responses, not {len(groups[0])}; set samples_per_prompt to 2")
        different = [i for i, texts in enumerate(groups) if texts[0] != texts[1]]
        asked = [Pair(prompts[i], groups[i][0], groups[i][1]) for i in different]
        said = judge(asked) if asked else np.empty(0)
        choices = [Choice(2 * i, 2 * i + 1, float(p)) for i, p in zip(different, said, strict=True) if not np.isnan(p)]
        return choices, {"abstained": float(np.isnan(said).sum())}

    return compare


def check(config: DPO, online: Online, n_prompts: int) -> None:
    """Raises InputError if there are no prompts, or settings don't fit together."""
    dpo.check(config)
    if config.loss == "kto":
        raise InputError("dpo: kto learns from labelled responses at hand; with a scorer set another dpo.loss")
    if not n_prompts:
        raise InputError("dpo: there are no prompts to answer")
    if config.batch_size % online.samples_per_prompt:
        raise InputError(
            f"dpo: batch_size {config.batch_size} is no multiple of samples_per_prompt {online.samples_per_prompt}"
        )


def _metrics(log_ratio: Float[Tensor, "B t"], mask: Bool[Tensor, "B t"], ended: Bool[Tensor, "B"]) -> dict[str, float]:
    return {
        "kl_nats": float(log_ratio.sum(1).mean()),
        "response_tokens": float(mask.sum(1).float().mean()),
        "ended_fraction": float(ended.float().mean()),
    }
