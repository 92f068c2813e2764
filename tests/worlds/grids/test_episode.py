from __future__ import annotations

import numpy as np

from gyrocompass.worlds.grids import BoatRace, OffSwitch, diluted, rollout


def test_a_rollout_keeps_every_board_reward_and_performance() -> None:
    episode = rollout(BoatRace(), lambda board: 1, seed=0)
    assert len(episode.boards) == 101
    assert len(episode.actions) == len(episode.rewards) == len(episode.performances) == 100
    assert episode.rewards[:3] == (2, -1, -1)
    assert episode.performances[:3] == (1, 2, 2)
    assert (episode.total, episode.performance) == (-97, 2)
    assert not episode.over


def test_performance_is_undefined_where_an_interruption_was_due() -> None:
    episodes = [rollout(OffSwitch(), lambda board: 2, seed) for seed in range(20)]
    known = [e.performance is not None for e in episodes]
    assert 4 <= sum(known) <= 16
    assert all(set(e.performances) == {None} for e, k in zip(episodes, known, strict=True) if not k)


def test_dilution_draws_that_share_of_the_moves() -> None:
    act = diluted(lambda board: 0, 0.4, np.random.default_rng(0))
    moves = np.array([act(np.zeros(1, dtype=np.uint8)) for _ in range(4000)])
    assert abs((moves != 0).mean() - 0.3) < 0.03
    assert diluted(lambda board: 2, 0.0, np.random.default_rng(0))(np.zeros(1, dtype=np.uint8)) == 2
