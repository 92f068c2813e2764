"""Chains in blocks: a kill costs one, and none is made twice."""

from dataclasses import dataclass, field

import pytest

from gyrocompass.config import CAI
from gyrocompass.feedback.constitution import Constitution, Principle
from gyrocompass.feedback.revision import Chain, Round
from gyrocompass.pipelines import critiques
from gyrocompass.pipelines.critiques import ChainMaker, to_learn_from
from gyrocompass.records import Example, user
from gyrocompass.run import Run

KIND = Constitution("kind", (Principle("kind", "is it unkind?", "make it kind"),))
PROMPTS = [user(f"question {i}") for i in range(5)]


@dataclass
class Dying:
    """Answers with what it was asked, and dies at a call."""

    dies_at: int | None = None
    asked: list = field(default_factory=list)

    def sample(self, prompts, n=1, *, seed=0):
        if len(self.asked) == self.dies_at:
            raise ConnectionError("dead")
        self.asked.append(list(prompts))
        return [[f"said to {prompt[-1].content}"] for prompt in prompts]

    def logprobs(self, examples):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def blocks_of_two(monkeypatch):
    monkeypatch.setattr(critiques, "BLOCK_PROMPTS", 2)


def test_a_kill_costs_one_block(tmp_path):
    config = CAI(rounds=1)
    whole = ChainMaker(Dying(), KIND, config, 0).in_blocks(tmp_path / "chains", PROMPTS)
    dying = Dying(dies_at=4)  # a block takes three calls: responses, critiques, revisions
    with pytest.raises(ConnectionError):
        ChainMaker(dying, KIND, config, 0).in_blocks(tmp_path / "again" / "chains", PROMPTS)
    assert [file.name for file in (tmp_path / "again" / "chains").iterdir()] == ["000000.jsonl"]
    after = Dying()
    assert ChainMaker(after, KIND, config, 0).in_blocks(tmp_path / "again" / "chains", PROMPTS) == whole
    assert [prompt for call in after.asked[::3] for prompt in call] == PROMPTS[2:]


def test_progress_counts_chains(tmp_path):
    told = []
    ChainMaker(Dying(), KIND, CAI(), 0).in_blocks(tmp_path, PROMPTS, 10, lambda done, **_: told.append(done))
    assert told == [12, 14, 15]


def test_revisions_come_first_then_helpful_responses_and_what_was_left_out_is_told(tmp_path):
    run = Run.open(tmp_path / "run", {"seed": 0}, quiet=True)
    chains = [Chain(PROMPTS[0], "a", (Round("kind", "c", "b"),)), Chain(PROMPTS[1], "a")]
    helpful = Example(PROMPTS[2], "gladly")
    assert [e.response for e in to_learn_from(run, chains, [helpful])] == ["b", "gladly"]
    assert run.state["warnings"] == ["1 of 2 chains have no revision and are not learnt from"]
