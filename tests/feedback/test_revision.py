import json
from dataclasses import dataclass, field

import pytest

from gyrocompass.config import Sampling
from gyrocompass.errors import InputError
from gyrocompass.feedback.constitution import Constitution, Principle
from gyrocompass.feedback.revision import Chain, Round, examples, revise, summary
from gyrocompass.models.policy import LocalPolicy
from gyrocompass.records import Message, user

POLITE = Principle("polite", "is it rude?", "make it polite")
SURE = Principle("sure", "is it unsure?", "make it sure", weight=2.0)
BOTH = Constitution("c", (POLITE, SURE))
PROMPTS = [user(f"question {i}") for i in range(8)]


def turns(*texts):
    return tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))


@dataclass
class Scripted:
    """A policy that answers a conversation with `reply(conversation)`, and notes what it was asked."""

    reply: object
    calls: list = field(default_factory=list)

    def sample(self, prompts, n=1, *, seed=0):
        self.calls.append(list(prompts))
        return [[self.reply(prompt)] * n for prompt in prompts]

    def logprobs(self, examples):
        raise NotImplementedError


def diligent(conversation):
    """Criticises, and revises by counting up."""
    asked = conversation[-1].content
    if asked.startswith("is it"):
        return f"yes: {asked}"
    if asked.startswith("make it"):
        before = next(m.content for m in conversation[::-1] if m.content.startswith("answer"))
        return f"answer {int(before.split()[-1]) + 1}"
    return "answer 0"


def test_a_round_asks_in_the_order_of_the_paper():
    policy = Scripted(diligent)
    (chain,) = revise(policy, Constitution("c", (POLITE,)), PROMPTS[:1], 2)
    assert chain.prompt == PROMPTS[0]
    assert chain.response == "answer 0"
    assert chain.rounds == (
        Round("polite", "yes: is it rude?", "answer 1"),
        Round("polite", "yes: is it rude?", "answer 2"),
    )
    asked = [call[0] for call in policy.calls]
    assert asked[0] == PROMPTS[0]
    assert asked[1] == turns("question 0", "answer 0", "is it rude?")
    assert asked[2] == turns("question 0", "answer 0", "is it rude?", "yes: is it rude?", "make it polite")
    assert asked[3] == turns("question 0", "answer 1", "is it rude?")
    assert len(asked) == 5
    assert [chain.after(n) for n in range(4)] == ["answer 0", "answer 1", "answer 2", "answer 2"]
    assert chain.final == "answer 2"


def test_all_prompts_are_asked_together():
    policy = Scripted(diligent)
    revise(policy, BOTH, PROMPTS, 3)
    assert [len(call) for call in policy.calls] == [8] * 7


def test_without_critiques_the_revision_request_follows_the_response():
    policy = Scripted(diligent)
    (chain,) = revise(policy, Constitution("c", (POLITE,)), PROMPTS[:1], 1, critiques=False)
    assert policy.calls[1] == [turns("question 0", "answer 0", "make it polite")]
    assert chain.rounds == (Round("polite", "", "answer 1"),)
    only = Constitution("c", (Principle("bare", revision="make it plain"),))
    assert revise(Scripted(diligent), only, PROMPTS[:1], 1, critiques=False)[0].final == "answer 1"
    with pytest.raises(InputError, match="no principle with a critique request and a revision request"):
        revise(Scripted(diligent), only, PROMPTS[:1], 1)


def test_examples_and_system_messages_open_the_conversation_but_not_the_first_response():
    example = turns("hi", "go", "is it rude?", "yes", "make it polite", "hello")
    shown = Constitution("c", (POLITE,), system="be careful", examples=(example,))
    prompt = (Message("system", "you are a clerk"), *user("question"))
    heads = (Message("system", "be careful\n\nyou are a clerk"),)
    for critiques, first in ((True, example), (False, turns("hi", "go", "make it polite", "hello"))):
        policy = Scripted(diligent)
        revise(policy, shown, [prompt], 1, critiques=critiques)
        assert policy.calls[0] == [prompt]
        request = "is it rude?" if critiques else "make it polite"
        assert policy.calls[1][0] == (*heads, *first, *turns("question", "answer 0", request))


def test_the_same_principles_act_whatever_else_changes():
    def acted(chains):
        return [[one.principle for one in chain.rounds] for chain in chains]

    four = acted(revise(Scripted(diligent), BOTH, PROMPTS, 4, seed=3))
    assert acted(revise(Scripted(diligent), BOTH, PROMPTS, 2, seed=3)) == [names[:2] for names in four]
    assert acted(revise(Scripted(diligent), BOTH, PROMPTS, 4, critiques=False, seed=3)) == four
    assert acted(revise(Scripted(diligent), BOTH, PROMPTS[::-1], 4, seed=3)) == four[::-1]
    assert acted(revise(Scripted(diligent), BOTH, PROMPTS, 4, seed=4)) != four
    again = acted(revise(Scripted(diligent), BOTH, [PROMPTS[0]] * 20, 1, seed=3))
    assert len(set(map(tuple, again))) == 2


def scenario(critique="bad", revision="better"):
    """One prompt, one round: the replies to the two requests."""
    policy = Scripted(lambda c: {"is it rude?": critique, "make it polite": revision}.get(c[-1].content, "answer"))
    return revise(policy, Constitution("c", (POLITE,)), PROMPTS[:1], 1)[0], policy


@pytest.mark.parametrize(
    ("replies", "expected", "final"),
    [
        ({}, Round("polite", "bad", "better"), "better"),
        ({"critique": " "}, Round("polite", "", "", ("empty critique",)), "answer"),
        ({"critique": "bad\n\nHuman: so?"}, Round("polite", "bad", "better", ("critique ran on",)), "better"),
        ({"revision": "\n"}, Round("polite", "bad", "", ("empty revision",)), "answer"),
        ({"revision": " answer\n"}, Round("polite", "bad", "answer", ("unchanged",)), "answer"),
        ({"revision": "good\n\nCritique: x"}, Round("polite", "bad", "good", ("revision ran on",)), "good"),
    ],
)
def test_what_goes_wrong_is_marked_and_abstained_from(replies, expected, final):
    chain, policy = scenario(**replies)
    assert chain.rounds == (expected,)
    assert chain.final == final
    assert len(policy.calls) == 2 + bool(expected.critique)
    assert chain.revised == bool(expected.revision)
    assert [example.response for example in examples([chain])] == ([final] if expected.revision else [])


def test_a_blank_response_is_not_criticised():
    policy = Scripted(lambda c: "" if c[-1].content == "question 1" else diligent(c))
    chains = revise(policy, BOTH, PROMPTS[:3], 1)
    assert [len(chain.rounds) for chain in chains] == [1, 0, 1]
    assert chains[1].marks == ("empty response",)
    assert [example.prompt for example in examples(chains)] == [PROMPTS[0], PROMPTS[2]]
    blank = revise(Scripted(diligent), BOTH, PROMPTS[:1], 1, responses=[" "])
    assert blank == [Chain(PROMPTS[0], " ", (), ("empty response",))]


def test_responses_may_be_given():
    policy = Scripted(diligent)
    chains = revise(policy, BOTH, PROMPTS[:2], 1, responses=["answer 4", "answer 7"])
    assert [chain.final for chain in chains] == ["answer 5", "answer 8"]
    assert len(policy.calls) == 2
    with pytest.raises(InputError, match="2 prompts but 1 responses"):
        revise(policy, BOTH, PROMPTS[:2], 1, responses=["answer 4"])


def test_no_rounds_need_no_principle():
    chains = revise(Scripted(diligent), Constitution("c", (Principle("q", comparison="which?"),)), PROMPTS, 0)
    assert [chain.final for chain in chains] == ["answer 0"] * 8
    assert examples(chains) == []
    assert revise(Scripted(diligent), BOTH, [], 2) == []
    with pytest.raises(InputError, match="rounds is -1"):
        revise(Scripted(diligent), BOTH, PROMPTS, -1)


def test_chains_go_through_json():
    chains = revise(Scripted(diligent), BOTH, PROMPTS, 2)
    chains.append(Chain(turns("a", "b", "c"), "", (), ("empty response",)))
    chains.append(scenario(critique="bad\n\nHuman: x", revision="answer")[0])
    assert [Chain.from_row(json.loads(json.dumps(chain.row))) for chain in chains] == chains


def test_records_tell_principles_and_marks():
    chain = Chain(PROMPTS[0], "a", (Round("polite", "x", "b"), Round("sure", "y", "b", ("unchanged",))))
    (record,) = examples([chain])
    assert (record.prompt, record.response) == (PROMPTS[0], "b")
    assert record.meta == {"principles": ["polite", "sure"], "marks": ["unchanged"]}


def test_the_summary_by_hand():
    chains = [
        Chain(PROMPTS[0], "a", (Round("polite", "x", "b"), Round("sure", "", "", ("empty critique",)))),
        Chain(PROMPTS[1], "a", (Round("polite", "x", "a", ("critique ran on", "unchanged")),), ("response ran on",)),
        Chain(PROMPTS[2], "", (), ("empty response",)),
    ]
    told = summary(chains)
    assert (told.chains, told.unrevised, told.rounds) == (3, 1, 3)
    assert told.marks == {
        "response ran on": 1, "empty response": 1, "empty critique": 1, "critique ran on": 1, "unchanged": 1
    }  # fmt: skip
    assert told.row["principles"] == {
        "polite": {"drawn": 2, "changed": 1, "marks": {"critique ran on": 1, "unchanged": 1}},
        "sure": {"drawn": 1, "changed": 0, "marks": {"empty critique": 1}},
    }
    assert summary([]).row == {"chains": 0, "unrevised": 0, "rounds": 0, "marks": {}, "principles": {}}


def test_a_network_revises_and_tells_which_replies_reached_the_limit(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=12))
    chains = revise(policy, BOTH, PROMPTS, 1, seed=1)
    assert chains == revise(policy, BOTH, PROMPTS, 1, seed=1)
    cut = [chain for chain in chains if "response ran on" in chain.marks]
    assert cut  # a random network of 257 tokens hardly ever ends within 12
    told = summary(chains)
    assert told.rounds == sum(bool(chain.response) for chain in chains)
    assert told.marks["critique ran on"] > 0
