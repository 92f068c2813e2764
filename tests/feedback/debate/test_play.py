"""The game: protocols, who reads what, beliefs turn by turn, resuming, and what can go wrong."""

from dataclasses import replace

import numpy as np
import pytest

from gyrocompass.errors import InputError, Waiting
from gyrocompass.feedback.debate import (
    PROTOCOLS,
    Belief,
    BestOf,
    PairJudge,
    PolicyJudge,
    PolicySpeaker,
    Protocol,
    Question,
    Scripted,
    ScriptedJudge,
    Transcript,
    View,
    Wording,
    from_row,
    play,
    prompt,
    read_protocols,
    read_questions,
    read_wording,
    to_row,
)
from gyrocompass.feedback.debate.people import PeopleJudge, PeopleSpeaker
from gyrocompass.feedback.debate.training import SwayScorer, asked, before, preferences, self_play
from gyrocompass.feedback.debate.turns import taken
from gyrocompass.files import read_jsonl, write_jsonl
from gyrocompass.records import Example, Preference

WORDING = Wording()
FOX = Question("fox", "Who did it?", ("the fox", "the hen"), "The fox ran. The hen ran far.", 0)
HEN = Question("hen", "Who sang?", ("the fox", "the hen"), "The hen sang. The fox sang.", 1)


class Echo:
    """A policy that remembers what it was asked, and says the next of its lines."""

    def __init__(self, *lines):
        self.lines, self.asked = lines, []

    def sample(self, prompts, n=1, *, seed=0):
        start = len(self.asked)
        self.asked += [p[-1].content for p in prompts]
        return [[self.lines[(start + i + k) % len(self.lines)] for k in range(n)] for i in range(len(prompts))]

    def logprobs(self, examples):
        from gyrocompass.errors import Unsupported

        raise Unsupported("it tells none")


def say(text):
    return Scripted(lambda passage, answer, said, rng: text.format(answer=answer, turn=len(said)))


def counting(quotes):
    """Believes in the first answer by how many of its quotes hold `fox`."""
    return 0.5 + 0.1 * sum("fox" in quote for quote in quotes)


JUDGE = ScriptedJudge(counting)


def test_in_a_simultaneous_round_neither_reads_the_other_and_in_the_next_both_read_all():
    a, b = Echo("<quote>The fox ran.</quote>"), Echo("<quote>The hen ran far.</quote>")
    speakers = {"A": PolicySpeaker(a), "B": PolicySpeaker(b)}
    (game,) = play([FOX], PROTOCOLS["debate"], speakers, JUDGE, WORDING, seats="alternate")
    assert [turn.speaker for turn in game.turns] == ["A", "B", "A", "B"]
    assert [turn.side for turn in game.turns] == [0, 1, 0, 1]
    first, second = a.asked
    assert "The hen ran far.</v_quote>" not in first
    assert "The hen ran far.</v_quote>" in second
    assert "The fox ran.</v_quote>" not in b.asked[0]
    assert [belief.p_first for belief in game.beliefs] == [0.5, 0.6, 0.6]
    assert game.p_right == game.verdict == 0.6


def test_in_a_sequential_round_the_second_reads_the_first():
    b = Echo("so what")
    speakers = {"A": say("<quote>The fox ran.</quote>"), "B": PolicySpeaker(b)}
    (game,) = play([FOX], PROTOCOLS["sequential-debate"], speakers, JUDGE, WORDING, seats="alternate")
    assert "Speaker 1, for the fox: <v_quote>The fox ran.</v_quote>" in b.asked[0]
    assert len(game.beliefs) == 5


def test_both_seats_argue_for_either_answer_and_alternate_seats_take_turns():
    speakers = {"A": say("for {answer}")}
    both = play([FOX, HEN], PROTOCOLS["consultancy"], speakers, JUDGE, WORDING)
    assert [(game.question.id, game.opens, game.turns[0].text) for game in both] == [
        ("fox", 0, "for the fox"), ("fox", 1, "for the hen"), ("hen", 0, "for the fox"), ("hen", 1, "for the hen"),
    ]  # fmt: skip
    alternate = play([FOX, HEN], PROTOCOLS["consultancy"], speakers, JUDGE, WORDING, seats="alternate")
    assert [game.opens for game in alternate] in ([0, 0], [1, 1])  # one of the two is honest


@pytest.mark.parametrize("truths", ["01", "0011", "0", "00111", "01x"])
def test_alternate_seats_are_honest_half_of_the_time_whatever_the_order_of_the_questions(truths):
    """Truths that go round and round, as in a file that swaps the answers of every other question."""
    asked = [
        replace(FOX, id=f"{truths}{i}", truth=None if truth == "x" else int(truth))
        for i, truth in enumerate(truths * 12)
    ]

    def sides(questions, seed):
        games = play(questions, PROTOCOLS["consultancy"], {"A": say("x")}, JUDGE, WORDING, seats="alternate", seed=seed)
        return {game.question.id: game.opens for game in games}

    drawn = sides(asked, 1)
    for truth in {question.truth for question in asked}:
        mine = [drawn[question.id] for question in asked if question.truth == truth]
        assert abs(sum(mine) - len(mine) / 2) <= 0.5
    honest = [drawn[question.id] == question.truth for question in asked if question.truth is not None]
    assert abs(sum(honest) - len(honest) / 2) <= 0.5
    assert sides(asked[::-1], 1) == drawn != sides(asked, 2)


def test_in_an_open_protocol_the_consultant_chooses():
    chooser = Scripted(lambda *_: "x", lambda passage: int("sang" in passage))
    games = play([FOX, HEN], PROTOCOLS["open-consultancy"], {"A": chooser}, JUDGE, WORDING)
    assert [game.opens for game in games] == [0, 1]


def test_the_judge_sees_the_passage_in_one_protocol_alone_and_private_thoughts_in_none():
    thinks = PROTOCOLS["consultancy"].model_copy(update={"private": True, "rounds": 1})
    (game, _) = play(
        [FOX], thinks, {"A": say("<thinking>I lie</thinking>It was {answer}.")}, JUDGE, WORDING
    )  # fmt: skip
    assert (game.turns[0].thought, game.turns[0].text) == ("I lie", "It was the fox.")
    told = prompt(View(game, thinks), WORDING)[0].content
    assert "I lie" not in told
    assert FOX.passage not in told
    assert FOX.passage in prompt(View(game, thinks, "A"), WORDING)[0].content
    assert FOX.passage in prompt(View(Transcript(FOX, "informed", 0), PROTOCOLS["informed"]), WORDING)[0].content


def test_a_cross_examining_judge_asks_and_is_answered():
    judge = Echo("Who ran?")
    speakers = {"A": say("{answer}"), "B": say("{answer}"), "judge": PolicySpeaker(judge)}
    (game,) = play([FOX], PROTOCOLS["cross-examination"], speakers, JUDGE, WORDING, seats="alternate")
    assert [turn.speaker for turn in game.turns] == ["A", "B", "judge"] * 2
    assert game.turns[2].marks == ()
    assert FOX.passage not in judge.asked[0]


def turn_of(text, **changes):
    protocol = PROTOCOLS["debate"].model_copy(update=changes)
    return taken(View(Transcript(FOX, "debate", 0), protocol, "A"), text, WORDING)


def test_a_turn_past_its_limit_is_cut_and_marked_and_an_unclosed_quote_is_none():
    turn = turn_of("one two <quote>The fox ran.</quote>", words=4)
    assert turn.text == "one two <quote>The fox"
    assert (turn.marks, turn.words, turn.quotes) == (("cut", "no quote"), 5, ())


@pytest.mark.parametrize(
    ("text", "marks"),
    [("", ("empty",)), ("trust me", ("no quote",)), ("<quote>It flew.</quote>", ("unverified quote",)),
     ("<quote>The fox ran.</quote>", ())],
)  # fmt: skip
def test_what_is_wrong_with_a_turn_is_marked(text, marks):
    assert turn_of(text).marks == marks


def test_nobody_verifies_a_quote_by_writing_the_mark():
    turn = turn_of("<v_quote>The hen flew.</v_quote> <quote>The fox ran.</quote>")
    assert turn.shown == "The hen flew.  <v_quote>The fox ran.</v_quote>"


def test_a_judge_is_asked_in_both_orders_and_one_that_goes_by_place_ends_at_even_odds():
    (game,) = play([FOX], PROTOCOLS["blind"], {}, PolicyJudge(Echo("A"), WORDING), WORDING)
    assert game.beliefs == (Belief(1.0, 0.0),)
    assert game.verdict == 0.5


def test_a_judge_is_asked_once_about_views_that_read_alike():
    policy = Echo("A", "B")
    twice = play([FOX], PROTOCOLS["blind"].model_copy(update={"turns": (("A",),)}), {"A": say("x")},
                 PolicyJudge(policy, WORDING, votes=1), WORDING)  # fmt: skip
    assert len(policy.asked) == 2 + 4
    assert [game.beliefs[0] for game in twice] == [Belief(1.0, 1.0)] * 2


def test_a_judge_who_cannot_be_read_abstains():
    (game,) = play([FOX], PROTOCOLS["blind"], {}, PolicyJudge(Echo("Well, who knows?"), WORDING), WORDING)
    assert game.verdict is None
    assert game.p_right is None


def test_a_judge_of_pairs_is_shown_the_answers_as_responses():
    seen = []

    def judge(pairs):
        seen.extend(pairs)
        return np.array([0.9, 0.2])

    (game,) = play([FOX], PROTOCOLS["blind"], {}, PairJudge(judge), WORDING)
    assert [(pair.first, pair.second) for pair in seen] == [FOX.answers, FOX.answers[::-1]]
    assert game.beliefs == (Belief(0.9, 0.8),)


def test_answers_in_their_own_words_are_named_in_either_order():
    own = Wording(labels=None, judge="{question} {first} or {second} {transcript}", turn="{speaker} {text}",
                  speakers={"side": "{answer}", "reader": "r", "judge": "j"})  # fmt: skip
    speakers = {"A": say("x"), "B": say("y")}
    (game,) = play([FOX], PROTOCOLS["debate"].model_copy(update={"rounds": 1}), speakers, JUDGE, own, seats="alternate")
    texts = [prompt(View(game, PROTOCOLS["debate"], backward=order), own)[0].content for order in (False, True)]
    assert texts[0] == "Who did it? the fox or the hen the fox x the hen y"
    assert texts[1] == "Who did it? the hen or the fox the hen y the fox x"


def test_games_go_on_from_where_they_were_kept_and_nothing_is_asked_twice(tmp_path):
    file, policy = tmp_path / "games.jsonl", Echo("<quote>The fox ran.</quote>")
    seats = {"A": PolicySpeaker(policy)}
    whole = play([FOX, HEN], PROTOCOLS["consultancy"], seats, JUDGE, WORDING, kept=file)
    rows = read_jsonl(file)
    half = [{**row, "turns": row["turns"][:1], "beliefs": row["beliefs"][:2]} for row in rows]
    write_jsonl(file, half)
    asked_before = len(policy.asked)
    assert play([FOX, HEN], PROTOCOLS["consultancy"], seats, JUDGE, WORDING, kept=file) == whole
    assert len(policy.asked) - asked_before == 4
    with pytest.raises(InputError, match="holds other games"):
        play([FOX], PROTOCOLS["consultancy"], seats, JUDGE, WORDING, kept=file)


def test_turns_are_kept_before_they_are_judged(tmp_path):
    file, policy = tmp_path / "games.jsonl", Echo("<quote>The fox ran.</quote>")
    protocol = PROTOCOLS["consultancy"].model_copy(update={"rounds": 1})

    def killed(views):
        if views[0].transcript.turns:
            raise KeyboardInterrupt
        return JUDGE(views)

    def attempt(judge):
        return play([FOX], protocol, {"A": PolicySpeaker(policy)}, judge, WORDING, kept=file)

    with pytest.raises(KeyboardInterrupt):
        attempt(killed)
    assert [len(row["turns"]) for row in read_jsonl(file)] == [1, 1]
    games = attempt(JUDGE)
    assert len(policy.asked) == 2
    assert all(len(game.beliefs) == 2 for game in games)


def test_a_model_against_people_is_asked_once_and_reads_none_of_their_turn(tmp_path):
    file, model = tmp_path / "games.jsonl", Echo("<quote>The hen ran far.</quote>")
    people = PeopleSpeaker(tmp_path / "turns.jsonl")
    for seats in ({"A": people, "B": PolicySpeaker(model)}, {"B": people, "A": PolicySpeaker(model)}):
        file.unlink(missing_ok=True)
        asked_before = len(model.asked)
        for attempts in range(3):
            try:
                (game,) = play([FOX], PROTOCOLS["debate"], seats, JUDGE, WORDING, seats="alternate", kept=file)
            except Waiting:
                rows = read_jsonl(tmp_path / "turns.jsonl")
                write_jsonl(tmp_path / "turns.jsonl", [{**row, "reply": f"they {attempts}"} for row in rows])
        assert len(model.asked) - asked_before == 2
        assert [turn.speaker for turn in game.turns] == ["A", "B", "A", "B"]
        assert "they" not in model.asked[asked_before]
        assert "they" in model.asked[-1]


def test_games_kept_under_another_protocol_of_the_name_are_refused(tmp_path):
    file, seats = tmp_path / "games.jsonl", {"A": say("one two three")}
    protocol = PROTOCOLS["consultancy"]
    play([FOX], protocol, seats, JUDGE, WORDING, kept=file)
    for changes in ({"words": 2}, {"rounds": 1}, {"private": True}):
        with pytest.raises(InputError, match="holds other games"):
            play([FOX], protocol.model_copy(update=changes), seats, JUDGE, WORDING, kept=file)


def test_a_transcript_and_its_row_say_the_same():
    (game, _) = play([FOX], PROTOCOLS["consultancy"], {"A": say("<quote>x</quote>")}, JUDGE, WORDING)
    assert from_row(to_row(game), {"fox": FOX}) == game
    with pytest.raises(InputError, match="not a transcript"):
        from_row(to_row(game), {})


def test_a_seat_without_a_speaker_is_named():
    with pytest.raises(InputError, match="nobody speaks as B"):
        play([FOX], PROTOCOLS["debate"], {"A": say("x")}, JUDGE, WORDING)


def test_best_of_says_what_sways_the_judge_most_towards_its_side():
    tries = Scripted(lambda passage, answer, said, rng: rng.choice(["<quote>The hen ran far.</quote>",
                                                                    "<quote>The fox ran.</quote>"]))  # fmt: skip
    best = BestOf(tries, JUDGE, 16)
    for opens, wanted in ((0, "fox"), (1, "hen")):
        view = View(Transcript(FOX, "debate", opens), PROTOCOLS["debate"], "A")
        assert all(wanted in text for texts in best([view], 2, seed=1) for text in texts)


def test_self_play_teaches_what_wins():
    debater = Scripted(lambda passage, answer, said, rng: rng.choice(["<quote>The hen ran far.</quote>",
                                                                      "<quote>The fox ran.</quote>"]))  # fmt: skip
    views = self_play([FOX], PROTOCOLS["debate"], say("<quote>The hen</quote>"), WORDING, 0)
    assert [(view.side, len(view.transcript.turns)) for view in views] == [(0, 1), (1, 1)]
    assert all("v_quote" not in asked(view, WORDING)[0].content for view in views)
    hidden = [before(view) for view in views]
    found = preferences(views, debater(hidden, 12, seed=3), JUDGE, WORDING)
    assert [type(one) for one in found] == [Preference, Preference]
    assert [("fox" in one.chosen, "fox" in one.rejected) for one in found] == [(True, False), (False, True)]
    scorer = SwayScorer({asked(view, WORDING): view for view in views}, JUDGE)
    said = Example(asked(views[0], WORDING), "<quote>The fox ran.</quote>")
    assert scorer([said]) == pytest.approx([np.log(0.6 / 0.4)])


def test_people_are_asked_by_file_and_the_game_goes_on_once_they_replied(tmp_path):
    turns, verdicts, kept = (tmp_path / name for name in ("turns.jsonl", "verdicts.jsonl", "games.jsonl"))
    protocol = PROTOCOLS["consultancy"].model_copy(update={"rounds": 1})

    def attempt():
        return play([FOX], protocol, {"A": PeopleSpeaker(turns)}, PeopleJudge(verdicts), WORDING, seats="alternate",
                    kept=kept)  # fmt: skip

    def reply(file, text):
        write_jsonl(file, [{**row, "reply": row["reply"] or text} for row in read_jsonl(file)])

    with pytest.raises(Waiting, match=r"verdicts\.jsonl: 1 of 1 replies are waited for"):
        attempt()
    reply(verdicts, "50%")
    with pytest.raises(Waiting, match=r"turns\.jsonl"):
        attempt()
    reply(turns, "<quote>The fox ran.</quote>")
    with pytest.raises(Waiting, match=r"verdicts\.jsonl"):
        attempt()
    reply(verdicts, "80")
    (game,) = attempt()
    assert [belief.p_first for belief in game.beliefs] == [0.5, 0.8]
    assert len(read_jsonl(turns)) == 1


def test_people_on_both_sides_are_asked_at_once(tmp_path):
    people = PeopleSpeaker(tmp_path / "turns.jsonl")
    with pytest.raises(Waiting, match="2 of 2"):
        play([FOX], PROTOCOLS["debate"], {"A": people, "B": people}, JUDGE, WORDING, seats="alternate")
    assert [row["id"] for row in read_jsonl(tmp_path / "turns.jsonl")] == ["debate/fox/A/A/0", "debate/fox/A/B/0"]


def test_a_person_whose_verdict_is_no_number_abstains(tmp_path):
    judge, views = PeopleJudge(tmp_path / "v.jsonl"), [View(Transcript(FOX, "blind", 0), PROTOCOLS["blind"])]
    with pytest.raises(Waiting):
        judge(views)
    for said in ("no idea", "120"):
        write_jsonl(tmp_path / "v.jsonl", [{**row, "reply": said} for row in read_jsonl(tmp_path / "v.jsonl")])
        assert judge(views) == [Belief(None, None)]
    (tmp_path / "v.jsonl").write_text('{"asked": 1}\n')
    with pytest.raises(InputError, match=r"v\.jsonl:1: no such row"):
        judge(views)


@pytest.mark.parametrize(
    ("changes", "match"),
    [({"turns": (("A", "A"),)}, "names one twice"), ({"turns": (("B",),)}, "there is no A"),
     ({"open": True}, "nobody is there"), ({"turn": 1}, "Extra inputs")],
)  # fmt: skip
def test_a_protocol_that_does_not_hold_together_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        Protocol.model_validate({"name": "x", **changes})


def test_protocols_come_by_name_or_from_a_file(tmp_path):
    import yaml

    assert [p.name for p in read_protocols("blind, debate")] == ["blind", "debate"]
    assert {p.kind for p in PROTOCOLS.values()} == {
        "blind", "informed", "excerpts", "consultancy", "open consultancy", "debate", "open debate"
    }  # fmt: skip
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump([p.model_dump(mode="json") for p in PROTOCOLS.values()]))
    assert read_protocols(str(file)) == list(PROTOCOLS.values())
    file.write_text("- {name: x, words: 0}")
    wrong = {
        str(file): "protocol 1: words",
        "quarrel": "'quarrel'",
        str(tmp_path / "n.yaml"): "no such",
        "": "none named",
    }
    for source, match in wrong.items():
        with pytest.raises(InputError, match=match):
            read_protocols(source)


def test_two_protocols_of_one_name_are_refused():
    with pytest.raises(InputError, match="two protocols have the name 'debate'"):
        read_protocols("debate,blind,debate")


def test_a_debater_is_told_which_speaker_it_is():
    names = ("Speaker 1, for the fox", "Speaker 2, for the hen")
    for opens, speaker, side in ((0, "A", 0), (0, "B", 1), (1, "A", 1), (1, "B", 0)):
        told = prompt(View(Transcript(FOX, "debate", opens), PROTOCOLS["debate"], speaker), WORDING)[0].content
        assert f"You are {names[side]}." in told


def test_a_speaker_has_one_name_in_either_order_as_in_what_is_said_of_it():
    speakers = {"A": say("Speaker 2 invents."), "B": say("Speaker 1 does.")}
    (game,) = play([FOX], PROTOCOLS["debate"], speakers, JUDGE, WORDING, seats="alternate", seed=1)
    forward, backward = (prompt(View(game, PROTOCOLS["debate"], backward=b), WORDING)[0].content for b in (0, 1))
    for told, answers in ((forward, "A: the fox\nB: the hen"), (backward, "A: the hen\nB: the fox")):
        assert answers in told
        for turn in game.turns:
            name = ("Speaker 1, for the fox", "Speaker 2, for the hen")[turn.side]
            assert f"{name}: {turn.text}" in told


def test_a_wording_comes_from_a_file_laid_over_the_default(tmp_path):
    file = tmp_path / "wording.yaml"
    file.write_text("debater: 'Be {name}: {mine} ({passage})'\nspeakers: {side: 'Advocate of {answer}'}\n")
    found = read_wording(str(file))
    assert found.judge == WORDING.judge
    assert found.speakers == {**WORDING.speakers, "side": "Advocate of {answer}"}
    assert found.hash != WORDING.hash == read_wording(None).hash
    told = prompt(View(Transcript(HEN, "debate", 1), PROTOCOLS["debate"], "A"), found)[0].content
    assert told == f"Be Advocate of the hen: the hen ({HEN.passage})"
    wrong = {
        "debater: '{nobody}'": "debater holds nobody in braces; it may hold",
        "judge: '{first'": "judge: ",
        "verified: x": "are to hold {quote}",
        "quote: abc": "has none",
        "quote: '(('": "quote: ",
        "dbater: x": "dbater: Extra inputs",
        "[]": "expected templates",
        "a: [": "not valid YAML",
    }
    for text, match in wrong.items():
        file.write_text(text)
        with pytest.raises(InputError, match=match) as found:
            read_wording(str(file))
        assert str(found.value).startswith(str(file))
        assert "\n" not in str(found.value)
    with pytest.raises(InputError, match="no such file"):
        read_wording(str(tmp_path / "none.yaml"))


def test_questions_are_read_from_jsonl_with_file_and_line_on_what_is_wrong(tmp_path):
    file = tmp_path / "q.jsonl"
    good = '{"question": "Who?", "answers": ["a", "b"], "passage": "p", "truth": 1, "topic": "t"}'
    file.write_text(f"{good}\n\n")
    assert read_questions(file) == [Question("1", "Who?", ("a", "b"), "p", 1, {"topic": "t"})]
    for line, match in (("{", "q.jsonl:2: not valid JSON"), ('{"question": "x"}', "q.jsonl:2: expected a question"),
                        (good.replace('"b"', '"a"'), "q.jsonl:2: .* equal"), (good.replace("1", "2"), "truth is 2"),
                        ('{"id": "1", "question": "x", "answers": ["a", "b"]}', "comes twice")):  # fmt: skip
        file.write_text(f"{good}\n{line}\n")
        with pytest.raises(InputError, match=match):
            read_questions(file)
    file.write_text("")
    with pytest.raises(InputError, match="holds no question"):
        read_questions(file)
    with pytest.raises(InputError, match="no such file"):
        read_questions(tmp_path / "none.jsonl")


def test_swapping_the_answers_of_a_question_turns_the_belief_about():
    turned = replace(FOX, answers=FOX.answers[::-1], truth=1)
    judge = PairJudge(lambda pairs: np.array([0.8 if pair.first == "the fox" else 0.2 for pair in pairs]))
    one, other = (play([q], PROTOCOLS["blind"], {}, judge, WORDING)[0] for q in (FOX, turned))
    assert one.verdict == pytest.approx(1 - other.verdict)
    assert one.p_right == pytest.approx(other.p_right)
