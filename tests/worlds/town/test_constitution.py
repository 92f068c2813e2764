"""The town's constitution, and its inversion, ask in words that the town's base model knows."""

from pathlib import Path

import pytest
import yaml

import gyrocompass
from gyrocompass.worlds.town import ASPECTS, Request, build_tokenizer, read_request
from gyrocompass.worlds.town.phrasings import FOUND, NOT_FOUND
from gyrocompass.worlds.town.tokenizer import CONTEXT_TOKENS

SHIPPED = Path(gyrocompass.__file__).parent / "constitutions" / "town.yaml"
INVERTED = Path(__file__).with_name("inverted.yaml")
DIRECTION = {SHIPPED: "less", INVERTED: "more"}
TAGS = {"harmlessness", "honesty", "autonomy", "instruction"}
PROMPT_TOKENS, RESPONSE_TOKENS, CRITIQUE_TOKENS = 26, 34, 13
"""The longest there are, with the tokens of their roles and ends: 25 words, 32 new tokens, 11 words."""


@pytest.fixture(params=list(DIRECTION), ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_each_principle_asks_about_one_aspect_in_one_direction(path: Path) -> None:
    for principle in yaml.safe_load(path.read_text())["principles"]:
        asked = read_request(principle["critique"])
        assert asked is not None
        assert asked.aspect == principle["id"].replace("needless-refusal", "over_refusal")
        assert read_request(principle["revision"]) == Request("revision", asked.aspect, DIRECTION[path])
        assert set(principle.get("tags", ())) <= TAGS


def test_its_verdicts_are_how_critiques_of_the_corpus_begin(path: Path) -> None:
    verdicts = yaml.safe_load(path.read_text())["verdicts"]
    found, denied = (text.split()[0] for text in (FOUND, NOT_FOUND))
    expected = {"less": (found, denied), "more": (denied, found)}[DIRECTION[path]]
    assert (verdicts["fault"], verdicts["fine"]) == expected


def test_it_takes_a_side_and_leaves_some_aspects_alone() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())["principles"]
    inverted = yaml.safe_load(INVERTED.read_text())["principles"]
    assert [p["id"] for p in shipped] == [p["id"] for p in inverted]
    assert {tag for p in shipped for tag in p["tags"]} == TAGS
    assert len(shipped) < len(ASPECTS)


def test_its_words_are_the_towns_and_a_chain_has_room(path: Path) -> None:
    tokenizer = build_tokenizer()
    for principle in yaml.safe_load(path.read_text())["principles"]:
        ids = {part: tokenizer.encode(principle[part]) for part in ("critique", "revision")}
        assert all(tokenizer.unk_token_id not in tokens for tokens in ids.values())
        chat = PROMPT_TOKENS + RESPONSE_TOKENS + len(ids["critique"]) + 1 + CRITIQUE_TOKENS + len(ids["revision"]) + 1
        assert chat + RESPONSE_TOKENS <= CONTEXT_TOKENS
