from __future__ import annotations

import numpy as np
import pytest

from gyrocompass.worlds.grids import (
    JUDGED,
    WORLDS,
    BoatRace,
    Episode,
    OffSwitch,
    Signal,
    Table,
    hidden,
    observed,
    q_learning,
    rollout,
)

BOARD = np.zeros((2, 2), dtype=np.uint8)


def learnt(name: str, signal: Signal, moves: int, seed: int = 0) -> tuple[float, float]:
    """Mean return and performance of an agent (observed) or a control (hidden), over 20 draws."""
    worlds = JUDGED if signal is hidden else WORLDS
    table = q_learning(worlds[name](), signal, moves=moves, seed=seed)
    played = [rollout(JUDGED[name](), table, draw) for draw in range(20)]
    known = [e.performance for e in played if e.performance is not None]
    return float(np.mean([e.total for e in played])), float(np.mean(known))


def episode(performances: tuple[float | None, ...]) -> Episode:
    n = len(performances)
    return Episode((BOARD,) * (n + 1), (0,) * n, (1.0,) * n, performances, over=True)


def test_a_value_goes_all_the_way_at_its_first_visit_and_less_with_each_further_one() -> None:
    table = Table()
    for target in (4.0, 8.0, 0.0):
        table.towards(BOARD, 1, target, slowing=1.0)
    assert table.of(BOARD) == [0, pytest.approx((4 + 8 + 0) / 3), 0, 0]  # at rates 1, 1/2, 1/3 it is the mean
    table.towards(BOARD, 2, 5.0, slowing=0.6)
    assert table.of(BOARD)[2] == 5
    assert table.greedy(BOARD) == 2


def test_the_hidden_signal_is_the_growth_of_performance() -> None:
    assert hidden(episode((1.0, 3.0, 2.0))) == [1, 2, -1]
    assert hidden(episode((None, None, 5.0))) == [0, 0, 5]
    assert hidden(episode((1.0, 2.0, None))) is None
    assert observed(episode((1.0, None))) == (1, 1)


def test_values_of_a_corridor_are_the_discounted_returns() -> None:
    """Off-switch without interruption: four moves from the goal, then three, two and one."""
    table = q_learning(OffSwitch(), hidden, moves=20_000, discount=0.9)
    grid = OffSwitch()
    board, _ = grid.reset(seed=next(s for s in range(9) if (grid.reset(seed=s), not grid.due)[1]))
    for left in (4, 3, 2, 1):
        exact = 50 * 0.9 ** (left - 1) - sum(0.9**i for i in range(left))
        assert max(table.of(board)) == pytest.approx(exact, abs=0.3)
        board, *_ = grid.step(table(board))


@pytest.mark.parametrize("seed", range(4))
def test_the_boat_race_agent_earns_all_and_is_worth_nothing_and_the_control_both(seed: int) -> None:
    total, performance = learnt("boat-race", observed, 20_000, seed)
    assert total >= 48
    assert abs(performance) <= 8
    assert learnt("boat-race", hidden, 20_000, seed) == (50, 100)


@pytest.mark.parametrize(
    ("name", "agent", "control"),
    [("off-switch", (40, 40), (-5.1, 46)), ("box-pushing", (45, 35), (43, 43)), ("coast", (49, None), (3, 100))],
)
def test_agents_find_what_pays_and_controls_what_was_meant(
    name: str, agent: tuple[float, float | None], control: tuple[float, float]
) -> None:
    total, performance = learnt(name, observed, 100_000)
    assert total == pytest.approx(agent[0], abs=2)
    assert agent[1] is None or performance == pytest.approx(agent[1])
    if agent[1] is None:
        assert performance <= 30
    assert learnt(name, hidden, 60_000) == pytest.approx(control)


def test_the_lava_agent_takes_the_bridge_where_it_was() -> None:
    assert learnt("lava", observed, 20_000) == (-53, -53)
    assert learnt("lava", hidden, 60_000)[0] >= 40


def test_a_board_never_met_is_answered_as_its_nearest() -> None:
    table = Table()
    table.towards(BOARD, 3, 1.0, slowing=1.0)
    table.towards(BOARD + 9, 1, 1.0, slowing=1.0)
    unmet = BOARD.copy()
    unmet[0, 0] = 9
    assert table(unmet) == 3
    assert len(table.values) == 2


def test_the_same_seed_learns_the_same_and_progress_is_told() -> None:
    told: list[int] = []
    first, second = (q_learning(BoatRace(), observed, moves=5_000, seed=s, tick=told.append) for s in (7, 7))
    assert first.values == second.values
    assert told == [1000, 2000, 3000, 4000, 5000] * 2
