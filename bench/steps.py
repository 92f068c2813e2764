"""How long each optimiser step takes in the package's own loop."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from gyrocompass.config import Optimisation
from gyrocompass.learn.loop import Collected, Method, train
from gyrocompass.maths.losses import Metrics
from gyrocompass.models.network import Network
from gyrocompass.run import Run

NEVER = 1 << 30
"""Steps between checkpoints, so that none is written."""


class Enough(Exception):
    """All steps are measured; stops the loop before it writes its last checkpoint."""


class Step(NamedTuple):
    """A step of the loop, and how long its update alone took."""

    collected: Collected
    seconds: float
    update_seconds: float


class Watched:
    """A method whose every step leaves behind when it began, and when its data were there.

    The first step's loss and gradient norm are kept too. Raises Enough where the step after the last would begin.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.networks: Mapping[str, Network] = method.networks
        self.steps, self.state = method.steps + 1, method.state
        self.begins: list[float] = []
        self.ready: list[float] = []
        self.collected: list[Collected] = []
        self.first_loss = self.first_gradient = 0.0

    def collect(self, step: int) -> Collected:
        if step == 2:
            self.first_gradient = gradient_norm(
                p for network in self.networks.values() for p in network.trained.values()
            )
        self.begins.append(time.perf_counter())
        if step > self.method.steps:
            raise Enough
        self.collected.append(self.method.collect(step))
        self.ready.append(time.perf_counter())
        return self.collected[-1]

    def loss(self, micro: Any) -> tuple[Tensor, Metrics]:
        loss, metrics = self.method.loss(micro)
        if len(self.begins) == 1:
            self.first_loss += float(loss.detach())
        return loss, metrics

    @property
    def done(self) -> list[Step]:
        """Every step but the first, which warms up caches and allocators."""
        times = zip(self.collected, self.ready, pairwise(self.begins), strict=True)
        return [Step(collected, end - begin, end - ready) for collected, ready, (begin, end) in times][1:]


def gradient_norm(parameters: Iterable[Tensor]) -> float:
    """Euclidean norm over all parameters that have a gradient."""
    return math.sqrt(sum(float(p.grad.float().square().sum()) for p in parameters if p.grad is not None))


def watch(method: Method, config: Optimisation) -> Watched:
    """Trains to the last step, and writes nothing that stays."""
    watched = Watched(method)
    with tempfile.TemporaryDirectory() as folder, suppress(Enough):
        train(watched, config, Run.open(Path(folder), {"seed": 0}, quiet=True), "bench")
    return watched
