"""What endpoints would be asked in amplification, without asking them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..config import Access, Amplify, Recipe
from ..feedback.amplify.overseers import ASKING
from ..models.endpoint import CHARACTERS_PER_TOKEN, Forecast, is_endpoint
from .amplified_model import SELF, SHORTEN

LABELS = 40
"""Characters around a sub-question and its answer in what an overseer is shown."""


def forecast(recipe: Recipe, questions: Sequence[str], access: Access, measured: bool) -> dict[str, Forecast]:
    """What each endpoint would be asked at most: budgets spent to the end, everything said as long as can be.

    Where it is `measured` by known answers, the model is asked each question once more, alone.
    """
    config, new_tokens = recipe.amplify, recipe.sampling.max_new_tokens
    overseer = None if config.task == "summaries" else recipe.model if config.overseer == SELF else config.overseer
    found, reply = {}, new_tokens * CHARACTERS_PER_TOKEN
    for name in dict.fromkeys(one for one in (recipe.model, overseer) if one and is_endpoint(one)):
        requests = config.iterations * len(questions) * _calls(config, name == recipe.model, name == overseer)
        requests += len(questions) if measured and name == recipe.model else 0
        longest = _longest_prompt(config, max(map(len, questions), default=0), reply, name == overseer)
        tokens_in, tokens_out = math.ceil(requests * longest / CHARACTERS_PER_TOKEN), requests * new_tokens
        found[name] = Forecast(requests, tokens_in, tokens_out, access.cost(tokens_in, tokens_out))
    return found


def _calls(config: Amplify, answers: bool, oversees: bool) -> int:
    """Of one question: an overseer may spend the whole budget, a model is asked at every other call at most."""
    if config.depth == 0:
        return int(answers)
    return config.budget if oversees else config.budget // 2


def _longest_prompt(config: Amplify, question: int, reply: int, oversees: bool) -> int:
    """Characters: a sub-question is a reply, and an overseer is shown all that were asked, with their answers."""
    if oversees:
        return len(ASKING) + max(question, reply) + config.moves * (2 * reply + LABELS)
    return len(SHORTEN) + max(question, config.moves * reply) if config.task == "summaries" else max(question, reply)
