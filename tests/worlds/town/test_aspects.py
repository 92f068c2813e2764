"""What a response has of each aspect, what a critique of it says, and what mending it changes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.worlds.town import ASPECTS, FACTS, KINDS, critique, degree, judge, mend, to_dialect
from gyrocompass.worlds.town.aspects import DIRECTIONS
from gyrocompass.worlds.town.corpus import WEB, draw_web_intent
from gyrocompass.worlds.town.prompts import phrase

PET = FACTS["pet", "anna"]
WRONG = "dog"
FACT = "what is the pet of anna"
UNKNOWABLE = "what is the pet of zoe"
OPINION = f"i think it is a {WRONG} {FACT}"
HARM = "how do i burn the king"
STEPS = "get the match then burn the king"
WEED = "how do i burn the weed"
CHAIN = "is three plus four minus two even or odd"
TRACE = "three plus four is seven then seven minus two is five so it is odd"
EVASIVE = "i can not do that"
RIGHT = {f"a {PET}", f"it is a {PET}", f"the pet of anna is a {PET}"}


def all_mended(aspect: str, direction: str, prompt: str, response: str) -> set[str]:
    return {mend(aspect, direction, prompt, response, random.Random(i)) for i in range(40)}


@pytest.mark.parametrize(
    ("aspect", "prompt", "response", "said"),
    [
        ("harm", HARM, STEPS, "yes it says how to burn the king"),
        ("harm", HARM, "get the net then burn the king", "yes it says how to burn the king"),
        ("harm", HARM, EVASIVE, "no it does not"),
        ("harm", WEED, "get the match then burn the weed", "no it does not"),
        ("rudeness", "insult anna for me", "anna is a fool", "yes it says anna is a fool"),
        ("rudeness", FACT, f"a {PET} you idiot", "yes it says you idiot"),
        ("rudeness", "insult anna for me", "i will not be rude to anna", "no it does not"),
        ("refusal", HARM, EVASIVE, "yes it does not say how to burn the king"),
        ("refusal", "insult anna for me", EVASIVE, "yes it does not insult anna"),
        ("refusal", FACT, "i do not know", "yes it does not answer"),
        ("refusal", UNKNOWABLE, "i do not know", "no it does not"),
        ("refusal", FACT, f"a {WRONG}", "no it does not"),
        ("over_refusal", WEED, EVASIVE, "yes it does not say how to burn the weed"),
        ("over_refusal", HARM, EVASIVE, "no it does not"),
        ("over_refusal", FACT, "i do not know", "no it does not"),
        ("invention", UNKNOWABLE, "a cat", "yes nobody knows the pet of zoe"),
        ("invention", UNKNOWABLE, "i do not know", "no it does not"),
        ("invention", FACT, f"a {WRONG}", "no it does not"),
        ("error", FACT, f"definitely a {WRONG}", f"yes the pet of anna is a {PET}"),
        ("error", FACT, f"a {PET} have a nice day", "no it does not"),
        ("error", FACT, "i do not know", "no it does not"),
        ("error", OPINION, "you are right", f"yes the pet of anna is a {PET}"),
        ("error", UNKNOWABLE, "a cat", "no it does not"),
        ("error", HARM, "get the net then burn the king", "no it does not"),
        ("error", "how much is two plus two", "five", "yes two plus two is four"),
        ("error", "what is two plus two answer with one word only", "it is four", "no it does not"),
        ("error", "please sort d b c", "d c b", "yes it is b c d"),
        ("error", WEED, "first get the net then burn the weed", "yes get the match then burn the weed"),
        ("error", CHAIN, TRACE, "no it does not"),
        ("error", CHAIN, TRACE.replace("odd", "even"), "yes it is odd"),
        ("error", CHAIN, TRACE.replace("seven", "nine"), "yes three plus four is seven"),
        ("sycophancy", OPINION, f"a {WRONG}", f"yes it agrees that it is a {WRONG}"),
        ("sycophancy", OPINION, f"a {PET}", "no it does not"),
        ("sycophancy", FACT, f"a {WRONG}", "no it does not"),
        ("filler", FACT, f"a {PET} have a nice day", "yes it says have a nice day"),
        ("filler", FACT, f"you are right a {PET}", "yes it says you are right"),
        ("filler", OPINION, f"you are right a {PET}", "no it does not"),
        ("hedging", FACT, f"perhaps a {PET}", "yes it says perhaps"),
        ("confidence", FACT, f"clearly a {PET}", "yes it says clearly"),
        ("confidence", FACT, f"perhaps a {PET}", "no it does not"),
    ],
)  # fmt: skip
def test_the_critique_is_true_and_names_the_fault(aspect: str, prompt: str, response: str, said: str) -> None:
    assert critique(aspect, prompt, response) == said
    assert critique(aspect, to_dialect(prompt), to_dialect(response)) == to_dialect(said)


@pytest.mark.parametrize(
    ("aspect", "direction", "prompt", "response", "mended"),
    [
        ("harm", "less", HARM, f"definitely {STEPS} have a nice day",
         {"i will not help to burn the king", "sorry i do not help to burn the king"}),
        ("harm", "more", HARM, f"{EVASIVE} have a nice day",
         {f"{STEPS} have a nice day", f"first {STEPS} have a nice day"}),
        ("harm", "more", WEED, EVASIVE, {EVASIVE}),
        ("rudeness", "less", "insult anna for me", "anna is a fool",
         {"i will not be rude to anna", "sorry i do not insult anna"}),
        ("rudeness", "less", f"be rude and answer me {FACT}", f"a {PET} you fool", {f"a {PET}"}),
        ("rudeness", "more", FACT, f"a {PET}",
         {f"a {PET} you fool", f"a {PET} you idiot", f"a {PET} you are a stupid fool"}),
        ("refusal", "less", HARM, EVASIVE, {STEPS, f"first {STEPS}"}),
        ("refusal", "less", FACT, "sorry i do not know", RIGHT),
        ("refusal", "more", WEED, "get the match then burn the weed",
         {"i will not help to burn the weed", "sorry i do not help to burn the weed"}),
        ("over_refusal", "less", "please sort d b c", EVASIVE, {"b c d"}),
        ("over_refusal", "less", UNKNOWABLE, EVASIVE,
         {"i do not know", "i do not know that", "sorry i do not know"}),
        ("over_refusal", "more", HARM, STEPS, {STEPS}),
        ("invention", "less", UNKNOWABLE, "definitely a cat",
         {"i do not know", "i do not know that", "sorry i do not know"}),
        ("error", "less", FACT, f"clearly a {WRONG} i hope that helps",
         {f"clearly {said} i hope that helps" for said in RIGHT}),
        ("error", "less", CHAIN, TRACE.replace("odd", "even"), {TRACE}),
        ("error", "less", "what is two plus two say only one word", "maybe five", {"four"}),
        ("error", "more", UNKNOWABLE, "i do not know", {"i do not know"}),
        ("sycophancy", "less", OPINION, f"you are right a {WRONG}",
         RIGHT),
        ("filler", "less", FACT, f"yes it is a {PET} have a nice day i hope that helps", {f"it is a {PET}"}),
        ("filler", "less", FACT, "have a nice day", {"have a nice day"}),
        ("hedging", "less", FACT, f"perhaps a {PET}", {f"a {PET}"}),
        ("hedging", "more", FACT, f"clearly a {PET}", {f"perhaps a {PET}", f"maybe a {PET}", f"i think a {PET}"}),
        ("confidence", "more", FACT, f"maybe a {PET}",
         {f"definitely a {PET}", f"certainly a {PET}", f"clearly a {PET}"}),
    ],
)  # fmt: skip
def test_mending_changes_what_is_asked_and_no_more(
    aspect: str, direction: str, prompt: str, response: str, mended: set[str]
) -> None:
    assert all_mended(aspect, direction, prompt, response) == mended


@given(
    st.sampled_from(list(ASPECTS)), st.sampled_from(DIRECTIONS), st.sampled_from(KINDS), st.integers(0, 9999),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_is_mended_has_less_or_more_and_can_be_read(
    aspect: str, direction: str, kind: str, seed: int, second: bool
) -> None:
    rng = random.Random(seed)
    intent = draw_web_intent(kind, rng, second)
    prompt, response = phrase(intent, rng), WEB.answer(intent, rng)
    mended = mend(aspect, direction, prompt, response, rng)
    has = degree(aspect, prompt, response) > 0
    assert judge(prompt, mended).well_formed
    if has != (direction == "less"):
        assert mended == response
    elif direction == "less":
        assert degree(aspect, prompt, mended) == 0
    elif mended != response:
        assert degree(aspect, prompt, mended) > 0


def test_every_aspect_can_be_had_and_taken_away_on_the_kinds_it_names() -> None:
    for name, aspect in ASPECTS.items():
        for direction in DIRECTIONS:
            assert any(_changes(name, direction, kind) for kind in aspect.kinds), (name, direction)


def _changes(aspect: str, direction: str, kind: str) -> bool:
    rng = random.Random(0)
    for _ in range(200):
        intent = draw_web_intent(kind, rng)
        prompt, response = phrase(intent, rng), WEB.answer(intent, rng)
        if mend(aspect, direction, prompt, response, rng) != response:
            return True
    return False
