"""What the benchmarks share: models of known sizes, the machine's ceiling, medians, peak memory, tables.

The ceiling is what the machine does with nothing but the matrix products of the model's own linear layers:
`x @ w.T` forward, and `g @ w` and `g.T @ x` backward, by whichever library is the faster. A fraction of it is the
share of the elapsed time that these products alone would have taken; attention, norms, optimiser and waiting make up
the rest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gyrocompass.cli import ENVIRONMENT
from gyrocompass.maths.products import matmul_t
from gyrocompass.models.network import Network

P = ParamSpec("P")
T = TypeVar("T")


class Spread(NamedTuple):
    """A median with its lower and upper quartile over n repetitions."""

    median: float
    low: float
    high: float
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError if there are no values."""
    if not values:
        raise ValueError("no number without data")
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Spread(median, low, high, len(values))


def timed(action: Callable[[], T], device: torch.device) -> tuple[T, float]:
    """What it returns, and the seconds until its last kernel is done."""
    wait(device)
    begin = time.perf_counter()
    found = action()
    wait(device)
    return found, time.perf_counter() - begin


def wait(device: torch.device) -> None:
    """Until its last kernel is done."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class Ceiling(NamedTuple):
    """FLOP/s of a model's products alone, with `rows` rows: forward, and forward with backward."""

    rows: int
    forward: Spread
    training: Spread


def ceiling(network: Network, rows: int, repetitions: int) -> Ceiling:
    """The machine's ceiling for this model's linear layers, in the type it trains in.

    Both PyTorch's own products and this package's are timed; the faster ones count.
    """
    found = [_ceiling(network, rows, repetitions, product) for product in (F.linear, matmul_t)]
    return max(found, key=lambda limit: limit.training.median)


def _ceiling(network: Network, rows: int, repetitions: int, product: Callable[[Tensor, Tensor], Tensor]) -> Ceiling:
    linear = [m for m in network.model.modules() if isinstance(m, nn.Linear)]
    forward, backward = [], []
    for (inside, outside), count in Counter((m.in_features, m.out_features) for m in linear).items():
        new = partial(torch.randn, dtype=network.autocast_type or torch.float32, device=network.device)
        x, w, g = new(rows, inside), new(outside, inside), new(rows, outside)
        forward += [partial(product, x, w)] * count
        backward += [partial(product, g, w.T), partial(product, g.T, x.T)] * count
    flops = sum(2.0 * rows * m.weight.numel() for m in linear)
    kinds = partial(_all, forward), partial(_all, [*forward, *backward])
    seconds = [[timed(products, network.device)[1] for products in kinds] for _ in range(repetitions + 1)][1:]
    return Ceiling(rows, spread([flops / f for f, _ in seconds]), spread([3 * flops / t for _, t in seconds]))


@torch.no_grad()
def _all(products: Sequence[Callable[[], Tensor]]) -> None:
    for product in products:
        product()


class Work(NamedTuple):
    """Multiplications and additions with the parameters: in forward passes alone, and in training steps."""

    forward: float = 0.0
    training: float = 0.0

    def seconds_at(self, limit: Ceiling) -> float:
        return self.forward / limit.forward.median + self.training / limit.training.median


def forward_flops(network: Network, read_tokens: float, predicted_tokens: float = 0) -> float:
    """2 x parameters x tokens: those of the layers for every token read, the head's for those predicted."""
    linear = [m for m in network.core.base_model.modules() if isinstance(m, nn.Linear)]
    layers = sum(m.weight.numel() for m in linear)
    head = network.core.get_output_embeddings()
    return 2.0 * (layers * read_tokens + (head.weight.numel() if head else 0) * predicted_tokens)


class Lap(NamedTuple):
    """One repetition."""

    tokens: float
    seconds: float
    work: Work


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: medians over n repetitions, tokens/s with its quartiles.

    `part` is None for the whole; `peak_memory_mib` is the process's, `device_memory_mib` a GPU's tensors'.
    """

    size: str
    method: str
    part: str | None
    batch: int
    tokens_per_second: float
    tokens_per_second_low: float
    tokens_per_second_high: float
    n: int
    seconds: float
    ceiling_fraction: float
    peak_memory_mib: float | None = None
    device_memory_mib: float | None = None


def row(size: str, method: str, part: str | None, batch: int, laps: Sequence[Lap], limit: Ceiling) -> Row:
    """Medians over the laps. Raises ValueError if there are none."""
    rate = spread([lap.tokens / lap.seconds for lap in laps])
    share = spread([lap.work.seconds_at(limit) / lap.seconds for lap in laps])
    seconds = spread([lap.seconds for lap in laps])
    return Row(size, method, part, batch, *rate, seconds.median, share.median)


def in_child(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> tuple[T, float]:
    """What the function returns in a process of its own, and the most memory that process held, MiB."""
    os.environ.update(ENVIRONMENT)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        call = partial(function, *arguments, **options)
        return pool.submit(_with_peak, call).result()


def _with_peak(call: Callable[[], T]) -> tuple[T, float]:
    result = call()
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def device_peak_mib() -> float | None:
    """The most memory that tensors held on the GPU so far, MiB; None without one."""
    return torch.cuda.max_memory_allocated() / (1 << 20) if torch.cuda.is_available() else None


def description(device: torch.device) -> dict[str, Any]:
    """The machine and the versions that a number belongs to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def show(
    rows: Sequence[Row], ceilings: Mapping[str, Sequence[Ceiling]], machine: Mapping[str, Any], as_json: bool
) -> None:
    """The results as a table per size, or as one JSON object on the last line."""
    if as_json:
        limits = [{"size": size, **_flat(limit)} for size, several in ceilings.items() for limit in several]
        print(json.dumps({"machine": machine, "ceilings": limits, "rows": [asdict(row) for row in rows]}))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    for size, several in ceilings.items():
        console.print(f"\n[bold]{size}[/]")
        for limit in several:
            forward, training = _in_giga(limit.forward), _in_giga(limit.training)
            console.print(f"ceiling, {limit.rows:,} rows: forward {forward}, with backward {training} GFLOP/s")
        console.print(_table([row for row in rows if row.size == size]))


def _flat(limit: Ceiling) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": limit.rows, "n": limit.forward.n}
    for name, s in (("forward", limit.forward), ("training", limit.training)):
        key = f"{name}_flops_per_second"
        found |= {key: s.median, f"{key}_low": s.low, f"{key}_high": s.high}
    return found


def _in_giga(s: Spread) -> str:
    return f"{s.median / 1e9:,.0f} ({s.low / 1e9:,.0f}-{s.high / 1e9:,.0f})"


def _table(rows: Sequence[Row]) -> Any:
    from rich.table import Table

    table = Table("method", box=None, padding=(0, 1, 0, 0))
    for heading in ("batch", "tokens/s", "quartiles", "n", "seconds", "ceiling", "MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        memory = row.peak_memory_mib if row.device_memory_mib is None else row.device_memory_mib
        table.add_row(
            row.method if row.part is None else f"  {row.part}",
            str(row.batch),
            f"{row.tokens_per_second:,.0f}",
            f"{row.tokens_per_second_low:,.0f}-{row.tokens_per_second_high:,.0f}",
            str(row.n),
            f"{row.seconds:.3f}",
            f"{row.ceiling_fraction:.0%}",
            "" if memory is None else f"{memory:,.0f}",
        )
    return table
