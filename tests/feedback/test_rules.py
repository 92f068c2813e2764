import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.config import Sampling
from gyrocompass.errors import InputError, Unsupported
from gyrocompass.feedback.constitution import read_constitution
from gyrocompass.feedback.refusals import refusal_by_rules
from gyrocompass.feedback.rules import Proposition, RuleReward, fitted, hash_of, ranking_weights, read_rules
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.protocols import Scorer
from gyrocompass.records import Example, Preference, user

NAN = float("nan")
REFUSES = Proposition("refuses", lambda example: refusal_by_rules(example.response), -1.0)
SHORT = Proposition("short", lambda example: float(len(example.response.split()) < 4), 0.5)
KIND = Proposition("kind", "Is the response kind?", 2.0)
SAFE = Proposition("safe", "Is the response safe?", 1.0)


class Answering:
    """A policy that says yes with probability 0.9 where the response holds the question's last word, else with 0.2."""

    def logprobs(self, examples):
        return np.log([self.chance(example) for example in examples])

    def chance(self, example):
        question = example.prompt[0].content
        mark = re.search(r"the mark ([0-9a-f]{16}),", question)[1]
        response = re.search(rf"\[response {mark}\]\n(.*?)\n\[end of response {mark}\]", question, re.S)[1]
        asked = re.search(r"Is the response (\w+)\?\n\nAnswer with yes or no alone\.$", question)[1]
        yes = 0.9 if asked in response else 0.2
        return 0.1 * (yes if example.response == "yes" else 1 - yes)


class Mute:
    def sample(self, prompts, n=1, *, seed=0):
        return [["I would rather not say."] * n for _ in prompts]

    def logprobs(self, examples):
        raise Unsupported("it tells none")


def examples(*responses):
    return [Example(user("q"), response) for response in responses]


def test_the_reward_is_the_weighted_sum_by_hand():
    """Kind 0.9 and safe 0.2: 2 x 0.9 + 1 x 0.2 = 2.0, and 0.5 for short."""
    reward = RuleReward((KIND, SHORT, SAFE), Answering())
    assert isinstance(reward, Scorer)
    both = examples("a kind one", "it is all quite safe")
    np.testing.assert_allclose(reward.truths(both), [[0.9, 1, 0.2], [0.2, 0, 0.9]])
    np.testing.assert_allclose(reward(both), [2.5, 1.3])
    assert reward([]).shape == (0,)


def test_plain_functions_need_no_model():
    responses = examples("Sure, here it is for you.", "I can't help with that.", "Yes.")
    np.testing.assert_array_equal(RuleReward((REFUSES, SHORT))(responses), [0, -1, 0.5])


def test_what_cannot_be_told_is_an_abstention_unless_it_weighs_nothing():
    reward = RuleReward((KIND, SHORT), Mute())
    np.testing.assert_equal(reward(examples("x")), [NAN])
    weightless = RuleReward((replace(KIND, weight=0.0), SHORT), Mute())
    np.testing.assert_array_equal(weightless(examples("x")), [0.5])
    np.testing.assert_array_equal(RuleReward((replace(SHORT, weight=0.0),))(examples("x", "y")), [0.0, 0.0])


def test_a_local_model_tells_how_far_a_proposition_holds(tiny):
    reward = RuleReward((KIND, SAFE), LocalPolicy(replace(tiny(), max_tokens=2048), Sampling()))
    truths = reward.truths(examples("a", "b", "c"))
    assert truths.shape == (3, 2)
    assert ((truths > 0) & (truths < 1)).all()
    np.testing.assert_allclose(reward(examples("a", "b", "c")), truths @ [2.0, 1.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [(lambda: RuleReward(()), "without propositions"), (lambda: RuleReward((SHORT, SHORT)), "two propositions"),
     (lambda: RuleReward((KIND,)), "give a policy"), (lambda: Proposition(" ", "Is it?"), "no id"),
     (lambda: Proposition("x", " "), "no question"), (lambda: Proposition("x", "Is it?", NAN), "finite"),
     (lambda: RuleReward((SHORT,))([Example(user("q"))]), "sample one first")],
)  # fmt: skip
def test_what_is_no_reward_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def ranked(*pairs, p_first=1.0):
    return [Preference(user("q"), *pair, p_first=p_first) for pair in pairs]


@pytest.mark.parametrize(("lasso", "weight"), [(0.01, 1.0), (0.9, 1.0), (1.1, 0.0)])
def test_a_weight_by_hand(lasso, weight):
    """One comparison, truths 1 and 0: lasso w + max(0, 1 - w) is least at 1; at 0 where lasso is above 1."""
    found = fitted(RuleReward((SHORT,)), ranked(("short", "a long one it is")), lasso)
    assert found.propositions[0].weight == pytest.approx(weight, abs=1e-6)
    assert found.propositions[0].holds is SHORT.holds


def test_a_base_that_ranks_rightly_leaves_nothing_to_add():
    """A base ahead by 1 meets the margin; one ahead by 0.25 leaves 0.75."""
    comparisons = ranked(("short", "a long one it is"))
    for ahead, weight in ((1.0, 0.0), (0.25, 0.75), (-1.0, 2.0)):
        found = fitted(RuleReward((SHORT,)), comparisons, 0.01, lambda both, /, a=ahead: np.array([a, 0.0]))
        assert found.propositions[0].weight == pytest.approx(weight, abs=1e-6)


def test_a_tie_pulls_neither_way_and_a_loss_turns_the_sign():
    for p_first, weight in ((0.5, 0.0), (0.0, -1.0)):
        found = fitted(RuleReward((SHORT,)), ranked(("short", "a long one it is"), p_first=p_first))
        assert found.propositions[0].weight == pytest.approx(weight, abs=1e-6)


def test_what_ranks_nothing_has_no_weight():
    """Both responses are as kind."""
    found = fitted(RuleReward((KIND, SHORT), Answering()), ranked(("kind", "a long and kind one it is")))
    assert [round(one.weight, 6) for one in found.propositions] == [0.0, 1.0]


def hinge(w, apart, ahead, p_first, lasso):
    d = ahead + apart @ w
    return lasso * np.abs(w).sum() + np.mean(p_first * np.maximum(0, 1 - d) + (1 - p_first) * np.maximum(0, 1 + d))


@given(st.integers(0, 10**6))
def test_no_other_weights_cost_less(seed):
    rng = np.random.default_rng(seed)
    apart, ahead = rng.uniform(-1, 1, (30, 3)), rng.normal(size=30)
    p_first = rng.choice([0.0, 0.3, 1.0], 30)
    lasso = rng.choice([0.01, 0.1, 1.0])
    found = ranking_weights(apart, ahead, p_first, lasso)
    least = hinge(found, apart, ahead, p_first, lasso)
    for step in (0.3, 0.03, 0.003):
        others = found + step * rng.normal(size=(100, 3))
        assert min(hinge(w, apart, ahead, p_first, lasso) for w in others) >= least - 1e-9


def test_fitted_weights_rank_held_out_comparisons():
    """Gold is 2 kind - 1 refusal; twenty comparisons teach it."""
    words = ["kind", "safe", "I can't help with that.", "a kind refusal: I can't help with that."]
    reward = RuleReward((KIND, SAFE, REFUSES), Answering())

    def gold(text):
        return 2.0 * ("kind" in text) - refusal_by_rules(text)

    pairs = [(a, b + " ") for a in words for b in words if gold(a) > gold(b)]
    learnt = fitted(reward, ranked(*pairs))
    scores = learnt(examples(*words))
    assert np.argsort(scores).tolist() == np.argsort([gold(text) for text in words]).tolist()


def test_comparisons_that_cannot_be_told_are_left_out():
    half = Proposition("half", lambda example: NAN if "?" in example.response else float(len(example.response) < 3))
    found = fitted(RuleReward((half,)), ranked(("a", "long"), ("long", "a?")))
    assert found.propositions[0].weight == pytest.approx(1.0, abs=1e-6)
    for comparisons in (ranked(("a?", "b")), []):
        with pytest.raises(InputError, match="none can be told"):
            fitted(RuleReward((half,)), comparisons)
    with pytest.raises(InputError, match="lasso"):
        fitted(RuleReward((half,)), ranked(("a", "long")), 0.0)


def test_rules_come_from_a_file(tmp_path):
    path = tmp_path / "rules.yaml"
    listed = "  - id: kind\n    question: Is it kind?\n    weight: -2\n  - id: b\n    question: Is it b?\n"
    path.write_text(f"propositions:\n{listed}")
    read = read_rules(path, Answering())
    assert read.propositions == (Proposition("kind", "Is it kind?", -2.0), Proposition("b", "Is it b?"))


def test_the_hash_is_of_what_a_file_says_and_not_of_its_form(tmp_path):
    def hashed(text):
        (tmp_path / "rules.yaml").write_text(text)
        return hash_of(tmp_path / "rules.yaml")

    one = hashed("propositions:\n  - {id: a, question: q, weight: 2}\n  - {id: b, question: r}\n")
    assert one == hashed(
        "# b\npropositions:\n- question: r\n  id: b\n  weight: 1\n- {id: a, question: q, weight: 2.0}\n"
    )
    changed = [
        "propositions: [{id: a, question: q, weight: 1}, {id: b, question: r}]",
        "propositions: [{id: a, question: s, weight: 2}, {id: b, question: r}]",
        "propositions: [{id: a, question: q, weight: 2}]",
        "propositions: [{id: a, question: q, weight: 2}, {id: b, question: r}]\nanswers: ['so', 'not so']",
    ]
    assert len({one, *map(hashed, changed)}) == 5
    assert len(hash_of("assistant")) == 64


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [("propositions:\n  - id: a\n    question: q\n    wait: 1", 4, "unknown key 'wait'"),
     ("propositions:\n  - id: a\n    question: q\n    weight: much", 4, "not a number"),
     ("propositions:\n  - id: a\n    question: q\n  - id: b", 4, "no question"),
     ("propositions:\n  - question: q", 2, "no id"),
     ("propositions: []", 1, "without propositions"), ("", 1, "not a mapping"),
     ("propositions:\n  - {id: a, question: q}\n  - {id: a, question: r}", 1, "two propositions"),
     ("rules: []", 1, "holds `propositions`, and maybe `answers`")],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_line(tmp_path, text, line, message):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"rules\.yaml:{line}: .*{message}"):
        read_rules(path, Answering())


def test_the_shipped_rules_are_questions_for_a_model():
    shipped = read_rules("assistant", Answering())
    assert len(shipped.propositions) == 8
    assert all(proposition.holds.endswith("?") for proposition in shipped.propositions)
    with pytest.raises(InputError, match="give a policy"):
        read_rules("assistant")
    with pytest.raises(InputError, match="can't be read"):
        read_rules("nosuch", Answering())


@pytest.mark.parametrize("name", ["town", "assistant"])
def test_shipped_rules_have_weights_and_questions(name):
    rules = read_rules(name, Mute())
    assert all(one.weight and isinstance(one.holds, str) for one in rules.propositions)
    assert rules.answers == (("yes", "no") if name == "town" else None)


class Critic:
    """Begins its reply with yes, with probability 0.9, where the response holds the question's last word; else 0.2."""

    def sample(self, prompts, n=1, *, seed=0):
        return [["yes it is"] * n for _ in prompts]

    def opening_logprobs(self, examples):
        yes = [0.9 if e.prompt[-1].content.split()[-1] in e.prompt[-2].content else 0.2 for e in examples]
        return np.log([y if e.response == "yes" else 1 - y for y, e in zip(yes, examples, strict=True)]) - 1.0

    def logprobs(self, examples):
        raise Unsupported("none")


def test_with_answers_of_its_own_a_question_follows_the_response_in_the_chat(tmp_path):
    """Kind 0.9 and safe 0.2: 2 x 0.9 - 0.2 = 1.6."""
    file = tmp_path / "own.yaml"
    file.write_text(
        'answers: ["yes", "no"]\npropositions:\n'
        "  - {id: kind, question: is it kind, weight: 2}\n  - {id: safe, question: is it safe, weight: -1}\n"
    )
    reward = read_rules(file, Critic())
    (example,) = examples("a kind one")
    assert [message.content for message in reward.question(example, reward.propositions[0])] == [
        "q", "a kind one", "is it kind",
    ]  # fmt: skip
    np.testing.assert_allclose(reward([example]), [1.6])


@pytest.mark.parametrize("answers", ["[maybe]", '["yes", "Yes"]', '["yes", ""]'])
def test_answers_are_two_different_ones(tmp_path, answers):
    file = tmp_path / "own.yaml"
    file.write_text(f"answers: {answers}\npropositions: [{{id: kind, question: is it kind}}]\n")
    with pytest.raises(InputError, match=r"own\.yaml:1: `answers` are two"):
        read_rules(file, Critic())


def test_the_town_s_rules_ask_what_its_constitution_criticises():
    asked = {one.holds for one in read_rules("town", Mute()).propositions}
    constitution = read_constitution("town")
    assert asked == {principle.critique for principle in constitution.principles}
    assert read_rules("town", Mute()).answers == constitution.verdicts
