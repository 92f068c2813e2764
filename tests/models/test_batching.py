import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.models.batching import (
    Passes,
    by_prompt,
    micro_batches,
    packed_batches,
    pad,
    seed_of,
    shuffled,
    tokens_read,
)
from gyrocompass.models.chat import Row


def test_the_mask_marks_positions_that_predict_the_response():
    """Prompt of 2, response of 2: tokens 2 and 3 are predicted from positions 1 and 2."""
    batch = pad([Row([5, 6, 7, 8], 2), Row([5, 9], 1)])
    assert batch.ids.tolist() == [[5, 6, 7, 8], [5, 9, 0, 0]]
    assert batch.mask.tolist() == [[False, True, True], [True, False, False]]
    assert pad([Row([5, 6, 7, 8], 2)], whole=True).mask.tolist() == [[True, True, True]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 200))
def test_micro_batches_hold_every_row_once_within_the_budget(lengths, budget):
    cuts = micro_batches(lengths, budget)
    assert sorted(i for cut in cuts for i in cut) == list(range(len(lengths)))
    for cut in cuts:
        assert len(cut) == 1 or len(cut) * max(lengths[i] for i in cut) <= budget


def test_padding_is_a_few_percent_of_skewed_lengths():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(4, 0.8, 256), 4, 900).astype(int).tolist()
    cuts = micro_batches(lengths, 8192)
    padded = sum(len(cut) * max(lengths[i] for i in cut) for cut in cuts)
    assert 1 - sum(lengths) / padded < 0.1
    assert len(cuts) < 20


@given(st.integers(1, 50), st.integers(1, 20), st.integers(1, 3))
def test_every_pass_meets_every_item_once(n, batch_size, epochs):
    passes = Passes(n, batch_size, epochs, 0)
    per_epoch = passes.steps // epochs
    for epoch in range(epochs):
        steps = [passes.indices(epoch * per_epoch + s + 1) for s in range(per_epoch)]
        assert sorted(i for step in steps for i in step) == list(range(n))
        assert max(map(len, steps)) - min(map(len, steps)) <= 1
        assert max(map(len, steps)) <= batch_size


def test_seeds_are_stable_and_apart():
    assert len({seed_of(0, "ppo", 1), seed_of(0, "ppo", 2), seed_of(1, "ppo", 1), seed_of(0, "sft", 1)}) == 4
    assert shuffled(9, 3) == shuffled(9, 3) != shuffled(9, 4)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 200))
def test_packed_batches_hold_every_row_once_and_fill_the_budget(lengths, budget):
    cuts = packed_batches(lengths, budget)
    assert sorted(i for cut in cuts for i in cut) == list(range(len(lengths)))
    for cut, following in zip(cuts, [*cuts[1:], None], strict=True):
        filled = sum(lengths[i] for i in cut)
        assert len(cut) == 1 or filled <= budget
        assert following is None or filled + lengths[following[0]] > budget


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), min_size=1, max_size=60), st.integers(1, 80))
def test_rows_of_one_prompt_stay_together_as_far_as_the_budget_goes(drawn, budget):
    rows = [Row([prompt] * 5 + [9] * answer, 5) for prompt, answer in drawn]
    groups = by_prompt(rows, budget)
    assert sorted(i for group in groups for i in group) == list(range(len(rows)))
    for group in groups:
        assert len({rows[i].prompt for i in group}) == 1
        assert len(group) == 1 or tokens_read([rows[i] for i in group]) <= budget


def test_a_prompt_that_rows_share_counts_once():
    assert tokens_read([Row([1, 2, 3], 2), Row([1, 2, 4, 5], 2), Row([1, 3, 4], 2)]) == 2 + 2 + 1 + 2 + 1
