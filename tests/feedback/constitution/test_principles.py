from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.feedback.constitution import Constitution, Principle, Verdicts, draw, joined, without_critique
from gyrocompass.records import Message

KIND = Principle("kind", "is it unkind?", "make it kind", "which is kinder?", tags=("tone",))
TRUE = Principle("true", "is it false?", "make it true", weight=3.0)
SHORT = Principle("short", comparison="which is shorter?")


def turns(*texts):
    return tuple(Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))


EXAMPLE = turns("a", "b", "criticise", "bad", "revise", "c")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"id": " "}, "id is empty"),
        ({"revision": ""}, "'kind' has no revision request"),
        ({"critique": "", "revision": "", "comparison": ""}, "asks for nothing"),
        ({"weight": 0.0}, "weight of 'kind' is 0"),
        ({"weight": -1.0}, "is -1"),
        ({"weight": float("inf")}, "is inf"),
        ({"weight": float("nan")}, "is nan"),
    ],
)
def test_a_principle_that_asks_for_nothing_or_is_never_drawn_is_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        replace(KIND, **wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"principles": ()}, "is empty"),
        ({"principles": (KIND, TRUE, replace(SHORT, id="kind"))}, "two principles have the id 'kind'"),
        ({"examples": (EXAMPLE, EXAMPLE[:4])}, "example 2 isn't"),
        ({"examples": ((Message("system", "s"), *EXAMPLE),)}, "example 1 isn't"),
        ({"examples": (turns("a", "b", "criticise", " ", "revise", "c"),)}, "turn 4 of example 1 is empty"),
        ({"template": "{first} {second} {question}"}, "lacks {conversation}"),
        ({"answers": ("first", "first ")}, "give two different ones"),
        ({"answers": ("first", "")}, "give two different ones"),
        ({"verdicts": Verdicts("yes", " ")}, "a verdict is empty"),
        ({"verdicts": Verdicts("No fault", "no")}, "neither may begin with the other"),
    ],
)
def test_a_constitution_that_cannot_be_put_to_a_model_is_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        Constitution(**{"name": "c", "principles": (KIND, TRUE)} | wrong)


def test_the_hash_is_of_the_content():
    one = Constitution("one", (KIND, TRUE))
    assert one.hash == Constitution("another name", (TRUE, KIND)).hash
    changed = [
        Constitution("one", (KIND, replace(TRUE, weight=2.0))),
        Constitution("one", (KIND, replace(TRUE, tags=("facts",)))),
        Constitution("one", (KIND, replace(TRUE, critique="is it quite false?"))),
        Constitution("one", (KIND, TRUE), system="be brief"),
        Constitution("one", (KIND, TRUE), examples=(EXAMPLE,)),
        Constitution("one", (KIND, TRUE), answers=("first", "second")),
        Constitution("one", (KIND, TRUE), verdicts=Verdicts("yes", "no")),
    ]
    assert len({one.hash, *(other.hash for other in changed)}) == 8


def test_only_principles_with_the_part_are_drawn():
    whole = Constitution("c", (TRUE, SHORT, KIND))
    assert whole.having("revision") == (KIND, TRUE)
    assert whole.having("critique", "revision", "comparison") == (KIND,)
    assert whole.having("comparison") == (KIND, SHORT)
    with pytest.raises(InputError, match="'c' has no principle with a critique request and a revision request"):
        Constitution("c", (SHORT,)).having("critique", "revision")


def test_principles_are_drawn_as_often_as_they_weigh():
    """Of 4,000 draws with weights 1 and 3 the first has 1,000 expected, standard deviation 27."""
    counts = Counter(draw((KIND, TRUE), 0, str(i)).id for i in range(4000))
    assert abs(counts["kind"] - 1000) < 4 * 27.4


@given(seed=st.integers(), key=st.text())
def test_a_draw_depends_on_seed_key_and_principles_alone(seed, key):
    one, other = Constitution("a", (KIND, TRUE)), Constitution("b", (TRUE, KIND, SHORT))
    assert draw(one.having("revision"), seed, key) == draw(other.having("revision"), seed, key)


def test_the_draws_of_other_seeds_are_others():
    drawn = {tuple(draw((KIND, TRUE), seed, str(i)).id for i in range(40)) for seed in range(5)}
    assert len(drawn) == 5


def test_a_comparison_holds_the_texts_as_they_are():
    laid = Constitution("c", (KIND,), template="{conversation}|{first}|{second}|{question}")
    assert (
        laid.compared(KIND, "hi {second}", "{question}", "b {first}")
        == "hi {second}|{question}|b {first}|which is kinder?"
    )
    text = Constitution("c", (KIND,)).compared(KIND, "hi", "one", "two")
    assert text.index("hi") < text.index("which is kinder?") < text.index("(A) one") < text.index("(B) two")


def test_several_are_joined_into_one():
    both = joined([Constitution("a", (KIND,), "s", (EXAMPLE,)), Constitution("b", (SHORT,), "t", (EXAMPLE,))])
    assert (both.name, both.principles, both.system, both.examples) == ("a + b", (KIND, SHORT), "s", (EXAMPLE, EXAMPLE))
    with pytest.raises(InputError, match="two principles have the id 'kind'"):
        joined([both, Constitution("c", (KIND,))])


def test_an_example_without_its_critique():
    longer = turns("q", "a", *(message.content for message in EXAMPLE))
    assert without_critique(EXAMPLE) == turns("a", "b", "revise", "c")
    assert without_critique(longer) == turns("q", "a", "a", "b", "revise", "c")
