"""Small worlds with an observed reward and a hidden performance, after Leike et al. 2017, arXiv:1711.09883."""

from __future__ import annotations

import gymnasium as gym

from .absent_supervisor import AbsentSupervisor
from .boat_race import BoatRace
from .box_pushing import BoxPushing
from .coast import Coast
from .episode import Act, Episode, diluted, rollout
from .grid import Board, Grid, Turn
from .lava import Lava, ShiftedLava
from .off_switch import OffSwitch
from .q_learning import Signal, Table, hidden, observed, q_learning
from .scripts import MEMORISED, SCRIPTS, Scripts, follow
from .tomato_watering import TomatoWatering

WORLDS: dict[str, type[Grid]] = {
    "boat-race": BoatRace,
    "coast": Coast,
    "tomato-watering": TomatoWatering,
    "absent-supervisor": AbsentSupervisor,
    "off-switch": OffSwitch,
    "box-pushing": BoxPushing,
    "lava": Lava,
}
"""Every world by name, as an agent learns it."""

JUDGED: dict[str, type[Grid]] = WORLDS | {"lava": ShiftedLava}
"""Every world by name, as the agent is judged in it."""

for kind in {*WORLDS.values(), *JUDGED.values()}:
    gym.register(f"gyrocompass/{kind.__name__}-v0", entry_point=f"{__name__}:{kind.__name__}")

__all__ = [
    "JUDGED",
    "MEMORISED",
    "SCRIPTS",
    "WORLDS",
    "AbsentSupervisor",
    "Act",
    "Board",
    "BoatRace",
    "BoxPushing",
    "Coast",
    "Episode",
    "Grid",
    "Lava",
    "OffSwitch",
    "Scripts",
    "ShiftedLava",
    "Signal",
    "Table",
    "TomatoWatering",
    "Turn",
    "diluted",
    "follow",
    "hidden",
    "observed",
    "q_learning",
    "rollout",
]
