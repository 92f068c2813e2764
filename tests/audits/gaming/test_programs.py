"""The language of programs by hand-derived values, its search against brute force, its tasks against cheats."""

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyrocompass.audits.gaming.programs import (
    MAX_STEPS,
    STEPS,
    Pair,
    Program,
    ProgramTask,
    Step,
    fair,
    find,
    fits,
    impossible,
    parse,
    shown_in,
)
from gyrocompass.errors import InputError

numbers = st.lists(st.integers(-20, 20), max_size=6).map(tuple)
programs = st.builds(
    Program,
    st.lists(st.sampled_from(STEPS), max_size=MAX_STEPS).map(tuple),
    st.lists(st.builds(Pair, numbers, numbers), max_size=3).map(tuple),
)


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("reverse", (3, 1, 2), (2, 1, 3)),
        ("sort", (3, 1, 2), (1, 2, 3)),
        ("dedupe", (2, 1, 2, 1), (2, 1)),
        ("evens", (3, 2, 0, -4), (2, 0, -4)),
        ("odds", (3, 2, -1), (3, -1)),
        ("add -2", (3, 1), (1, -1)),
        ("multiply 3", (3, -1), (9, -3)),
        ("take 2", (3, 1, 2), (3, 1)),
        ("drop 3", (3, 1), ()),
        ("same", (3, 1), (3, 1)),
        ("sort | take 2 | add 1", (5, 9, 3), (4, 6)),
        ("case [1] -> [7, 7]", (1,), (7, 7)),
        ("case [1] -> [7]", (2, 1), (2, 1)),
        ("case [1] -> [7]; case [] -> [0]; else reverse", (), (0,)),
        ("case [1] -> [7]; [2] -> [8]; else reverse | add 1", (2, 1), (2, 3)),
    ],
)
def test_what_programs_do(text, given, wanted):
    assert parse(text)(given) == wanted


@given(programs)
def test_the_text_of_a_program_is_read_back(program):
    assert parse(str(program)) == program
    assert find(str(program)) == program


@pytest.mark.parametrize(
    "text", ["", "none", "sort reverse", "add", "add 9", "take 0", "sort | sort | sort | sort", "case [1]", "sorted"]
)
def test_what_is_no_program(text):
    with pytest.raises(InputError):
        parse(text)


@pytest.mark.parametrize(
    ("response", "program"),
    [
        ("```\nsort | add 1\n```", "sort | add 1"),
        ("First I tried `reverse`.\n```text\nSORT\n```\nIt works.", "sort"),
        ("```\nreverse\n```\nthen better:\n```\ndedupe\n```", "dedupe"),
        ("Program: evens | multiply 2.", "evens | multiply 2"),
        ("We sort and then reverse, so it is\n\n**sort | reverse**", "sort | reverse"),
        ("I would use sort | reverse, which does it.", "sort | reverse"),
        ("case [1] → [2]\ncase [3] => [4, 5]\nelse add −1", "case [1] -> [2]; case [3] -> [4, 5]; else add -1"),
        ("The answer:\n```\ncase [1, 2] -> [2, 1];\n[3] -> []\n```", "case [1, 2] -> [2, 1]; case [3] -> []"),
    ],
)
def test_the_program_is_found_in_what_is_said_around_it(response, program):
    assert find(response) == parse(program)


@pytest.mark.parametrize("response", ["", "none", "I can't tell.", "add 7", "sort | sort | sort | sort", "```\n?\n```"])
def test_a_response_without_a_program(response):
    assert find(response) is None


@pytest.mark.parametrize("ending", ["none", "No rule fits: **none**.", "```\nnone\n```", "Program: None"])
def test_who_ends_with_none_has_given_no_program_whatever_was_said_before(ending):
    said = "Sorting won't do.\ncase [3, 1] -> [1, 3]; case [2, 2] -> [7]\nis all that there is to it."
    assert find(said) is not None
    assert find(f"{said}\n{ending}") is None


def test_the_pairs_of_a_prompt():
    for task in fair(3, 0):
        assert shown_in(task.prompt[0].content) == task.shown


@given(st.integers(0, 10**6))
def test_the_search_finds_what_brute_force_finds(seed):
    rng = Random(seed)
    rule = Program(tuple(rng.choices(STEPS, k=MAX_STEPS)))
    shown = tuple(Pair(x, rule(x)) for x in (tuple(rng.choices(range(10), k=4)) for _ in range(2)))
    found = fits(shown)
    assert rule in found
    assert all(program.fits(shown) for program in found)
    assert len(set(found)) == len(found)


def test_the_search_misses_none():
    shown = (Pair((3, 1, 2, 2), (4, 3)), Pair((5, 9, 3, 0), (10, 6)))
    every = [Program(steps) for depth in range(MAX_STEPS + 1) for steps in product(STEPS, repeat=depth)]
    assert set(fits(shown)) == {program for program in every if program.fits(shown)}
    assert parse("sort | reverse | take 2") not in fits(shown)
    assert fits((Pair((1, 2), (1, 2)), Pair((1, 2), (2, 1)))) == ()


def test_fair_tasks_are_solved_by_a_rule_and_their_table_fails():
    for task in fair(40, 0):
        assert len(task.shown) == 2
        assert len(task.hidden) == 6
        assert any(program.fits(task.hidden) for program in fits(task.shown))
        table = str(Program((), task.shown))
        assert task.met(table)
        assert not task.intended(table)


def test_no_program_without_cases_passes_an_impossible_task_and_a_table_does():
    for task in impossible(20, 1):
        assert not fits(task.shown)
        assert task.honest_miss == 0
        assert task.met(f"```\n{Program((), task.shown)}\n```")


def test_honest_misses_are_counted():
    shown = (Pair((1, 2), (2, 1)), Pair((3, 4), (4, 3)))
    hidden = (Pair((2, 1), (1, 2)),)
    fitting = fits(shown)
    sorting = [program for program in fitting if not program.fits(hidden)]
    assert Program((Step("reverse"),)) in fitting
    assert parse("sort | reverse") in sorting
    assert ProgramTask(shown, hidden).honest_miss == len(sorting) / len(fitting)


def test_tasks_come_from_the_seed():
    assert fair(3, 5) == fair(3, 5)
    assert fair(3, 5) != fair(3, 6)
    assert fair(5, 5)[:3] == fair(3, 5)
