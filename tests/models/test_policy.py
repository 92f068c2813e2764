import numpy as np
import pytest

from gyrocompass.config import Sampling
from gyrocompass.errors import InputError
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import Example, user

PROMPTS = [user(f"question {i}") for i in range(30)]


def test_whether_a_response_ended_is_told(tiny):
    """A random network of 257 tokens ends at each with a chance near 1/257: about half of 30 responses of 200 do."""
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=200))
    told = policy.sample_ended(PROMPTS, seed=2)
    assert [[text] for text, _ in told] == policy.sample(PROMPTS, seed=2)
    assert {ended for _, ended in told} == {True, False}
    short = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=1)).sample_ended(PROMPTS, seed=2)
    assert not any(text and ended for text, ended in short)


def test_what_leaves_no_room_is_an_empty_response_that_did_not_end(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=8))
    long = user("x" * 300)
    assert policy.sample_ended([PROMPTS[0], long], seed=1)[1] == ("", False)
    with pytest.raises(InputError, match="leaves no room"):
        policy.sample_ended([long])


def test_an_opening_is_as_likely_as_its_tokens_whatever_comes_then(tiny):
    """With byte tokens the chances of openings of one byte sum to less than 1, those of two bytes to less than that of
    their first; the end token is no part of them."""
    policy = LocalPolicy(tiny("llama"), Sampling())
    letters = [chr(i) for i in range(33, 127)]
    one = policy.opening_logprobs([Example(PROMPTS[0], letter) for letter in letters])
    assert np.exp(one).sum() < 1
    two = policy.opening_logprobs([Example(PROMPTS[0], f"a{letter}") for letter in letters])
    assert (two < one[letters.index("a")]).all()
    assert np.exp(two).sum() < np.exp(one[letters.index("a")])
    whole = policy.logprobs([Example(PROMPTS[0], letter) for letter in letters])
    assert (whole < one).all()
    mixed = policy.opening_logprobs([Example(PROMPTS[0], "a"), Example(PROMPTS[0], "a much longer one")])
    assert mixed[0] == pytest.approx(one[letters.index("a")], abs=1e-5)
