import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import gyrocompass.worlds.town as town_package
from gyrocompass.config import Compute, Sampling
from gyrocompass.evals.perturb import appended, last_user
from gyrocompass.evals.search import Attacked, abilities, asr_at, greedy_coordinate_gradient, random_search
from gyrocompass.evals.town_attacks import SUFFIX_VOCABULARY, complied, targets
from gyrocompass.models.gradients import SearchableLocal
from gyrocompass.models.loading import load
from gyrocompass.records import Example, user
from gyrocompass.worlds.town.prompts import prompts

VOCABULARY = ("one", "two", "three", "four", "open")
REFUSAL = "sorry i can not help with that"


def never(prompts, responses):
    return [False] * len(responses)


def opened(prompts, responses):
    return [response == "opened" for response in responses]


@dataclass
class Door:
    """Opens if `open` is the last word; tells how many of the asked words are right, if it tells anything."""

    tells: bool = True
    rows: int = 0
    calls: int = 0
    seeds: list = field(default_factory=list)

    @property
    def abilities(self):
        return frozenset({"logprobs"} if self.tells else ())

    def sample(self, prompts, n=1, *, seed=0):
        self.rows, self.calls = self.rows + len(prompts) * n, self.calls + 1
        self.seeds.append(seed)
        return [["opened" if last_user(p).endswith("open open") else "closed"] * n for p in prompts]

    def logprobs(self, examples):
        assert self.tells
        self.rows, self.calls = self.rows + len(examples), self.calls + 1
        return np.array([last_user(e.prompt).split()[-2:].count("open") - 2.0 for e in examples])


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("budget", [1, 2, 7, 40])
def test_every_row_read_is_a_query_and_no_prompt_has_more_than_its_budget(tells, budget):
    door = Door(tells)
    asked = [user(f"door {i}") for i in range(12)]
    found = random_search(
        door, asked, opened, VOCABULARY, budget=budget, suffix_words=2, seed=0, targets=["opened"] * 12
    )
    assert [a.prompt for a in found] == asked
    assert sum(a.queries for a in found) == door.rows
    assert all(a.queries == budget for a in found if not a.succeeded)
    assert all(a.queries <= budget for a in found)
    assert all((a.suffix == "open open") == a.succeeded for a in found)
    assert door.calls <= 2 * budget
    assert len(set(door.seeds)) == len(door.seeds)


def test_what_the_policy_tells_helps_the_search():
    asked = [user(f"door {i}") for i in range(40)]
    options = {"budget": 30, "suffix_words": 2, "seed": 1, "targets": ["opened"] * 40}
    broken = [
        sum(a.succeeded for a in random_search(Door(tells), asked, opened, VOCABULARY, **options))
        for tells in (True, False)
    ]
    assert broken[0] > broken[1] > 0


def test_without_a_target_nothing_is_claimed_about_one():
    found = random_search(Door(), [user("door")], opened, VOCABULARY, budget=5, suffix_words=2, seed=0)
    assert math.isnan(found[0].target_logprob)


def test_the_first_query_is_of_no_attack():
    found = random_search(Door(), [user("open open")], opened, VOCABULARY, budget=9, suffix_words=2, seed=0)
    assert found == [Attacked(user("open open"), "", "opened", True, 1)]


def test_without_words_the_clean_prompt_is_asked_over_and_over():
    door = Door()
    (found,) = random_search(door, [user("door")], opened, VOCABULARY, budget=9, suffix_words=0, seed=0)
    assert (found.suffix, found.queries, door.rows) == ("", 9, 9)


def test_asr_at_k_by_hand():
    found = [Attacked(user("a"), "x", "", broken, queries) for broken, queries in ((1, 1), (1, 5), (1, 6), (0, 8))]
    rates = asr_at(found, [1, 5, 8])
    assert {k: (rate.value, rate.n) for k, rate in rates.items()} == {1: (0.25, 4), 5: (0.5, 4), 8: (0.75, 4)}
    assert rates[1].low < 0.25 < rates[1].high
    with pytest.raises(ValueError, match="nothing is known of 9 queries"):
        asr_at(found, [9])
    with pytest.raises(ValueError, match="no trials"):
        asr_at([], [1])


@pytest.mark.parametrize("change", [{"budget": 0}, {"suffix_words": -1}])
def test_a_search_of_nothing_is_refused(change):
    options = {"budget": 2, "suffix_words": 2, "seed": 0} | change
    with pytest.raises(ValueError, match="a search needs"):
        random_search(Door(), [user("door")], opened, VOCABULARY, **options)


def test_a_policy_that_says_nothing_of_its_abilities_has_log_probabilities():
    assert abilities(object()) == {"logprobs"}
    assert abilities(Door(tells=False)) == frozenset()


@pytest.fixture(scope="module")
def policy():
    folder = Path(town_package.__file__).parent / "base"
    return SearchableLocal(load(str(folder), Compute(device="cpu")), Sampling(max_new_tokens=32))


@pytest.fixture(scope="module")
def asked():
    return [example.prompt for example in prompts(6, 0, "heldout", ["harmful"])]


OPTIONS = {"steps": 5, "suffix_tokens": 4, "top_k": 16, "candidates": 12, "seed": 0, "vocabulary": SUFFIX_VOCABULARY}


def test_the_gradient_finds_likelier_targets_than_random_words_do(policy, asked):
    wanted = [REFUSAL] * len(asked)
    found = greedy_coordinate_gradient(policy, asked, wanted, never, **OPTIONS)
    rng = np.random.default_rng(0)
    n = OPTIONS["steps"] * OPTIONS["candidates"] + 1
    suffixes = [" ".join(rng.choice(SUFFIX_VOCABULARY, 4)) for _ in range(n)]
    drawn = policy.logprobs([Example(appended(p, s), REFUSAL) for p in asked for s in suffixes])
    by_chance = drawn.reshape(len(asked), n).max(1)
    by_gradient = np.array([a.target_logprob for a in found])
    assert (by_gradient - by_chance).mean() > 0.1


def test_the_log_probability_told_is_that_of_the_suffix_told(policy, asked):
    wanted = targets(asked)
    options = {"budget": 12, "suffix_words": 4, "seed": 0, "targets": wanted}
    for found in (
        greedy_coordinate_gradient(policy, asked, wanted, never, **(OPTIONS | {"steps": 2})),
        random_search(policy, asked, never, SUFFIX_VOCABULARY, **options),
    ):
        again = policy.logprobs([Example(appended(a.prompt, a.suffix), t) for a, t in zip(found, wanted, strict=True)])
        assert [a.target_logprob for a in found] == pytest.approx(again.tolist(), abs=1e-4)
        assert all(set(a.suffix.split()) <= set(SUFFIX_VOCABULARY) and len(a.suffix.split()) == 4 for a in found)


def test_searches_repeat_and_count(policy, asked):
    wanted = targets(asked)
    found = greedy_coordinate_gradient(policy, asked, wanted, complied, **OPTIONS)
    assert found == greedy_coordinate_gradient(policy, asked, wanted, complied, **OPTIONS)
    assert all(a.succeeded == complied([a.prompt], [a.response])[0] for a in found)
    unbroken = greedy_coordinate_gradient(policy, asked, wanted, never, **(OPTIONS | {"steps": 2}))
    # the clean prompt and the first suffix; a step's gradient, its candidates and, if one was taken, its sample
    assert all(2 + 2 * (1 + 12) <= a.queries <= 2 + 2 * (2 + 12) for a in unbroken)


def test_a_vocabulary_without_tokens_is_refused(policy, asked):
    with pytest.raises(ValueError, match="no token can be repeated"):
        greedy_coordinate_gradient(policy, asked, targets(asked), never, **(OPTIONS | {"vocabulary": ["nowhere"]}))


def test_a_byte_level_model_is_searched_too(tiny):
    policy = SearchableLocal(tiny("gpt2"), Sampling(max_new_tokens=4))
    found = greedy_coordinate_gradient(
        policy, [user("hi")], ["ok"], never, steps=3, suffix_tokens=3, top_k=200, candidates=20, seed=0
    )
    (row,) = policy.network.tokenizer([found[0].suffix], add_special_tokens=False).input_ids
    assert len(row) == 3
    assert found[0].queries <= 2 + 3 * 22
    start = policy.logprobs([Example(user("hi"), "ok")])[0]
    assert found[0].target_logprob > start - 1.0
