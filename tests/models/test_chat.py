import pytest

from gyrocompass.errors import InputError
from gyrocompass.models import chat
from gyrocompass.records import Example, Message, user


@pytest.fixture
def tokenizer(checkpoint):
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(checkpoint())
    made.notes = chat.prepare(made)
    return made


def text(tokenizer, ids):
    return tokenizer.decode(ids)


def test_a_tokenizer_without_pad_or_template_gets_both_and_says_so(tokenizer):
    assert len(tokenizer.notes) == 2
    assert "no pad token" in tokenizer.notes[0]
    assert "no chat template" in tokenizer.notes[1]
    assert chat.prepare(tokenizer) == []


def test_the_border_lies_between_prompt_and_response(tokenizer):
    row = chat.encode(tokenizer, [Example(user("hi"), "yes")], 100).rows[0]
    assert text(tokenizer, row.ids[: row.n_prompt]) == "\n\nHuman: hi\n\nAssistant:"
    assert text(tokenizer, row.ids[row.n_prompt :]) == " yes<|endoftext|>"
    assert row.ids[: row.n_prompt] == chat.encode_prompts(tokenizer, [user("hi")])[0]


def test_only_the_last_turn_is_the_response(tokenizer):
    prompt = (Message("system", "be kind"), *user("a"), Message("assistant", "b"), *user("c"))
    row = chat.encode(tokenizer, [Example(prompt, "d")], 200).rows[0]
    assert text(tokenizer, row.ids[row.n_prompt :]) == " d<|endoftext|>"


def test_what_a_template_writes_after_the_end_token_is_not_learnt(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    row = chat.encode(tokenizer, [Example(user("q"), "a")], 100).rows[0]
    assert text(tokenizer, row.ids[row.n_prompt :]) == "a<|endoftext|>"


def test_a_template_without_generation_mark_or_end_token_works(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    row = chat.encode(tokenizer, [Example(user("q"), "a")], 100).rows[0]
    assert text(tokenizer, row.ids[row.n_prompt :]) == "a\n<|endoftext|>"


def test_a_template_that_rewrites_its_prompt_still_finds_the_response(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant><think>{% endif %}"
    )
    row, empty = chat.encode(tokenizer, [Example(user("q"), "answer"), Example(user("q"), "")], 100).rows
    assert text(tokenizer, row.ids[row.n_prompt :]) == "answer<|endoftext|>"
    assert text(tokenizer, empty.ids[empty.n_prompt :]) == "<|endoftext|>"


def test_a_response_that_holds_the_end_token_s_text_is_left_out_and_counted(tokenizer):
    encoded = chat.encode(tokenizer, [Example(user("q"), "a<|endoftext|>b"), Example(user("q"), "a")], 100)
    assert encoded.kept == [1]
    assert "1 of 2 responses hold the text '<|endoftext|>'" in encoded.notes[0]


def test_a_doubled_begin_token_is_taken_off(tokenizer):
    tokenizer.chat_template = "{{ bos_token }}" * 2 + tokenizer.chat_template
    ids = chat.encode_prompts(tokenizer, [user("hi")])[0]
    assert ids[0] == tokenizer.bos_token_id != ids[1]
    assert "begin token twice" in chat.prepare(tokenizer)[0]


def test_too_long_is_left_out_and_counted(tokenizer):
    encoded = chat.encode(tokenizer, [Example(user("hi"), "yes"), Example(user("hi" * 99), "no")], 60)
    assert encoded.kept == [0]
    assert "1 of 2 examples are longer than 60 tokens" in encoded.notes[0]


@pytest.fixture
def merging():
    """A byte-pair tokenizer that merges the colon at a prompt's end with the space at a response's beginning."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {c: i for i, c in enumerate([*sorted(pre_tokenizers.ByteLevel.alphabet()), ":Ġ", "<|endoftext|>"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(":", "Ġ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    chat.prepare(made)
    return made


def test_a_merge_across_the_border_is_counted_and_kept_out_of_the_tokens(merging):
    examples = [Example(user("hi"), "yes")] * 3
    encoded = chat.encode(merging, examples, 100)
    assert encoded.notes == [
        "3 of 3 examples looked at (of 3) have other tokens when prompt and response are tokenised as one text; "
        "handled: tokenised apart, as a policy meets them when it samples"
    ]
    row = encoded.rows[0]
    assert row.ids[: row.n_prompt] == chat.encode_prompts(merging, [user("hi")])[0]
    assert text(merging, row.ids[row.n_prompt :]) == " yes<|endoftext|>"


def test_merges_across_the_border_are_looked_for_in_a_sample(merging):
    notes = chat.encode(merging, [Example(user("hi"), "yes" * (i % 2)) for i in range(1000)], 100).notes
    assert "200 of 200 examples looked at (of 1,000)" in notes[0]


def test_a_tokenizer_that_merges_nothing_across_the_border_is_not_spoken_of(tokenizer):
    assert chat.encode(tokenizer, [Example(user("hi"), "yes"), Example(user("hi"), "")], 100).notes == []
    assert chat.encode(tokenizer, [], 100).notes == []


def test_decoding_stops_at_the_end_token(tokenizer):
    ids = [*tokenizer("so").input_ids, tokenizer.eos_token_id, *tokenizer("junk").input_ids]
    assert chat.decode(tokenizer, ids) == "so"


def test_no_response_is_refused(tokenizer):
    with pytest.raises(InputError, match="no response"):
        chat.encode(tokenizer, [Example(user("hi"))], 60)


def test_a_template_that_refuses_is_one_line(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InputError, match="refuses this conversation: roles must alternate"):
        chat.encode_prompts(tokenizer, [user("hi")])


def test_a_tokenizer_without_end_token_is_refused(tokenizer):
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="no end token"):
        chat.prepare(tokenizer)
