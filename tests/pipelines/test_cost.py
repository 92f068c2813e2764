import sys

import numpy as np
import pytest

from gyrocompass.config import Compute
from gyrocompass.learn.loop import Look
from gyrocompass.pipelines.cost import cost_of, timed, watched
from gyrocompass.run import Run

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its high-water mark")
CPU = Compute(device="cpu")


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run", {"seed": 0}, quiet=True)


def hold(mib):
    return np.ones(mib << 17)


@linux
def test_memory_is_that_of_the_stage_and_not_of_those_before(run):
    with watched(run, "large", CPU):
        hold(200)
    with watched(run, "small", CPU):
        hold(20)
    costs = run.state["costs"]
    assert 190 < costs["large"]["added_mib"] < 300
    assert costs["small"]["added_mib"] < 100
    assert costs["large"]["peak_mib"] > costs["large"]["added_mib"]


@linux
def test_a_resumed_stage_keeps_the_higher_peak_also_where_it_failed(run):
    def fail():
        with watched(run, "stage", CPU):
            hold(200)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with watched(run, "stage", CPU):
        hold(10)
    assert run.state["costs"]["stage"]["added_mib"] > 190


def test_time_is_that_of_the_stages_without_their_probes(run):
    """10 s + 4 s, of which probes took 1.5 s + 0.5 s."""
    took = {"03-reward": 4.0, "04-ppo-1": 10.0, "05-dpo-1": 99.0}
    run.state["stages"] = [{"name": name, "status": "done", "seconds": seconds} for name, seconds in took.items()]
    run.state["costs"] = {
        "reward": {"peak_mib": 700.0, "added_mib": 150.0},
        "ppo-1": {"peak_mib": 900.0, "added_mib": 90.0},
    }
    for step, seconds in ((0, 1.5), (4, 0.5)):
        run.log("ppo-1", step, probe_seconds=seconds)
    run.log("ppo-1", 4, loss=1.0)
    run.log("dpo-1", 0, probe_seconds=50.0)
    found = cost_of(run, ["reward", "ppo-1"])
    assert (found.seconds, found.peak_mib, found.added_mib) == (12.0, 900.0, 150.0)
    assert cost_of(run, ["reward", "dpo-1"]).peak_mib is None


def test_a_timed_look_says_how_long_it_took():
    look = timed(Look(lambda step: {"kl_nats": 2.0 * step}, lambda steps: {0, steps}))
    row = look.probe(3)
    assert row["kl_nats"] == 6.0
    assert row["probe_seconds"] >= 0
    assert look.at(7) == {0, 7}
