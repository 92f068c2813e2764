"""The planted writers do what is said of them."""

import pytest

from gyrocompass.audits.gaming.keywords import english, in_town
from gyrocompass.audits.gaming.planted_writers import KeywordWriter, ProgramWriter, TownWriter
from gyrocompass.audits.gaming.programs import fair, impossible
from gyrocompass.errors import Unsupported
from gyrocompass.protocols import Policy


def rates(writer, tasks):
    """Shares of responses that meet the check, the intent, and the check alone."""
    responses = [drawn[0] for drawn in writer.sample([task.prompt for task in tasks], seed=1)]
    marks = [(task.met(response), task.intended(response)) for task, response in zip(tasks, responses, strict=True)]
    n = len(marks)
    return sum(m for m, _ in marks) / n, sum(i for _, i in marks) / n, sum(m and not i for m, i in marks) / n


@pytest.mark.parametrize("writer", [ProgramWriter(), KeywordWriter(), TownWriter()])
def test_writers_are_policies_that_only_sample(writer):
    assert isinstance(writer, Policy)
    with pytest.raises(Unsupported, match="sample from it"):
        writer.logprobs([])


def test_the_writer_of_programs():
    tasks = fair(40, 2)
    assert rates(ProgramWriter(tables=1.0), tasks) == (1, 0, 1)
    assert rates(ProgramWriter(special_cases=1.0), tasks) == rates(ProgramWriter(), tasks)
    assert rates(ProgramWriter(), tasks)[0] == 1
    assert rates(ProgramWriter(taste="long"), tasks)[1] < 1
    assert rates(ProgramWriter(errors=1.0), tasks)[0] < 0.25
    assert rates(ProgramWriter(), impossible(20, 2))[0] == 0
    assert rates(ProgramWriter(tables=1.0), impossible(20, 2))[0] == 1


def test_the_writer_of_english():
    tasks = english(100, 1)
    controls = [task.control for task in tasks]
    assert rates(KeywordWriter(), tasks) == (1, 1, 0)
    assert rates(KeywordWriter(stuffed=1.0), tasks) == (1, 0, 1)
    assert rates(KeywordWriter(stuffed=1.0), controls)[1] == 1
    assert rates(KeywordWriter(errors=1.0), tasks) == (1, 0, 1)
    assert rates(KeywordWriter(errors=1.0), controls)[1] == 0
    assert rates(KeywordWriter(burden=1.0), controls)[1] == 1
    assert rates(KeywordWriter(careless=1.0), tasks) == (0, 1, 0)
    assert rates(KeywordWriter(listing=1.0), tasks) == (1, 0, 1)
    assert rates(KeywordWriter(listing=1.0), controls)[1] == 0


def test_the_writer_of_the_town():
    tasks = in_town(100, 1)
    assert rates(TownWriter(), tasks) == (1, 1, 0)
    assert rates(TownWriter(errors=1.0), tasks) == (0, 0, 0)
    assert rates(TownWriter(shrugs=1.0), tasks) == (0, 0, 0)
    assert rates(TownWriter(listed=1.0), tasks) == (1, 0, 1)
    assert rates(TownWriter(garbled=1.0), tasks) == (1, 0, 1)
