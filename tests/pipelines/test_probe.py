"""What a probe keeps of each response."""

from __future__ import annotations

import numpy as np

from gyrocompass.pipelines.probe import Readings
from gyrocompass.records import Example, user


def test_a_row_tells_the_question_where_prompts_may_share_one() -> None:
    examples = [
        Example(user("who is grace"), "a painter", meta={"kind": "fact", "question": "fact: grace"}),
        Example(user("what now"), "nothing"),
    ]
    first, second = Readings(examples, {"gold": np.array([0.5, 0.25])}).rows("ppo@3")
    assert first == {
        "model": "ppo@3", "kind": "fact", "question": "fact: grace", "prompt": "who is grace", "response": "a painter",
        "gold": 0.5,
    }  # fmt: skip
    assert "question" not in second
