"""People who take part by file and page: what the page holds, and in a browser what it does."""

import json

import pytest

from gyrocompass.errors import InputError, Waiting
from gyrocompass.feedback.amplify import Answer, Ask, Direct, People, State
from gyrocompass.feedback.debate import PROTOCOLS, Question, View, Wording
from gyrocompass.feedback.debate.people import PeopleJudge, PeopleSpeaker
from gyrocompass.feedback.debate.records import Belief, Transcript
from gyrocompass.feedback.debate.turns import taken
from gyrocompass.feedback.people import Form, replies
from gyrocompass.feedback.steps import LINES, read_sheet, write_sheet
from gyrocompass.files import read_jsonl, write_jsonl
from gyrocompass.records import Example, user

EVIL = 'He said "so" </script><!--<script>alert(1)</script> SHEET <!-- PART --> \u2028 שלום \U0001f9ed'
FOX = Question("fox", "Who did it?", ("the fox", "the hen"), f"The fox ran.  The hen\nran far. {EVIL} Naïve élan.", 0)
DEBATE, WORDING = PROTOCOLS["debate"], Wording()
FORM = Form(("id", "asked", "reply"), "reply", "gyrocompass.feedback.debate:page.html")


def waits(ask, *args):
    with pytest.raises(Waiting) as told:
        ask(*args)
    return str(told.value)


def embedded(page):
    """The rows that a page holds."""
    inside = page.read_text().split('id="sheet">')[1].split("</script>")[0]
    return json.loads(inside)["rows"]


def heard(game, *said):
    """A game in which A and B have said this."""
    views = [View(game, DEBATE, speaker) for speaker in "AB"]
    return game.said(*(taken(view, text, WORDING) for view, text in zip(views, said, strict=True)))


def test_rows_that_are_wanted_are_asked_for_once_and_told_of_with_their_page(tmp_path):
    file = tmp_path / "people" / "turns.jsonl"
    wanted = {name: {"id": name, "asked": "?", "reply": None} for name in "ab"}
    told = waits(replies, file, wanted, FORM, lambda row: row["id"])
    assert "turns.jsonl: 2 of 2 replies are waited for" in told
    assert "turns.html beside it" in told
    write_jsonl(file, [{**wanted["a"], "reply": "yes"}, {**wanted["b"], "reply": " "}])
    assert "1 of 2" in waits(replies, file, wanted, FORM, lambda row: row["id"])
    assert replies(file, {"a": wanted["a"]}, FORM, lambda row: row["id"]) == {"a": "yes"}
    # Put together of two files, by an editor that marks its encoding: no reply is lost.
    said = [{**wanted["b"], "reply": "no"}, *wanted.values()]
    file.write_text("\ufeff" + file.read_text() + "".join(json.dumps(row) + "\n" for row in said))
    assert replies(file, wanted, FORM, lambda row: row["id"]) == {"a": "yes", "b": "no"}


@pytest.mark.parametrize(
    ("line", "told"),
    [('{"asked": 1, "reply": 2}', "no such row; a row has id, asked and reply: restore it, and fill in reply alone"),
     ("[1]", "no such row"), ("{", "not valid JSON")],
)  # fmt: skip
def test_a_line_that_is_no_row_is_named(tmp_path, line, told):
    file = tmp_path / "turns.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(InputError, match=rf"turns\.jsonl:2: {told}"):
        replies(file, {}, FORM, lambda row: row["id"])


def test_nothing_that_is_asked_breaks_out_of_its_page(tmp_path):
    waits(PeopleSpeaker(tmp_path / "turns.jsonl"), [View(heard(Transcript(FOX, "debate", 0), EVIL, "-"), DEBATE, "A")])
    waits(People(tmp_path / "moves.jsonl"), [State(EVIL, ((EVIL, EVIL),))])
    write_sheet([Example(user(EVIL), f"{EVIL}\n{EVIL}")], LINES, tmp_path / "sheet.jsonl")
    for name in ("turns", "moves", "sheet"):
        page = tmp_path / f"{name}.html"
        assert embedded(page) == read_jsonl(tmp_path / f"{name}.jsonl")
        assert page.read_text().count("</script>") == 3
        assert "//" not in page.read_text().replace("// ", "").split('id="sheet">')[0]


def test_a_page_is_told_what_each_who_takes_part_may_know(tmp_path):
    game = heard(Transcript(FOX, "debate", 1), "<quote>The hen ran</quote> so", "<quote>invented</quote>")
    waits(PeopleSpeaker(tmp_path / "turns.jsonl"), [View(game, DEBATE, "A"), View(game, DEBATE, "judge")])
    waits(PeopleJudge(tmp_path / "verdicts.jsonl"), [View(game, DEBATE)])
    debater, examiner, judge = (
        row["shown"] for name in ("turns", "verdicts") for row in embedded(tmp_path / f"{name}.html")
    )
    assert (debater["side"], debater["words"], debater["passage"]) == (1, 150, FOX.passage)
    assert examiner["passage"] == judge["passage"] == ""
    assert judge["turns"] == [
        {"name": "Speaker 1, for the fox", "side": 0, "said": [["invented", False]]},
        {"name": "Speaker 2, for the hen", "side": 1, "said": [["The hen ran", True], [" so", None]]},
    ]


SAYINGS = [
    "so <quote>The fox ran. The hen ran</quote> and <quote>fox r</quote>",
    "<quote>Naïve élan.</quote> <quote>aïve élan</quote> <quote> </quote> <quote>$& (.*)</quote>",
    "<thinking>a b c</thinking> x <quote>The fox\nran.</quote> <quote>open",
]


def test_the_page_counts_cuts_and_checks_as_the_game_does(tmp_path, browser):
    private = DEBATE.model_copy(update={"private": True, "words": 7})
    view = View(Transcript(FOX, "debate", 0), private, "A")
    waits(PeopleSpeaker(tmp_path / "turns.jsonl"), [view])
    browser.open(tmp_path / "turns.html")
    for said in SAYINGS:
        browser.js("byId('text').value = arguments[0]; byId('text').oninput()", said)
        turn = taken(view, said, WORDING)
        marks = browser.js("return [...document.querySelectorAll('#quotes q')].map(q => [q.textContent, q.className])")
        assert marks == [[quote.text, "stands" if quote.verified else "invented"] for quote in turn.quotes]
        assert browser.text("#words") == f"{turn.words} of at most 7 words"
        assert bool(browser.text("#over")) == ("cut" in turn.marks)


def test_a_turn_is_written_with_a_quote_from_the_passage_and_saved(tmp_path, browser):
    file = tmp_path / "turns.jsonl"
    game = Transcript(FOX, "debate", 0)
    speaker = PeopleSpeaker(file)
    waits(speaker, [View(game, DEBATE, one) for one in "AB"])
    browser.open(tmp_path / "turns.html")
    browser.type("#text", "I say")
    # From within "fox" to within "hen", over a line's end: the ends of words are taken along.
    browser.drag(
        *browser.js("""
        const text = byId("passage").firstChild, range = document.createRange()
        return [5, 19].map(at => {
          range.setStart(text, at)
          const { x, y, height } = range.getBoundingClientRect()
          return [Math.round(x), Math.round(y + height / 2)]
        })""")
    )
    browser.click("#quote")
    assert browser.js("return byId('text').value") == "I say <quote>fox ran. The hen</quote>"
    assert browser.text("#count") == "1 of 2; 1 done, not saved"
    leaves = "return dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert not browser.js(leaves)
    browser.open(tmp_path / "turns.html")  # left and come back: nothing is lost
    assert "kept in this browser" in browser.text(".restored")
    assert browser.text("#count") == "2 of 2; 1 done, not saved"
    browser.type("#text", "No.")
    browser.click(".save")
    write_jsonl(file, browser.saved("turns.jsonl"))
    assert browser.text("#count") == "2 of 2; 2 done"
    assert browser.js(leaves)
    said = speaker([View(game, DEBATE, one) for one in "AB"])
    assert said == [["I say <quote>fox ran. The hen</quote>"], ["No."]]


def test_verdicts_are_given_by_slider_by_number_or_not_at_all(tmp_path, browser):
    file = tmp_path / "verdicts.jsonl"
    games = [heard(Transcript(FOX, "debate", i), "<quote>The fox ran.</quote>", EVIL) for i in (0, 1)]
    views = [*(View(game, DEBATE) for game in games), View(Transcript(FOX, "blind", 0), PROTOCOLS["blind"])]
    judge = PeopleJudge(file)
    waits(judge, views)
    browser.open(tmp_path / "verdicts.html")
    assert browser.text("#said q") == "The fox ran."
    assert browser.text("#said li") == "Speaker 1, for the fox\n\nThe fox ran. ✓ in the passage"
    assert EVIL.split("\u2028")[0].strip() in browser.text("#said")
    browser.type("#slide", "\ue014")  # one step to the right of the middle
    browser.click('[data-go="1"]')
    browser.type("#percent", "7.5")
    browser.js("dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true }))")
    browser.type("#percent", "120")
    assert browser.text("#count") == "3 of 3; 2 done, not saved"
    browser.click("#none")
    browser.click(".save")
    write_jsonl(file, browser.saved("verdicts.jsonl"))
    assert judge(views) == [Belief(0.51, 0.51), Belief(0.075, 0.075), Belief(None, None)]


def test_moves_are_made_on_their_page(tmp_path, browser):
    file = tmp_path / "moves.jsonl"
    states = [State("how old?", ((EVIL, "1931"),)), State("why?"), State("when?")]
    waits(People(file), states)
    browser.open(tmp_path / "moves.html")
    assert "1931" in browser.text("#asked")
    browser.click("[value=ask]")
    browser.type("#text", "what year\nis it?")
    browser.click('[data-go="1"]')
    browser.click("[value=answer]")
    browser.type("#text", "I don't know")
    browser.click('[data-go="1"]')
    browser.click("[value=direct]")
    browser.click(".save")
    write_jsonl(file, browser.saved("moves.jsonl"))
    assert People(file)(states) == [Ask("what year is it?"), Answer(None), Direct()]


def test_steps_are_labelled_on_their_page(tmp_path, browser):
    file = tmp_path / "sheet.jsonl"
    write_sheet([Example(user("2+1+4?"), f"3\n{EVIL}\nso"), Example(user("1?"), "1")], LINES, file)
    browser.open(tmp_path / "sheet.html")
    browser.click("#steps li:nth-child(1) button:nth-of-type(1)")
    browser.click("#steps li:nth-child(2) button:nth-of-type(3)")
    assert browser.text("#count") == "1 of 2; 1 done, not saved"
    browser.click(".save")
    write_jsonl(file, browser.saved("sheet.jsonl"))
    sheet = read_sheet(file)
    assert ([chain.labels for chain in sheet.done], sheet.open) == ([(1.0, 0.0, 0.0)], 1)


def test_rows_of_before_are_still_asked(tmp_path, browser):
    file = tmp_path / "turns.jsonl"
    old = {"id": "debate/fox/A/A/0", "asked": "Who did it? You say: the fox.", "reply": None}
    write_jsonl(file, [old])
    game = Transcript(FOX, "debate", 0)
    waits(PeopleSpeaker(file), [View(game, DEBATE, "A")])
    browser.open(tmp_path / "turns.html")
    assert browser.text("#question") == old["asked"]
    browser.type("#text", "Me.")
    assert browser.js("return rows[0].reply") == "Me."
