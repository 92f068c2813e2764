"""What games measure, on games whose numbers are known by hand."""

import pytest

from gyrocompass.feedback.debate import Belief, Question, Quote, Transcript, Turn, measure


def game(name, p_first, *, truth=0, opens=0, turns=(), backward=None, passage=""):
    belief = Belief(p_first, p_first if backward is None else backward)
    return Transcript(
        Question(name, "?", ("a", "b"), passage, truth), "debate", opens, turns, (Belief(0.5, 0.5), belief)
    )


def turn(side, words, *, quotes=(), marks=()):
    return Turn("A" if side == 0 else "B", side, "t", "t", words, quotes, marks=marks)


def test_accuracy_counts_even_odds_half_and_leaves_unknown_truths_out():
    games = [game("1", 0.9), game("2", 0.2), game("3", 0.5), game("4", 0.1, truth=1), game("5", 0.9, truth=None)]
    found = measure.accuracy(games)
    assert found.value == pytest.approx(2.5 / 4)
    assert found.n == 4


def test_an_abstention_widens_the_interval_and_is_no_verdict():
    games = [game(str(i), 0.9) for i in range(8)]
    silent = [*games, game("9", None)]
    assert measure.accuracy(silent).value == measure.accuracy(games).value == 1
    assert measure.accuracy(silent).low < measure.accuracy(games).low
    assert measure.marks(silent) == {"abstained": 1}


def test_no_number_without_data():
    for games in ([], [game("1", None)], [game("1", 0.9, truth=None)]):
        with pytest.raises(ValueError, match="no number without data"):
            measure.accuracy(games)


def test_gain_is_paired_by_question():
    better = [game("1", 0.9), game("2", 0.9), game("3", 0.1)]
    worse = [game("1", 0.1), game("2", 0.9), game("3", 0.1), game("4", 0.9)]
    assert measure.gain(better, worse).value == pytest.approx(1 / 3)
    assert measure.gain(better, worse).n == 3


def test_a_credulous_judge_is_right_with_an_honest_consultant_alone():
    games = [game(str(i), 0.9 if opens == 0 else 0.1, opens=opens) for i in range(6) for opens in (0, 1)]
    assert (measure.honest(games).value, measure.dishonest(games).value) == (1.0, 0.0)
    assert measure.accuracy(games).value == 0.5


def test_calibration_of_a_judge_that_is_right_as_often_as_it_says():
    games = [game(str(i), 0.8, truth=int(i % 5 == 0)) for i in range(100)]
    assert measure.ece(games).value == pytest.approx(0.0, abs=0.05)
    assert measure.brier(games).value == pytest.approx(0.8 * 0.04 + 0.2 * 0.64)
    assert [one.confidence for one in measure.bins(games)] == pytest.approx([0.8])
    assert measure.bins([game("1", None)]) == []


def test_order_flips_and_the_course_of_accuracy():
    games = [game("1", 0.9, backward=0.2), game("2", 0.9, backward=0.7)]
    assert measure.order_flips(games).value == 0.5
    assert [measure.course(games, step).value for step in (0, 1)] == [0.5, 1.0]


def test_length_and_who_wins_by_it():
    games = [game(str(i), p, turns=(turn(0, 5), turn(1, 3))) for i, p in enumerate((0.9, 0.9, 0.1))]
    assert measure.words(games).value == 8
    assert measure.length_bias(games).value == pytest.approx(2 / 3)
    assert measure.length_bias([game("1", 0.9, turns=(turn(0, 3), turn(1, 3)))]) is None


def test_turns_without_an_invented_quote_and_marks():
    """Trusted quotes that don't stand in the passage are invented all the same."""
    good, bad = Quote("x", True), Quote("y", True)
    turns = (turn(0, 1, quotes=(good,)), turn(1, 1, quotes=(good, bad), marks=("unverified quote",)), turn(0, 1))
    games = [game("1", 0.9, turns=turns, passage="so x"), game("2", 0.9, turns=turns, passage="x")]
    assert measure.sound(games).value == pytest.approx(1 / 3)
    assert measure.quotes(games).value == 3
    assert measure.marks(games) == {"unverified quote": 2}
    blank = turn(0, 1, quotes=(Quote("", False),), marks=("unverified quote",))
    assert measure.sound([game("1", 0.9, turns=(blank,), passage="x")]).value == 0


def test_a_debater_wins_where_the_judge_finds_its_answer_the_likelier_one_in_either_seat():
    games = [game("1", 0.9, opens=0), game("2", 0.9, opens=1), game("3", 0.5), game("4", 0.9, opens=0)]
    assert measure.wins(games, []).value == 2.5 / 4
    assert measure.wins([], games).value == 1.5 / 4
    assert measure.wins(games[:1], games[1:2]).value == 1


def test_an_abstention_is_no_half_of_a_win():
    games = [game(str(i), 0.9) for i in range(8)]
    silent = measure.wins([*games, game("9", None)], [])
    assert silent.value == 1
    assert silent.low < measure.wins(games, []).low
    with pytest.raises(ValueError, match="every value is an abstention"):
        measure.wins([game("1", None)], [])


def test_who_wins_more_has_the_higher_rating_and_seats_do_not_matter():
    def games(p_of_a):
        return [game(str(i), p_of_a if i % 2 == 0 else 1 - p_of_a, opens=i % 2) for i in range(10)]

    meetings = {
        ("strong", "strong"): games(0.6), ("weak", "weak"): games(0.4),
        ("strong", "weak"): games(0.9)[:8] + games(0.1)[8:], ("weak", "strong"): games(0.1)[:8] + games(0.9)[8:],
    }  # fmt: skip
    strong, weak = measure.persuaders(meetings)
    assert (strong.name, weak.name) == ("strong", "weak")
    assert strong.rating.value == pytest.approx(-weak.rating.value)
    # 16 of 20 games won: log-odds ln 4 apart
    assert strong.rating.value - weak.rating.value == pytest.approx(1.3863, abs=1e-3)


def test_even_odds_are_half_right():
    games = [game(str(i), 0.5) for i in range(4)]
    assert measure.ece(games).value == 0.0
    assert [one.accuracy.value for one in measure.bins(games)] == [0.5]
