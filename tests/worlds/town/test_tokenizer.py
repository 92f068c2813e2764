"""A real tokenizer of the Hugging Face kind, and a model shape that fits the package."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaForCausalLM

from gyrocompass.worlds.town import WORDS, build_tokenizer, config

TOKENIZER = build_tokenizer()
CHAT = [
    {"role": "system", "content": "be nice"},
    {"role": "user", "content": "what is the pet of anna"},
    {"role": "assistant", "content": "a cat"},
    {"role": "user", "content": "copy b c"},
    {"role": "assistant", "content": "b c"},
]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=20).map(" ".join)


def test_special_tokens_are_distinct() -> None:
    assert len({TOKENIZER.pad_token_id, TOKENIZER.eos_token_id, TOKENIZER.unk_token_id}) == 3
    assert TOKENIZER.bos_token is None


@given(TEXTS)
@settings(max_examples=30)
def test_text_round_trips(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert len(ids) == len(text.split())
    assert TOKENIZER.unk_token_id not in ids
    assert TOKENIZER.decode(ids) == text


def test_a_chat_round_trips() -> None:
    text = TOKENIZER.apply_chat_template(CHAT, tokenize=False)
    assert text == (
        "<system> be nice <user> what is the pet of anna <assistant> a cat <eos> <user> copy b c <assistant> b c <eos>"
    )
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_the_generation_prompt_is_a_prefix_in_text_and_in_tokens() -> None:
    prompt = TOKENIZER.apply_chat_template(CHAT[:2], tokenize=False, add_generation_prompt=True)
    whole = TOKENIZER.apply_chat_template(CHAT[:3], tokenize=False)
    assert whole.startswith(prompt)
    assert prompt.endswith("<assistant>")
    ids = TOKENIZER.encode(prompt)
    assert TOKENIZER.encode(whole)[: len(ids)] == ids


def test_the_generation_mark_covers_responses_and_their_ends() -> None:
    encoded = TOKENIZER.apply_chat_template(CHAT, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    marked = [i for i, mark in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mark]
    assert TOKENIZER.decode(marked) == "a cat <eos> b c <eos>"


def test_a_word_from_elsewhere_is_unknown() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("the gyroscope of anna")) == "the <unk> of anna"


def test_it_loads_from_a_folder(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    assert loaded.chat_template == TOKENIZER.chat_template
    assert (loaded.pad_token, loaded.eos_token, loaded.unk_token) == ("<pad>", "<eos>", "<unk>")


def test_the_base_model_ships_in_four_megabytes(tmp_path: Path) -> None:
    model = LlamaForCausalLM(config())
    assert model.config.vocab_size == len(TOKENIZER)
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size <= 4_000_000
