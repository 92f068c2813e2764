import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.data import duplicates
from gyrocompass.maths.stats import proportion
from gyrocompass.records import Preference, user

SKY = Preference(user("The sky?"), "Blue.", "Green.")
SEA = Preference(user("The sea?"), "Blue.", "Green.")
TIE = Preference(user("The sky?"), "Blue.", "Green.", p_first=0.5)
AGAINST = Preference(user("The sky?"), "Green.", "Blue.", p_first=0.9)


def test_no_pair_comes_twice():
    found = duplicates([SKY, SEA])
    assert (found.pairs, found.repeated, found.contradictory, found.disagreement) == (2, 0, 0, None)
    assert str(found) == "0 of 2 pairs are labelled more than once, 0 of them in opposite directions"


@pytest.mark.parametrize(("again", "contradictory"), [(SKY, 0), (SKY.swap(), 0), (TIE, 0), (AGAINST, 1)])
def test_the_order_of_the_responses_doesn_t_matter_and_a_tie_opposes_nothing(again, contradictory):
    found = duplicates([SKY, SEA, again])
    assert (found.pairs, found.repeated, found.contradictory) == (2, 1, contradictory)
    assert found.disagreement == proportion(contradictory, 1)


def test_the_rate_is_that_of_two_labels_drawn_from_a_pair():
    """Of four labels 3 : 1, three of the six couples oppose each other; of the other pair's one couple, none."""
    found = duplicates([SKY, SKY, AGAINST, SKY, SEA, SEA])
    assert found.disagreement.value == 0.25
    assert found.disagreement.n == 2
    assert str(found) == (
        "2 of 2 pairs are labelled more than once, 1 of them in opposite directions; "
        f"two labels of one pair disagree at a rate of {found.disagreement}"
    )


labels = st.lists(st.sampled_from([SKY, SEA, TIE, AGAINST, SEA.swap()]), max_size=12)


@given(labels, st.data())
def test_neither_the_order_of_rows_nor_that_of_responses_changes_anything(rows, data):
    mixed = [row.swap() if data.draw(st.booleans()) else row for row in data.draw(st.permutations(rows))]
    assert duplicates(mixed) == duplicates(rows)
