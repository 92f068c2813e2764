import numpy as np
import pytest

from gyrocompass.config import Compute, Sampling
from gyrocompass.models.cases import answer, encode_cases, logits_of
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import Example, Preference, user

PAIRS = [Preference(user(f"question {i % 3}"), "yes" * (i + 1), "no" * (9 - i)) for i in range(9)]
SINGLES = [Example(user(f"question {i % 3}"), "yes" * (i + 1), label=i % 2 == 0) for i in range(9)]


@pytest.fixture
def scorer(tiny):
    """A scorer whose head isn't zero."""
    network = tiny("llama", scalar=True, trainable=True)
    network.core.score.weight.data.normal_(0, 1)
    return network


def logits(network, cases):
    return logits_of(network, encode_cases(network, cases)[0])


def test_a_pair_turned_round_has_the_opposite_logit(scorer, tiny):
    for network in (scorer, tiny("llama")):
        found = logits(network, PAIRS)
        assert found == pytest.approx(-logits(network, [p.swap() for p in PAIRS]), abs=1e-4)
        assert np.abs(found).min() > 0


def test_a_pair_s_logit_is_the_difference_of_its_responses(scorer):
    first, second = (
        logits(scorer, [Example(p.prompt, getattr(p, which)) for p in PAIRS]) for which in ("first", "second")
    )
    assert logits(scorer, PAIRS) == pytest.approx(first - second, abs=1e-4)


def test_a_causal_lm_tells_by_how_much_a_token_the_first_is_likelier(tiny):
    network = tiny("llama")
    policy = LocalPolicy(network, Sampling(temperature=1.0))

    def per_token(which):
        texts = [getattr(p, which) for p in PAIRS]
        tokens = np.array([len(text) + 2 for text in texts])  # bytes, the space before them, the end
        return policy.logprobs([Example(p.prompt, text) for p, text in zip(PAIRS, texts, strict=True)]) / tokens

    assert logits(network, PAIRS) == pytest.approx(per_token("first") - per_token("second"), abs=1e-4)


def test_a_causal_lm_does_not_judge_single_responses(tiny):
    with pytest.raises(ValueError, match="likelier"):
        logits(tiny("llama"), SINGLES)


@pytest.mark.parametrize("tokens", [16, 4096])
def test_a_logit_does_not_depend_on_how_a_batch_is_cut(scorer, tiny, tokens):
    whole = logits(scorer, SINGLES)
    scorer.compute = Compute(precision="fp32", micro_batch_tokens=tokens)
    assert logits(scorer, SINGLES) == pytest.approx(whole, abs=1e-5)


def test_a_long_response_loses_its_end_and_is_told_of(scorer):
    rows, notes = encode_cases(scorer, [Example(user("q"), "a" * 1000, label=True), SINGLES[0]])
    assert len(rows[0][0]) == scorer.max_tokens
    assert notes == ["1 of 2 responses were longer than the model reads, and lost their end"]


def test_what_a_case_itself_says():
    assert [answer(case) for case in SINGLES[:2]] == [True, False]
    assert answer(Example(user("q"), "a")) is None
    assert [answer(Preference(user("q"), "a", "b", p)) for p in (0.9, 0.1, 0.5)] == [True, False, None]
