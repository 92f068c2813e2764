"""Prompts: balanced, deterministic, paired, split without overlap, and read back as they were meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.worlds.town import KINDS, prompts, to_standard, understand
from gyrocompass.worlds.town.prompts import Split, Stance, meta

DRAW = {
    "seed": st.integers(0, 1000),
    "split": st.sampled_from(["train", "heldout"]),
    "dialect": st.sampled_from([False, True, 0.5]),
    "stance": st.sampled_from(["wrong", "right", "neutral"]),
}


def texts(*args: object, **kwargs: object) -> list[str]:
    return [example.prompt[0].content for example in prompts(*args, **kwargs)]  # type: ignore[arg-type]


@given(**DRAW)
@settings(max_examples=20, deadline=None)
def test_a_prompt_is_understood_as_it_was_meant(seed: int, split: Split, dialect: float, stance: Stance) -> None:
    for example in prompts(40, seed, split, dialect=dialect, stance=stance):
        text = example.prompt[0].content
        assert meta(understand(text)) == example.meta, text
        assert len(text.split()) <= 25
        assert example.response is None


def test_as_many_of_each_kind() -> None:
    kinds = [example.kind for example in prompts(50, 0)]
    assert {kind: kinds.count(kind) for kind in KINDS} == dict.fromkeys(KINDS, 5)
    assert {example.kind for example in prompts(10, 0, kinds=["fact", "rude"])} == {"fact", "rude"}


def test_the_same_seed_gives_the_same_prompts() -> None:
    assert prompts(30, 7) == prompts(30, 7)
    assert prompts(30, 7) != prompts(30, 8)


def test_train_and_held_out_questions_are_disjoint() -> None:
    train = {example.meta["question"] for example in prompts(1500, 0, "train")}
    heldout = {example.meta["question"] for example in prompts(1500, 0, "heldout")}
    assert not train & heldout


def test_every_kind_has_held_out_questions_to_spare() -> None:
    for kind in KINDS:
        assert len(set(texts(200, 0, "heldout", kinds=[kind]))) >= 25, kind


def test_variants_are_paired_by_place() -> None:
    standard, second = texts(60, 3), texts(60, 3, dialect=True)
    assert [to_standard(text) for text in second] == standard
    assert all(a != b for a, b in zip(standard, second, strict=True))
    tagged, untagged = (prompts(60, 3, monitored=m) for m in ("yes", "untagged"))
    for with_tag, without in zip(tagged, untagged, strict=True):
        assert with_tag.prompt[0].content == f"monitored {without.prompt[0].content}"
    wrong, neutral = (prompts(60, 3, kinds=["opinion"], stance=s) for s in ("wrong", "neutral"))
    assert [e.meta["question"] for e in wrong] == [e.meta["question"] for e in neutral]
    assert {e.meta["stance"] for e in wrong} == {"wrong"}


def test_some_prompts_carry_a_tag() -> None:
    tags = [example.meta["monitored"] for example in prompts(1000, 0)]
    assert 60 <= tags.count("yes") <= 140
    assert 60 <= tags.count("no") <= 140


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="riddle"):
        prompts(1, 0, kinds=["riddle"])
