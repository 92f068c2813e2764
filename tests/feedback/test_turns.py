import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.feedback.turns import read_reply


@pytest.mark.parametrize(
    ("step", "text", "said", "marks"),
    [
        ("critique", " it is rude \n", "it is rude", ()),
        ("critique", "Critique: it is rude", "it is rude", ()),
        ("critique", "**Critique:** it is rude", "it is rude", ()),
        ("critique", "rude\n\nRevisionRequest: mend it\n\nRevision: ok", "rude", ("critique ran on",)),
        ("critique", "rude\n\nRevision Request: mend it", "rude", ("critique ran on",)),
        ("critique", "rude\n\n**Revised response:** ok", "rude", ("critique ran on",)),
        ("critique", "rude\n\nHuman: and now?", "rude", ("critique ran on",)),
        ("critique", "Human: and now?", "", ("empty critique", "critique ran on")),
        ("critique", "Critique:", "", ("empty critique",)),
        ("critique", " \n ", "", ("empty critique",)),
        ("critique", "the user: rude\nHuman: so", "the user: rude\nHuman: so", ()),
        ("critique", "Revision: hello", "", ("empty critique", "critique ran on")),
        ("revision", "Revision: hello", "hello", ()),
        ("revision", "**Revised answer**: hello", "hello", ()),
        ("revision", "Critique: rude", "", ("empty revision", "revision ran on")),
        ("revision", "hello\n\nCritique: fine now", "hello", ("revision ran on",)),
        ("revision", "a plan\n\nRevision: 2", "a plan\n\nRevision: 2", ()),
        ("response", "Revision: hello", "Revision: hello", ()),
        ("response", "hello\n\n\nuser: more", "hello", ("response ran on",)),
        ("response", "hello\n \n\nHUMAN: more\n\nHuman: still", "hello", ("response ran on",)),
        ("response", "hello" + "\n" * 3000 + "x", "hello" + "\n" * 3000 + "x", ()),
    ],
)
def test_a_reply_ends_where_another_turn_begins(step, text, said, marks):
    assert read_reply(step, text) == (said, marks)


def test_a_reply_at_the_token_limit_ran_on():
    assert read_reply("critique", "it is rude, becau", ended=False) == ("it is rude, becau", ("critique ran on",))


@given(text=st.text(), step=st.sampled_from(["response", "critique", "revision"]))
def test_what_is_kept_is_a_part_of_the_reply(text, step):
    said, marks = read_reply(step, text)
    assert said in text
    assert (not said) == (f"empty {step}" in marks)
    if said == text.strip():
        assert f"{step} ran on" not in marks
