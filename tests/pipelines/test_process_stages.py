import pytest

from gyrocompass.config import Compute, Sampling
from gyrocompass.errors import InputError
from gyrocompass.feedback.steps import LINES
from gyrocompass.pipelines import process_stages
from gyrocompass.records import Example, user
from gyrocompass.run import Run

COMPUTE = Compute(precision="fp32")


def never(examples):
    return [False for _ in examples]


def test_a_block_without_steps_leaves_the_others(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr(process_stages, "BLOCK", 1)
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    said = [Example(user(f"q{i}"), "one" if i < 4 else "") for i in range(8)]
    found = process_stages.rollout_steps(run, str(checkpoint()), said, LINES, never, 1, Sampling(), COMPUTE)
    assert [chain.labels for chain in found] == [(0.0,)] * 4


def test_responses_without_any_step_are_one_line(tmp_path, checkpoint):
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    with pytest.raises(InputError, match="no step of 1 responses could be labelled"):
        process_stages.rollout_steps(
            run, str(checkpoint()), [Example(user("q"), "")], LINES, never, 1, Sampling(), COMPUTE
        )
