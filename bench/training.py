"""Training speed: tokens/s of each stage, the share of the machine's ceiling, and peak memory.

    python bench/training.py [--quick] [--size town|15m] [--method sft|reward|ppo]
                              [--precision fp32|bf16|auto] [--micro-batch-tokens N] [--json]

Counted are the tokens a stage learns from, padding left out: of both responses of a pair, and of a ppo step's
rollouts once, however many models and passes read them. Each stage runs in a process of its own and in the
package's own loop. The parts of a ppo step are timed apart, on rollouts of the same policy.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import click
import machine
from machine import Ceiling, Lap, Row, Work, forward_flops, timed
from torch import Tensor
from workload import SIZES, Size, build, examples

from gyrocompass.config import PPO, SFT, Compute, Optimisation, Reward, Sampling
from gyrocompass.learn.loop import Collected, Method, train
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.learn.reward import RewardModelling
from gyrocompass.learn.sft import Finetuning
from gyrocompass.maths.losses import Metrics
from gyrocompass.models import chat
from gyrocompass.models.chat import Row as Tokens
from gyrocompass.models.network import Network
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.models.policy import over_rows, reference_logprobs, response_texts, rollout, sampled_logprobs
from gyrocompass.models.scorer import RewardModel
from gyrocompass.records import Example, Preference
from gyrocompass.run import Run

Laps = dict[str | None, list[Lap]]
"""By part; None is the whole."""

NEVER = 1 << 30
"""Steps between checkpoints, so that none is written."""


class Enough(Exception):
    """All steps are measured; stops the loop before it writes its last checkpoint."""


class Watched:
    """A method whose every step leaves behind when it began, and when its data were there.

    Raises Enough where the step after the last would begin.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.networks: Mapping[str, Network] = method.networks
        self.steps, self.state = method.steps + 1, method.state
        self.begins: list[float] = []
        self.ready: list[float] = []
        self.collected: list[Collected] = []

    def collect(self, step: int) -> Collected:
        self.begins.append(time.perf_counter())
        if step > self.method.steps:
            raise Enough
        self.collected.append(self.method.collect(step))
        self.ready.append(time.perf_counter())
        return self.collected[-1]

    def loss(self, micro: Any) -> tuple[Tensor, Metrics]:
        return self.method.loss(micro)


class Step(NamedTuple):
    """A step of the loop, and how long its update alone took."""

    collected: Collected
    seconds: float
    update_seconds: float


def steps_of(method: Method, config: Optimisation) -> list[Step]:
    """Trains, and tells of every step but the first, which warms up caches and allocators."""
    watched = Watched(method)
    with tempfile.TemporaryDirectory() as folder, suppress(Enough):
        train(watched, config, Run.open(Path(folder), {"seed": 0}, quiet=True), "bench")
    times = zip(watched.collected, watched.ready, pairwise(watched.begins), strict=True)
    return [Step(collected, end - begin, end - ready) for collected, ready, (begin, end) in times][1:]


def sft(size: Size, compute: Compute, repetitions: int) -> Laps:
    network = build(size, compute, trainable=True)
    many = examples(size, size.batch * (repetitions + 1))
    rows = chat.encode(network.tokenizer, many, network.max_tokens).rows
    config = SFT(batch_size=size.batch, checkpoint_every=NEVER)
    learnt = sum(row.n_response for row in rows) / sum(map(len, rows))

    def lap(step: Step) -> Lap:
        tokens = step.collected.tokens
        return Lap(tokens, step.seconds, Work(training=3 * forward_flops(network, tokens, learnt * tokens)))

    return {None: [lap(step) for step in steps_of(Finetuning(network, rows, config, 0), config)]}


def reward(size: Size, compute: Compute, repetitions: int) -> Laps:
    network = build(size, compute, scalar=True, trainable=True)
    firsts, seconds = (examples(size, size.batch * (repetitions + 1), seed) for seed in (0, 1))
    both = zip(firsts, seconds, strict=True)
    preferences = [Preference(one.prompt, str(one.response), str(two.response)) for one, two in both]
    config = Reward(batch_size=size.batch, checkpoint_every=NEVER)
    method = RewardModelling(network, encode_pairs(network, preferences)[0], config, 0)

    def lap(step: Step) -> Lap:
        tokens = step.collected.tokens
        return Lap(tokens, step.seconds, Work(training=3 * forward_flops(network, tokens)))

    return {None: [lap(step) for step in steps_of(method, config)]}


class Quartet(NamedTuple):
    """The four models of a ppo step."""

    policy: Network
    reference: Network
    critic: Network
    scorer: RewardModel


def ppo(size: Size, compute: Compute, repetitions: int) -> Laps:
    models = Quartet(
        build(size, compute, trainable=True),
        build(size, compute),
        build(size, compute, scalar=True, trainable=True),
        RewardModel(build(size, compute, scalar=True)),
    )
    many = examples(size, size.batch * (repetitions + 1))
    config = PPO(batch_size=size.batch, steps=repetitions + 1, minibatches=2, checkpoint_every=NEVER)
    sampling = Sampling(max_new_tokens=size.new_tokens)
    prompts = [example.prompt for example in many]
    method = PolicyOptimisation(
        models.policy, models.reference, models.critic, models.scorer, prompts, config, sampling, 0
    )
    laps: Laps = {None: [], "update": []}
    for step in steps_of(method, config):
        tokens = step.collected.tokens
        works = _works(models, tokens, step.collected.metrics["response_tokens"] * size.batch, config.epochs)
        whole = Work(*map(sum, zip(*works.values(), strict=True)))
        laps[None].append(Lap(tokens, step.seconds, whole))
        laps["update"].append(Lap(tokens, step.update_seconds, works["update"]))
    cuts = [many[i : i + size.batch] for i in range(0, len(many), size.batch)]
    timed = [_parts(models, cut, sampling, seed) for seed, cut in enumerate(cuts)][1:]
    return {**laps, **{part: [found[part] for found in timed] for part in timed[0]}}


def _works(models: Quartet, tokens: float, answered: float, epochs: int) -> dict[str, Work]:
    """What each part of a step multiplies; `answered` are the response tokens among the tokens."""
    policy = forward_flops(models.policy, tokens, answered)
    critic = forward_flops(models.critic, tokens)
    return {
        "rollout": Work(policy),
        "log-probabilities": Work(2 * policy + critic),
        "scores": Work(forward_flops(models.scorer.network, tokens)),
        "update": Work(training=3 * epochs * (policy + critic)),
    }


def _parts(models: Quartet, asked: Sequence[Example], sampling: Sampling, seed: int) -> dict[str | None, Lap]:
    """One rollout, its log-probabilities and values, its scores, each timed."""
    policy = models.policy
    ids = chat.encode_prompts(policy.tokenizer, [example.prompt for example in asked])
    device, seconds = policy.device, {}
    (rows, _), seconds["rollout"] = timed(partial(rollout, policy, ids, 1, sampling, seed), device)
    _, seconds["log-probabilities"] = timed(partial(_log_probabilities, models, rows, sampling), device)
    answers = zip(asked, response_texts(policy, rows), strict=True)
    answered = [replace(example, response=text) for example, text in answers]
    _, seconds["scores"] = timed(partial(models.scorer, answered), device)
    tokens = sum(map(len, rows))
    works = _works(models, tokens, sum(row.n_response for row in rows), epochs=0)
    return {part: Lap(tokens, seconds[part], works[part]) for part in seconds}


def _log_probabilities(models: Quartet, rows: Sequence[Tokens], sampling: Sampling) -> None:
    critic = models.critic
    sampled_logprobs(models.policy, rows, sampling.temperature)
    reference_logprobs(models.policy, models.reference, rows, sampling.temperature)
    over_rows(critic, rows, lambda batch: critic.scalars(batch)[:, :-1])


METHODS: dict[str, Callable[[Size, Compute, int], Laps]] = {"sft": sft, "reward": reward, "ppo": ppo}


def measure(size: str, method: str, compute: Compute, repetitions: int) -> tuple[Laps, float | None]:
    """A stage's laps, and a GPU's peak memory."""
    return METHODS[method](SIZES[size], compute, repetitions), machine.device_peak_mib()


def limit_of(size: str, compute: Compute, repetitions: int) -> tuple[Ceiling, dict[str, Any]]:
    """The ceiling at about as many tokens as an optimiser step reads, and what machine it is."""
    shape = SIZES[size]
    network = build(shape, compute)
    tokens = shape.batch * (shape.prompt_tokens + shape.response_tokens)
    return machine.ceiling(network, tokens, repetitions), machine.description(network.device)


def rows_of(size: str, method: str, compute: Compute, repetitions: int, limit: Ceiling) -> list[Row]:
    """The whole with its peak memory, then its parts."""
    (laps, device_mib), peak = machine.in_child(measure, size, method, compute, repetitions)
    rows = [machine.row(size, method, part, SIZES[size].batch, found, limit) for part, found in laps.items()]
    return [replace(rows[0], peak_memory_mib=peak, device_memory_mib=device_mib), *rows[1:]]


@click.command()
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), help="Default: all.")
@click.option("--method", "methods", multiple=True, type=click.Choice(list(METHODS)), help="Default: all.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="fp32", show_default=True)
@click.option("--micro-batch-tokens", type=int, default=Compute().micro_batch_tokens, show_default=True)
@click.option("--quick", is_flag=True, help="3 repetitions instead of 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of tables.")
def main(
    sizes: Sequence[str],
    methods: Sequence[str],
    precision: Any,
    micro_batch_tokens: int,
    quick: bool,
    as_json: bool,
) -> None:
    """Training tokens/s per stage, as a share of what the machine can multiply."""
    compute = Compute(precision=precision, micro_batch_tokens=micro_batch_tokens)
    repetitions = 3 if quick else 10
    limits: dict[str, list[Ceiling]] = {}
    rows: list[Row] = []
    for size in sizes or SIZES:
        (limit, where), _ = machine.in_child(limit_of, size, compute, repetitions)
        limits[size] = [limit]
        for method in methods or METHODS:
            rows += rows_of(size, method, compute, repetitions, limit)
    machine.show(rows, limits, where, as_json)


if __name__ == "__main__":
    main()
