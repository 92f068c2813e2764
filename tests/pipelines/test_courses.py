"""Courses read back from run folders, and best-of-n from one large pool."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from gyrocompass.maths import kl
from gyrocompass.pipelines.courses import best_of_n, best_of_pool, courses
from gyrocompass.protocols import Floats
from gyrocompass.records import Example, Prompt
from gyrocompass.run import Run
from gyrocompass.worlds import town


def write_probes(stage: Path, gauge: str = "gold", **more: float) -> None:
    rng = random.Random(stage.name)
    (stage / "probes").mkdir(parents=True)
    for step in (0, 4, 10):
        words = {"model": f"ppo@{step}", "kind": "fact", "prompt": "q", "response": "a", "question": "of one person"}
        rows = [{**words, "proxy": rng.random(), gauge: rng.random(), "kl_nats": float(step), **more} for _ in range(6)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (stage / "probes" / f"{step:06d}.jsonl").write_text(text, encoding="utf-8")


def test_every_probed_ppo_and_dpo_stage_is_a_course(tmp_path: Path) -> None:
    stages = tmp_path / "stages"
    for name in ("03-ppo-1", "04-dpo-1", "05-changed-ppo"):
        write_probes(stages / name, rater_utility=0.5)
    (stages / "06-ppo-2" / "probes").mkdir(parents=True)
    (stages / "01-sft" / "model").mkdir(parents=True)
    (stages / "04-dpo-1" / "model").mkdir()
    one, two = courses(tmp_path)
    assert (one.name, two.name) == ("ppo-1", "dpo-1")
    assert list(one.steps) == [0, 4, 10]
    assert one.intent.shape == one.kl_nats.shape == (3, 6)
    assert list(one.others) == ["rater_utility"]
    assert list(one.questions) == ["of one person"] * 6
    assert one.kept == {0: "stages/01-sft/model"}
    assert two.kept == {0: "stages/01-sft/model", 10: "stages/04-dpo-1/model"}


def test_without_gold_the_held_out_reward_model_is_the_gauge(tmp_path: Path) -> None:
    write_probes(tmp_path / "stages" / "04-ppo", gauge="heldout_proxy")
    (found,) = courses(tmp_path)
    assert found.gauge == "heldout_proxy"


def test_probes_that_read_no_gauge_are_no_course(tmp_path: Path) -> None:
    write_probes(tmp_path / "stages" / "04-ppo", gauge="length")
    assert courses(tmp_path) == []


@dataclass
class Few:
    """Answers with one of four texts."""

    asked: list[int] = field(default_factory=list)

    def sample(self, prompts: Sequence[Prompt], n: int = 1, *, seed: int = 0) -> list[list[str]]:
        self.asked.append(len(prompts))
        rng = random.Random(seed)
        return [[rng.choice("abcd") for _ in range(n)] for _ in prompts]

    def logprobs(self, examples: Sequence[Example]) -> Floats:
        raise AssertionError("best-of-n needs no log-probabilities")


@dataclass
class Letters:
    """Likes later letters, or earlier ones, and counts what it was asked."""

    sign: float
    scored: int = 0

    def __call__(self, examples: Sequence[Example], /) -> Floats:
        self.scored += len(examples)
        return np.array([self.sign * "abcd".index(str(e.response)) for e in examples], dtype=np.float64)


def test_the_pool_is_sampled_once_and_each_distinct_response_scored_once() -> None:
    policy, proxy, gold = Few(), Letters(1), Letters(-1)
    prompts = town.prompts(9, 0)
    found = best_of_pool(policy, prompts, {"proxy": proxy, "gold": gold}, 64, 5)
    assert found.questions == [prompt.meta["question"] for prompt in prompts[:5]]
    assert policy.asked == [5]
    assert (proxy.scored, gold.scored) == (20, 20)
    assert list(found.steps) == [1, 2, 4, 8, 16, 32, 64]
    assert found.intent.shape == (7, 5)
    assert found.kl_nats[:, 0] == pytest.approx([kl.best_of_n(n) for n in found.steps])
    assert found.proxy[-1] == pytest.approx(np.full(5, 3.0))
    assert found.intent == pytest.approx(-found.proxy)
    assert (np.diff(found.proxy.mean(axis=1)) > 0).all()
    assert found.intent.mean(axis=1)[0] == pytest.approx(-1.5, abs=0.2)


def test_other_scorers_are_told_and_n_ends_at_a_power_of_two() -> None:
    scorers = {name: Letters(1) for name in ("proxy", "heldout_proxy", "length")}
    found = best_of_pool(Few(), town.prompts(4, 0), scorers, 12)
    assert list(found.steps) == [1, 2, 4, 8]
    assert (found.gauge, list(found.others)) == ("heldout_proxy", ["length"])


def test_a_run_s_own_models_pick_and_measure(town_run: tuple[Path, object]) -> None:
    before = (town_run[0] / "run.json").read_bytes()
    found = best_of_n(Run.attach(town_run[0], quiet=True), n_max=8, prompts_used=6)
    assert found is not None
    assert (found.name, found.gauge, list(found.others)) == ("best-of-n", "gold", ["rater_utility"])
    assert found.proxy.shape == (4, 6)
    assert (town_run[0] / "run.json").read_bytes() == before


def test_a_run_without_a_reward_model_has_no_best_of_n(tmp_path: Path) -> None:
    assert best_of_n(Run.open(tmp_path / "run", {"stage": "sft"}, quiet=True)) is None
