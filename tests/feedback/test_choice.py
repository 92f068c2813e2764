import contextlib
import importlib.util
import json
import math
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.config import Access, Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.feedback.choice import ALONE, bare, begun, chosen, share_of_first
from gyrocompass.models.endpoint import open_endpoint
from gyrocompass.models.likeliest import Token
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import Example, user

SERVER = Path(__file__).parents[1] / "models" / "endpoint_server.py"
SPEC = importlib.util.spec_from_file_location("feedback_endpoint_server", SERVER)
endpoint_server = sys.modules[SPEC.name] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(endpoint_server)

NAN = float("nan")
LETTERS = ("(A)", "(B)")


def token(text, **shares):
    return Token(text, {name: math.log(share) for name, share in shares.items()})


@dataclass
class Voting:
    """A policy without log-probabilities whose i-th reply to a question is `reply(question, i)`."""

    reply: object

    def sample(self, prompts, n=1, *, seed=0):
        return [[self.reply(prompt[-1].content, i) for i in range(n)] for prompt in prompts]

    def logprobs(self, examples):
        raise Unsupported("it tells none")


def test_the_share_of_the_first_answer_by_hand():
    """What stands for A has 0.6 + 0.05, what stands for B 0.3; before it comes a bracket that both begin with."""
    bracket = Token("(", {"(": -0.1, "A": -3.0})
    letter = Token("A", {"A": math.log(0.6), "B": math.log(0.3), " A": math.log(0.05), "The": math.log(0.01)})
    assert share_of_first([bracket, letter], LETTERS) == pytest.approx(0.65 / 0.95)
    assert share_of_first([letter], LETTERS) == pytest.approx(0.65 / 0.95)
    assert share_of_first([letter], LETTERS[::-1]) == pytest.approx(0.3 / 0.95)
    assert share_of_first([token("B", A=0.6, B=0.3)], LETTERS) == pytest.approx(0.6 / 0.9)


def test_an_answer_that_is_not_listed_has_the_most_it_can_have():
    """The listed leave 0.04, less than the least of them, 0.06; or more than it, 0.38."""
    assert share_of_first([token("A", A=0.9, the=0.06)], LETTERS) == pytest.approx(0.9 / 0.94)
    assert share_of_first([token("A", A=0.6, the=0.02)], LETTERS) == pytest.approx(0.6 / 0.62)
    assert share_of_first([token("B", B=0.9, the=0.06)], LETTERS) == pytest.approx(0.04 / 0.94)
    assert share_of_first([token("A", A=1.0)], LETTERS) == 1.0


def test_answers_of_several_tokens_are_told_apart_where_they_part():
    words = ("response one", "response two")
    tokens = [token("resp", resp=1.0), token("onse ", **{"onse ": 1.0}), token("tw", o=0.2, tw=0.7)]
    assert share_of_first(tokens, words) == pytest.approx(0.2 / 0.9)
    assert share_of_first([token("fir", fir=0.5, sec=0.5)], ("first", "second")) == 0.5


@pytest.mark.parametrize(
    "tokens",
    [[], [token("I", I=0.5, A=0.3, B=0.2)], [token("(", **{"(": 1.0})], [token("(", **{"(": 1.0}), token("C", C=0.9)],
     [token("A", the=0.9)], [Token("A", {})], [token("As", As=0.9, A=0.1)]],
)  # fmt: skip
def test_a_reply_that_decides_nothing_is_an_abstention(tokens):
    assert math.isnan(share_of_first(tokens, LETTERS))


@given(st.lists(st.floats(0.001, 1.0), min_size=3, max_size=3))
def test_both_answers_share_all_there_is(weights):
    a, b, other = (weight / sum(weights) for weight in weights)
    tokens = [token("A", A=a, B=b, The=other)]
    assert share_of_first(tokens, LETTERS) + share_of_first(tokens, LETTERS[::-1]) == pytest.approx(1.0)


def test_decoration_does_not_count():
    assert {bare(text) for text in ("(A)", " a.", "**A**", "`A`", "[[A]]!")} == {"a"}


def test_a_local_model_is_read_by_the_log_probabilities_of_both_answers(tiny):
    network = tiny()
    policy = LocalPolicy(network, Sampling())
    questions = [user(f"Is {n} even?") for n in range(5)]
    found = chosen(policy, questions, ("yes", "no"))
    assert found.by == "log-probabilities"
    for question, p in zip(questions, found.p_first, strict=True):
        yes, no = (policy.logprobs([Example(question, text)])[0] for text in ("yes", "no"))
        assert p == pytest.approx(math.exp(yes) / (math.exp(yes) + math.exp(no)), abs=1e-5)
    turned = chosen(policy, questions, ("no", "yes"))
    np.testing.assert_allclose(found.p_first + turned.p_first, 1.0, atol=1e-6)


@pytest.mark.parametrize("way", [chosen, begun])
def test_the_temperature_of_sampling_is_none_of_belief(tiny, way):
    network, asked = tiny(), [user(f"Is {n} even?") for n in range(3)]
    cool, hot = (way(LocalPolicy(network, Sampling(temperature=t)), asked, ("yes", "no")).p_first for t in (0.2, 5.0))
    np.testing.assert_array_equal(cool, hot)
    np.testing.assert_array_equal(cool, way(LocalPolicy(network, Sampling()), asked, ("yes", "no")).p_first)


def test_a_question_too_long_for_the_model_is_an_abstention(tiny):
    policy = LocalPolicy(tiny(), Sampling())
    found = chosen(policy, [user("x" * 400), user("short")], ("yes", "no"))
    np.testing.assert_array_equal(np.isnan(found.p_first), [True, False])
    with pytest.raises(InputError, match="no room"):
        chosen(policy, [user("x" * 400)], ("yes", "no"))


def test_votes_are_the_share_of_readable_replies():
    """Of A, (A)., B and a sentence, three can be read: 2/3. Nothing readable is an abstention."""
    replies = "A", "(A).", "answer: B", "Both are fine"
    policy = Voting(lambda question, i: replies[i] if "?" in question else "I can't")
    found = chosen(policy, [user("which?"), user("which")], LETTERS, votes=4)
    assert found.by == "votes"
    np.testing.assert_allclose(found.p_first, [2 / 3, NAN])


def test_an_opening_is_read_whatever_comes_after_it(tiny):
    policy = LocalPolicy(tiny(), Sampling())
    found = begun(policy, [user("Is it kind?")], ("yes", "no"))
    yes, no = policy.opening_logprobs([Example(user("Is it kind?"), text) for text in ("yes", "no")])
    assert found.by == "log-probabilities"
    assert found.p_first[0] == pytest.approx(math.exp(yes) / (math.exp(yes) + math.exp(no)), abs=1e-5)


def test_votes_on_an_opening_by_hand():
    """Of `Yes, it is`, `**yes**`, `No.` and `Nobody knows` three can be read, in whole words: 2 / 3."""
    replies = "Yes, it is", "**yes**", "No.", "Nobody knows"
    policy = Voting(lambda question, i: replies[i] if "?" in question else "hm")
    found = begun(policy, [user("is it?"), user("is it")], ("yes", "no"), votes=4)
    assert found.by == "votes"
    np.testing.assert_allclose(found.p_first, [2 / 3, NAN])


def test_no_questions_cost_nothing_and_no_votes_are_refused():
    assert chosen(Voting(None), [], LETTERS).p_first.shape == (0,)
    with pytest.raises(InputError, match="at least one"):
        chosen(Voting(None), [user("q")], LETTERS, votes=0)


@pytest.fixture
def serve(monkeypatch):
    """serve(**behaviour) -> a server that speaks chat, and its policy."""
    for name in ("GYRO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.ExitStack() as stack:

        def started(**behaviour):
            server = stack.enter_context(endpoint_server.serving(endpoint_server.Server(**behaviour)))
            return server, open_endpoint(f"{server.url}#toy", Sampling(max_new_tokens=20), Access(backoff_seconds=0.01))

        yield started


def test_a_server_that_tells_likeliest_tokens_is_read_by_them(serve):
    def tokens(question):
        share = 0.8 if "2 even" in question else 0.3
        return [(" Yes", {" Yes": math.log(share), "no": math.log(0.9 - share)}), (".", {".": -0.1})]

    server, policy = serve(tokens=tokens)
    found = chosen(policy, [user(f"Is {n} even? {ALONE.format('yes', 'no')}") for n in (2, 3)], ("yes", "no"))
    assert found.by == "likeliest tokens"
    np.testing.assert_allclose(found.p_first, [0.8 / 0.9, 0.3 / 0.9])
    assert server.requests == 2


def test_an_opening_is_read_from_likeliest_tokens_too(serve):
    server, policy = serve(tokens=lambda question: [("Yes", {"Yes": math.log(0.6), "No": math.log(0.2)}), (",", {})])
    found = begun(policy, [user("Is it kind?")], ("yes", "no"))
    assert (found.by, server.requests) == ("likeliest tokens", 1)
    np.testing.assert_allclose(found.p_first, [0.75])


def test_a_server_is_asked_at_temperature_one_too(serve):
    server, policy = serve(contents={"which?": "A"})
    cool = replace(policy, sampling=Sampling(max_new_tokens=20, temperature=0.1))
    chosen(cool, [user("which?")], LETTERS, votes=2)
    asked = [body for body in server.served if "which?" in body]
    assert asked
    assert all(json.loads(body)["temperature"] == 1.0 for body in asked)


@pytest.mark.parametrize("refuses", [frozenset(), frozenset({"top_logprobs"}), frozenset({"logprobs"})])
def test_any_other_server_is_asked_to_vote(serve, refuses):
    server, policy = serve(refuses=refuses, contents={"which?": "(B)", "what?": "hm"}, honours=frozenset({"n", "seed"}))
    found = chosen(policy, [user("which?"), user("what?")], LETTERS, votes=3)
    assert found.by == "votes"
    np.testing.assert_equal(found.p_first, [0.0, NAN])
    assert all(re.search('"n": 3', body) for body in server.served)
