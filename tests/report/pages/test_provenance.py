from __future__ import annotations

from gyrocompass.report import RunData, Stage
from gyrocompass.report.pages.provenance import provenance


def test_settings_are_grouped_by_stage_and_read_like_yaml() -> None:
    config = {
        "ppo": {"kl": 0.02, "rollouts": {"batch": 256}, "none": {}},
        "model": "town",
        "quick": False,
        "lora": None,
    }
    groups = provenance(RunData("r", config=config)).content["groups"]
    assert groups == {
        "": [("model", "town"), ("quick", "false"), ("lora", "null")],
        "ppo": [("kl", "0.02"), ("rollouts.batch", "256"), ("none", "{}")],
    }


def test_stage_times_are_shares_of_the_longest() -> None:
    stages = (Stage("01-sft", "done", 10.0), Stage("02-ppo", "running", 40.0))
    shares = provenance(RunData("r", stages=stages)).content["stages"]
    assert shares == [(stages[0], 25.0), (stages[1], 100.0)]
