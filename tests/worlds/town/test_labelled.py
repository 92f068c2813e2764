from collections import Counter

import pytest

from gyrocompass.audits.shift.columns import question_of
from gyrocompass.records import Example
from gyrocompass.worlds import town
from gyrocompass.worlds.town.labelled import ACCEPTABLE, labelled, preferred


def test_labels_are_gold_s_and_as_many_of_each_in_every_kind():
    cases = labelled(200, 0)
    assert [case.label for case in cases] == (town.gold(cases) >= ACCEPTABLE).tolist()
    assert set(Counter((case.kind, case.label) for case in cases).values()) == {10}


def test_one_of_a_pair_is_acceptable_and_either_may_come_first():
    pairs = preferred(100, 0)
    chosen, rejected = (
        [Example(p.prompt, text) for p in pairs for text in [getattr(p, which)]] for which in ("chosen", "rejected")
    )
    assert town.gold(chosen).min() >= ACCEPTABLE > town.gold(rejected).max()
    assert 30 < sum(p.p_first for p in pairs) < 70


@pytest.mark.parametrize("draw", [labelled, preferred])
def test_the_same_seed_gives_the_same_cases_and_splits_share_no_question(draw):
    assert draw(30, 1) == draw(30, 1) != draw(30, 2)
    assert not set(map(question_of, draw(150, 1))) & set(map(question_of, draw(150, 1, "heldout")))
