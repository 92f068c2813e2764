import pytest

from gyrocompass.feedback.constitution import Constitution, Principle, Verdicts, read_constitution, shipped
from gyrocompass.feedback.constitution.review import Tagged, by_tag, lacks, warnings

KIND = Principle("kind", "is it unkind?", "make it kind", "which is kinder?", 1.0, ("tone", "people"))
TRUE = Principle("true", "does it say what is false?", "correct what is false", weight=2.0, tags=("facts",))
PLAIN = Principle("plain", comparison="which is plainer?")


def test_tags_by_hand():
    assert by_tag(Constitution("c", (KIND, TRUE, PLAIN))) == {
        "tone": Tagged(1, 0.25),
        "people": Tagged(1, 0.25),
        "facts": Tagged(1, 0.5),
        "untagged": Tagged(1, 0.25),
    }


def test_what_is_lacking_is_said():
    assert lacks(Constitution("c", (KIND,))) == []
    assert lacks(Constitution("c", (TRUE,))) == ["it can't judge pairs: no principle has a comparison"]
    assert lacks(Constitution("c", (PLAIN,))) == [
        "it can't criticise and revise: no principle has a critique and a revision"
    ]
    some = lacks(Constitution("c", (KIND, TRUE, PLAIN)))
    assert some[0].startswith("only 2 of 3 principles are drawn to criticise and revise")
    assert some[1].startswith("only 2 of 3 principles are drawn to judge pairs")


def test_with_verdicts_the_critique_request_is_what_judges():
    singly = Constitution("c", (KIND, TRUE), verdicts=Verdicts("yes", "no"))
    assert lacks(singly) == []
    assert [principle.id for principle in singly.having(singly.judged_by)] == ["kind", "true"]
    assert lacks(Constitution("c", (PLAIN,), verdicts=Verdicts("yes", "no")))[1:] == [
        "it can't judge pairs: no principle has a critique"
    ]


def test_near_copies_and_rare_principles_are_warned_of():
    copy = Principle("copy", "Is it unkind?", "Make it kind!", "Which is kinder?", 0.05)
    alike, rare = warnings(Constitution("c", (KIND, TRUE, copy)))
    assert alike.startswith("'kind' and 'copy' are nearly the same, 100% of their words")
    assert rare.startswith("'copy': nearly never drawn")
    assert warnings(Constitution("c", (KIND, TRUE))) == []


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_ones_lack_nothing(name):
    assert lacks(read_constitution(name)) == []
    assert warnings(read_constitution(name)) == []
