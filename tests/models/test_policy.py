import numpy as np
import pytest
import torch

from gyrocompass.config import Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.models import chat
from gyrocompass.models.loading import of
from gyrocompass.models.policy import Begun, LocalPolicy
from gyrocompass.records import Example, user

from ..conftest import random_model

PROMPTS = [user(f"question {i}") for i in range(30)]


def test_whether_a_response_ended_is_told(tiny):
    """A random network of 257 tokens ends at each with a chance near 1/257: about half of 30 responses of 200 do."""
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=200))
    told = policy.sample_ended(PROMPTS, seed=2)
    assert [[text] for text, _ in told] == policy.sample(PROMPTS, seed=2)
    assert {ended for _, ended in told} == {True, False}
    short = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=1)).sample_ended(PROMPTS, seed=2)
    assert not any(text and ended for text, ended in short)


def test_what_leaves_no_room_is_an_empty_response_that_did_not_end(tiny):
    policy = LocalPolicy(tiny("llama"), Sampling(max_new_tokens=8))
    long = user("x" * 300)
    assert policy.sample_ended([PROMPTS[0], long], seed=1)[1] == ("", False)
    with pytest.raises(InputError, match="leaves no room"):
        policy.sample_ended([long])


def test_an_opening_is_as_likely_as_its_tokens_whatever_comes_then(tiny):
    """With byte tokens the chances of openings of one byte sum to less than 1, those of two bytes to less than that of
    their first; the end token is no part of them."""
    policy = LocalPolicy(tiny("llama"), Sampling())
    letters = [chr(i) for i in range(33, 127)]
    one = policy.opening_logprobs([Example(PROMPTS[0], letter) for letter in letters])
    assert np.exp(one).sum() < 1
    two = policy.opening_logprobs([Example(PROMPTS[0], f"a{letter}") for letter in letters])
    assert (two < one[letters.index("a")]).all()
    assert np.exp(two).sum() < np.exp(one[letters.index("a")])
    whole = policy.logprobs([Example(PROMPTS[0], letter) for letter in letters])
    assert (whole < one).all()
    mixed = policy.opening_logprobs([Example(PROMPTS[0], "a"), Example(PROMPTS[0], "a much longer one")])
    assert mixed[0] == pytest.approx(one[letters.index("a")], abs=1e-5)


def test_a_response_that_is_begun_is_continued(tiny):
    policy = LocalPolicy(tiny(), Sampling(max_new_tokens=12))
    begun = [Begun(Example(user("a"), "hello\nyou"), 6), Begun(Example(user("b"), ""), 0)]
    drawn = policy.continued(begun, 3, seed=1)
    assert [len(texts) for texts in drawn] == [3, 3]
    assert all(text == "hello" or text.startswith("hello\n") for text in drawn[0])
    assert drawn == policy.continued(begun, 3, seed=1)
    assert len(set(drawn[0])) > 1


def test_a_response_goes_on_without_what_its_template_puts_before_it(tiny):
    policy = LocalPolicy(tiny(), Sampling(max_new_tokens=12))
    policy.network.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}: {% else %}<think>\n\n</think>\n\n"
        "{{ m.content }}{% endif %}{% endfor %}"
    )
    (drawn,) = policy.continued([Begun(Example(user("a"), "hello\nyou"), 6)], 3, seed=1)
    assert len(drawn) == 3
    assert all(text == "hello" or text.startswith("hello\n") for text in drawn)


def test_what_is_said_takes_of_a_continuation_s_tokens_and_what_has_no_room_isn_t_continued(tiny):
    """Tokens are bytes, and a blank stands before the response: after 7 tokens 13 may come, after 32 a last one."""
    policy = LocalPolicy(tiny(), Sampling(max_new_tokens=20))
    room = [Begun(Example(user("x" * 200), "hello\nyou"), 6), Begun(Example(user("a"), "y" * 30 + "\nz"), 31)]
    drawn = policy.continued(room, 4, seed=1)
    assert [len(texts) for texts in drawn] == [4, 4]
    assert 6 < max(map(len, drawn[0])) <= 19
    assert max(map(len, drawn[1])) <= 32
    none = [Begun(Example(user("x" * 230), "hello\nyou"), 6), Begun(Example(user("x" * 300), "hello\nyou"), 6)]
    assert policy.continued(none, 4) == [[], []]


def merging_tokenizer():
    """A byte-level tokenizer with merges as real ones have: a blank with its word, a full stop with its line break."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pairs = [("Ġ", "s"), ("Ġs", "o"), (".", "Ċ"), ("Ċ", "Ċ")]
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in pairs), "<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


@pytest.mark.parametrize(
    ("text", "begun", "tokens"),
    [("5.\nand", "5.\n", ["5", ".Ċ"]), ("5\n\nand", "5\n\n", ["5", "ĊĊ"]), ("5 and", "5 ", ["5", "Ġ"]),
     ("5 so", "5 ", ["5"]), ("5\né", "5\n", ["5", "Ċ"]), ("é\nso", "é\n", ["Ã", "©", "Ċ"])],
)  # fmt: skip
def test_a_beginning_has_the_response_s_own_tokens(text, begun, tokens):
    """Alone, `5 ` would be two tokens, after the second of which no response ever goes on with `so`."""
    tokenizer = merging_tokenizer()
    ids = tokenizer(text, add_special_tokens=False).input_ids
    found = ids[: chat.tokens_within(tokenizer, ids, len(begun))]
    assert tokenizer.convert_ids_to_tokens(found) == tokens


def test_what_changes_the_step_is_no_continuation():
    """The network says ` so`, says `7` or ends, as likely: of what follows `5`, a third changes it."""
    model = random_model("llama", vocab_size=261, eos_token_id=260)
    network = of(model, merging_tokenizer(), Compute(precision="fp32"))
    so, seven, end = network.tokenizer.convert_tokens_to_ids(["Ġso", "7", "<|endoftext|>"])
    network.core.model.norm.weight.zero_()
    network.core.lm_head = torch.nn.Linear(32, 261)
    with torch.no_grad():
        network.core.lm_head.bias.fill_(-100.0)
        network.core.lm_head.bias[[so, seven, end]] = 0.0
    policy = LocalPolicy(network, Sampling(max_new_tokens=6))
    (drawn,) = policy.continued([Begun(Example(user("?"), "5 so"), 2)], 60, seed=0)
    assert 30 < len(drawn) < 50, "two thirds of 60, within 2.7 deviations"
    assert {text[:4] for text in drawn} == {"5", "5 so"}
