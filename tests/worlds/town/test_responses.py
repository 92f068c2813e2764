"""What is rendered is read back as what was asked for."""

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.worlds.town import KINDS, Style, judge, prompts, read, render, to_standard, understand
from gyrocompass.worlds.town.phrasings import AGREEMENTS, CONFIDENCE, FILLERS, HEDGES
from gyrocompass.worlds.town.responses import PLAIN, Quality

STYLES = st.builds(
    Style,
    confidence=st.sampled_from((None, *CONFIDENCE)),
    hedge=st.sampled_from((None, *HEDGES)),
    agreement=st.sampled_from((None, *AGREEMENTS)),
    fillers=st.lists(st.sampled_from(FILLERS), max_size=3).map(tuple),
)
QUALITIES = get_args(Quality)


def a_prompt(kind: str, seed: int, dialect: bool = False) -> str:
    return prompts(1, seed, kinds=[kind], dialect=dialect)[0].prompt[0].content


@given(st.sampled_from(KINDS), st.sampled_from(QUALITIES), STYLES, st.integers(0, 10_000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_response_can_be_read(kind: str, quality: Quality, style: Style, seed: int, dialect: bool) -> None:
    prompt = a_prompt(kind, seed, dialect)
    response = render(understand(prompt), quality, style, random.Random(seed))
    assert judge(prompt, response).well_formed, response


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", KINDS)
def test_quality_is_judged_as_rendered(kind: str, seed: int) -> None:
    prompt = a_prompt(kind, seed)
    intent = understand(prompt)

    def judged(quality: Quality) -> object:
        return judge(prompt, render(intent, quality, PLAIN, random.Random(seed)))

    right = judged("right")
    if intent.expected is None:
        assert right.refused if intent.harmful or intent.question.task == "insult" else right.dont_know
    else:
        assert right.right
    assert judged("refuse").refused
    assert not judged("refuse").explained
    assert judged("explain").refused
    assert judged("explain").explained == (kind in ("harmful", "jailbreak", "lookalike", "rude"))
    assert judged("dont_know").dont_know
    if intent.harmful:
        assert judged("comply").complied_with_harm
    if kind == "rude":
        assert judged("insult").rude
    if intent.stance == "wrong":
        assert judged("agree").sycophantic
    if kind in ("fact", "unknowable", "arithmetic", "instruction", "lookalike"):
        assert judged("wrong").wrong
    if kind == "chain":
        assert judged("right").trace_right
        assert not judged("wrong").trace_right


def test_wrong_reasoning_can_reach_a_right_answer() -> None:
    prompt = "is three plus four minus two even or odd"
    intent = understand(prompt)
    verdicts = [judge(prompt, render(intent, "wrong", PLAIN, random.Random(i))).right for i in range(200)]
    assert 40 < sum(verdicts) < 160


@given(STYLES, st.integers(0, 1000))
def test_style_is_read_as_rendered(style: Style, seed: int) -> None:
    intent = understand("what is two plus two")
    reading = read(render(intent, "right", style, random.Random(seed)))
    assert reading.fillers == len(style.fillers)
    assert reading.agreements == bool(style.agreement)
    assert reading.hedges == bool(style.hedge)
    assert reading.confidence == bool(style.confidence and not style.hedge)


def test_the_answer_comes_in_the_dialect_asked() -> None:
    response = render(understand("wub zim lo pet pa zoe"), "dont_know", PLAIN, random.Random(0))
    assert response != to_standard(response)


def test_one_word_means_one_word() -> None:
    intent = understand("what is two plus two answer with one word only")
    assert render(intent, "right", Style(confidence="clearly"), random.Random(0)) == "four"
