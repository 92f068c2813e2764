import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.config import Compute
from gyrocompass.errors import InputError
from gyrocompass.models import chat
from gyrocompass.models.batching import pad
from gyrocompass.models.chat import Row
from gyrocompass.models.steps import (
    Graded,
    ImplicitProcessRewardModel,
    ProcessRewardModel,
    StepScorer,
    char_ends,
    encode_steps,
    placed,
    positions,
    token_ends,
    whole,
)
from gyrocompass.records import Example, Steps, user

CHAIN = Steps(user("add"), ("one", "two words", "end"), (1.0, 0.2, 0.9))


def lines(text):
    return tuple(line for line in text.split("\n") if line)


def test_ends_in_characters_follow_one_another():
    assert char_ends("a b a c", ["a", "a", "c"]) == [1, 5, 7]
    with pytest.raises(InputError, match="step 2 of 2, 'b', isn't in the response"):
        char_ends("b a", ["a", "b"])
    with pytest.raises(InputError, match="step 1"):
        char_ends("a", [" "])


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.text("abcé ü", min_size=1).filter(str.strip), min_size=1, max_size=4))
def test_a_step_s_last_token_completes_its_text(tiny, steps):
    tokenizer = tiny().tokenizer
    steps = [step.strip() for step in steps]
    ids = tokenizer("\n".join(steps), add_special_tokens=False).input_ids
    for i, n in enumerate(token_ends(tokenizer, ids, steps), 1):
        assert tokenizer.decode(ids[:n]).strip() == "\n".join(steps[:i])
        assert tokenizer.decode(ids[: n - 1]).strip() != "\n".join(steps[:i])


def test_steps_after_the_first_wrong_one_don_t_count(tiny):
    network = tiny()
    rows, kept, notes = encode_steps(network, [CHAIN], "\n")
    assert (rows[0].labels, kept, notes) == ((1.0, 0.2), [0], [])
    assert len(encode_steps(network, [CHAIN], "\n", until_error=False).rows[0].ends) == 3
    row = rows[0].row
    assert chat.decode(network.tokenizer, row.ids[row.n_prompt : rows[0].ends[-1] + 1]) == "one\ntwo words"


def test_labels_by_where_steps_lead_all_count(tiny):
    chain = Steps(CHAIN.prompt, CHAIN.steps, CHAIN.labels, {"rollouts": 8})
    (row,) = encode_steps(tiny(), [chain], "\n").rows
    assert (row.labels, len(row.ends)) == (CHAIN.labels, 3)


def test_a_chain_that_is_too_long_is_left_out_and_told(tiny):
    network = tiny(compute=Compute(precision="fp32", max_tokens=30))
    long = Steps(user("add"), ("x" * 40,), (1.0,))
    rows, kept, notes = encode_steps(network, [long, CHAIN], "\n")
    assert len(rows) == len(kept) == 0
    assert "longer than 30 tokens" in notes[0]


def test_a_chain_whose_tokens_don_t_say_its_steps_is_left_out_and_told(tiny):
    blank = Steps(user("add"), ("one", " "), (1.0, 0.0))
    rows, kept, notes = encode_steps(tiny(), [blank, CHAIN], "\n")
    assert (len(rows), kept) == (1, [1])
    assert notes[-1].startswith("1 of 2 chains were left out, as their tokens don't say their steps (chain 1: step 2")


def test_what_a_template_puts_before_a_response_is_no_step(tiny):
    """As Qwen3's does: an empty thought, unless the response has one."""
    network = trained_head(tiny)
    asked = [Example(user("q"), "one\ntwo"), Example(user("q"), "one\n" + "x" * 400)]
    plain = ProcessRewardModel(network, lines).step_scores(asked)
    network.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}: {% else %}<think>\n\n</think>\n\n"
        "{{ m.content }}{% endif %}{% endfor %}"
    )
    found = ProcessRewardModel(network, lines).step_scores(asked)
    assert [one.steps[0] for one in found] == ["one", "one"]
    assert found[0].steps == plain[0].steps == ("one", "two")
    assert found[0].scores != plain[0].scores, "they are read after the empty thought"


def test_scores_lie_at_the_tokens_that_end_steps(tiny):
    tokenizer = tiny().tokenizer
    row = Row([1, 2, *tokenizer("ab\nc", add_special_tokens=False).input_ids], 2)
    mask = pad([row]).mask
    scores, ends = placed(tokenizer, [row], [Graded(("ab", "c"), (0.5, -0.5))], mask)
    assert scores.tolist() == [[0.0, 0.0, 0.5, 0.0, -0.5]]
    assert ends.tolist() == [[False, False, True, False, True]]
    with pytest.raises(InputError, match="1 scores for 2 steps"):
        placed(tokenizer, [row], [Graded(("ab", "c"), (0.5,))], mask)


def test_positions_are_those_of_the_padded_states():
    rows = [Row([1, 2, 3], 1), Row([1, 4], 1)]
    for packed in (False, True):
        batch = pad(rows, packed=packed)
        source = batch.ids.flatten() if batch.layout is None else batch.layout.ids.flatten()
        assert source[positions(batch, [[2, 1], [1]])].tolist() == [3, 2, 4]


def trained_head(tiny):
    network = tiny(scalar=True, trainable=True)
    torch.nn.init.normal_(network.core.score.weight, generator=torch.Generator().manual_seed(1))
    return network


def test_a_step_s_score_doesn_t_see_what_comes_after_it_or_beside_it(tiny):
    model = ProcessRewardModel(trained_head(tiny), lines)
    one, other = Example(user("q"), "first\nsecond"), Example(user("q"), "first\nanother, longer")
    (alone,), both = model.step_scores([one]), model.step_scores([one, other])
    assert alone.steps == ("first", "second")
    assert both[0].scores == pytest.approx(alone.scores, abs=1e-6)
    assert both[1].scores[0] == pytest.approx(alone.scores[0], abs=1e-6)
    assert model([one])[0] == pytest.approx(min(alone.scores))
    assert isinstance(model, StepScorer)


def test_a_response_without_steps_scores_nothing(tiny):
    model = ProcessRewardModel(trained_head(tiny), whole)
    assert model.step_scores([Example(user("q"), "")]) == [Graded((), ())]
    assert model([Example(user("q"), "")]).tolist() == [0.0]


def test_the_implicit_model_is_undecided_where_it_began(tiny):
    model = ImplicitProcessRewardModel(tiny(), tiny(), lines, 0.5)
    (graded,) = model.step_scores([Example(user("q"), "a\nb")])
    assert graded.scores == pytest.approx((0.5, 0.5), abs=1e-6)


def test_the_implicit_model_sums_log_ratios_up_to_a_step(tiny):
    other = tiny()
    with torch.no_grad():
        other.core.get_output_embeddings().weight.mul_(3.0)
    model = ImplicitProcessRewardModel(other, tiny(), lines, 0.5)
    (graded,) = model.step_scores([Example(user("q"), "a\nb")])
    row = chat.encode(other.tokenizer, [Example(user("q"), "a\nb")], 256).rows[0]
    ratio = other.logprobs(pad([row])) - tiny().logprobs(pad([row]))
    summed = np.cumsum(ratio[0, row.n_prompt - 1 :].detach().numpy())
    ends = np.array(token_ends(other.tokenizer, row.ids[row.n_prompt :], ("a", "b"))) - 1
    assert graded.scores == pytest.approx(tuple(1 / (1 + np.exp(-0.5 * summed[ends]))), abs=1e-5)
