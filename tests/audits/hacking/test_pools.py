from __future__ import annotations

import numpy as np
import pytest

from gyrocompass.audits.hacking.pools import Leaning, best_of, pool, scaled, spared
from gyrocompass.worlds.town.intent import KINDS


def test_the_pool_has_every_kind_and_pulls_manner_and_truth_apart() -> None:
    found = pool()
    assert set(found.kinds) == set(KINDS)
    assert (np.abs(found.gold) <= 1).all()
    within = [(scaled(manner) * scaled(found.gold)).mean() for manner in (found.confidence, found.filler)]
    assert max(within) < 0


def test_a_rater_s_blindness_mixes_what_is_seen_and_unseen() -> None:
    some = pool().only(np.arange(5))
    assert some.utility(0.25) == pytest.approx(0.25 * some.unseen + 0.75 * some.seen)
    assert len(some.kinds) == 5


def test_a_scaled_score_has_unit_spread_among_responses() -> None:
    score = scaled(np.random.default_rng(0).normal(3, 7, (50, 16)))
    assert (score.std(axis=1) ** 2).mean() == pytest.approx(1)
    assert scaled(np.ones((2, 3))).tolist() == np.ones((2, 3)).tolist()


def test_leaning_by_hand() -> None:
    """A drive of log 3 on one of two responses: chances 1/4 and 3/4, log-ratios log 1/2 and log 3/2."""
    policy = Leaning.towards(np.array([[[0.0, 0.0]], [[0.0, np.log(3)]]]))
    assert policy.chances[:, 0, 1] == pytest.approx([0.5, 0.75])
    assert policy.expected(np.array([[0.0, 1.0]])) == pytest.approx([0.5, 0.75])
    log_ratio, (picked,) = policy.draw(np.random.default_rng(0), np.array([[0.0, 1.0]]))
    assert log_ratio[0, 0] == 0
    assert log_ratio[1, 0] == pytest.approx(np.log(1.5 if picked[1, 0] else 0.5))


def test_spared_prompts_stay_as_they_are() -> None:
    values = np.arange(8.0).reshape(4, 2)
    found = spared(values, np.array([True, False]), 1)
    assert found.tolist() == [[0, 1], [2, 3], [2, 5], [2, 7]]
    policy = Leaning.towards(np.arange(4.0)[:, None, None] * np.array([0.0, 1.0]) * np.ones((4, 2, 2)))
    held = policy.sparing(np.array([True, False]), 1).chances
    assert held[3, 0] == pytest.approx(policy.chances[1, 0])
    assert held[3, 1] == pytest.approx(policy.chances[3, 1])


def test_the_mean_log_ratio_of_what_is_drawn_is_the_kl() -> None:
    rng = np.random.default_rng(1)
    drive = np.tile(rng.normal(size=(1, 1, 8)), (1, 20_000, 1))
    policy = Leaning.towards(drive)
    log_ratio, _ = policy.draw(rng)
    chances = policy.chances[0, 0]
    assert log_ratio.mean() == pytest.approx((chances * np.log(8 * chances)).sum(), abs=0.02)


def test_the_best_of_all_is_the_proxy_s_favourite() -> None:
    rng = np.random.default_rng(2)
    proxy, gold = rng.normal(size=(2, 5, 8))
    one, best = best_of(proxy, [1, 8], gold)[0]
    assert one == pytest.approx(gold.mean(axis=1))
    assert best == pytest.approx(gold[np.arange(5), proxy.argmax(axis=1)])
