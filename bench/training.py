"""Training speed: tokens/s of each stage, the share of the machine's ceiling, and peak memory.

    python bench/training.py [--quick] [--size town|small] [--method sft|reward|ppo]
                              [--precision fp32|bf16|auto] [--micro-batch-tokens N] [--json]

Counted are the tokens a stage learns from, padding left out: of both responses of a pair, and of a ppo step's
rollouts once, however many models and passes read them. Each stage runs in a process of its own and in the
package's own loop. The parts of a ppo step are timed apart, on rollouts of the same policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import click
import machine
from machine import Ceiling, Lap, Row, Work, forward_flops, timed
from steps import NEVER, Step, watch
from workload import SIZES, Size, build, examples, preferences, size_of

from gyrocompass.config import PPO, SFT, Compute, Reward, Sampling
from gyrocompass.learn.ppo import PolicyOptimisation
from gyrocompass.learn.reward import RewardModelling
from gyrocompass.learn.sft import Finetuning
from gyrocompass.models import chat
from gyrocompass.models.chat import Row as Tokens
from gyrocompass.models.network import Network
from gyrocompass.models.pairs import encode_pairs
from gyrocompass.models.policy import over_rows, reference_logprobs, response_texts, rollout, sampled_logprobs
from gyrocompass.models.scorer import RewardModel
from gyrocompass.records import Example

Laps = dict[str | None, list[Lap]]
"""By part; None is the whole."""


def sft(size: Size, compute: Compute, repetitions: int) -> Laps:
    network = build(size, compute, trainable=True)
    many = examples(size, size.batch * (repetitions + 1))
    rows = chat.encode(network.tokenizer, many, network.max_tokens).rows
    config = SFT(batch_size=size.batch, checkpoint_every=NEVER)
    learnt = sum(row.n_response for row in rows) / sum(map(len, rows))

    def lap(step: Step) -> Lap:
        tokens = step.collected.tokens
        return Lap(tokens, step.seconds, Work(training=3 * forward_flops(network, tokens, learnt * tokens)))

    return {None: [lap(step) for step in watch(Finetuning(network, rows, config, 0), config).done]}


def reward(size: Size, compute: Compute, repetitions: int) -> Laps:
    network = build(size, compute, scalar=True, trainable=True)
    many = preferences(size, size.batch * (repetitions + 1))
    config = Reward(batch_size=size.batch, checkpoint_every=NEVER)
    method = RewardModelling(network, encode_pairs(network, many)[0], config, 0)

    def lap(step: Step) -> Lap:
        tokens = step.collected.tokens
        return Lap(tokens, step.seconds, Work(training=3 * forward_flops(network, tokens)))

    return {None: [lap(step) for step in watch(method, config).done]}


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
    for step in watch(method, config).done:
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
    (rows, *_), seconds["rollout"] = timed(partial(rollout, policy, ids, 1, sampling, seed), device)
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
    return METHODS[method](size_of(size), compute, repetitions), machine.device_peak_mib()


def limit_of(size: str, compute: Compute, repetitions: int) -> tuple[Ceiling, dict[str, Any]]:
    """The ceiling at about as many tokens as an optimiser step reads, and what machine it is."""
    shape = size_of(size)
    network = build(shape, compute)
    tokens = shape.batch * (shape.prompt_tokens + shape.response_tokens)
    return machine.ceiling(network, tokens, repetitions), machine.description(network.device)


def rows_of(size: str, method: str, compute: Compute, repetitions: int, limit: Ceiling) -> list[Row]:
    """The whole with its peak memory, then its parts."""
    (laps, device_mib), peak = machine.in_child(measure, size, method, compute, repetitions)
    rows = [machine.row(size, method, part, size_of(size).batch, found, limit) for part, found in laps.items()]
    return [replace(rows[0], peak_memory_mib=peak, device_memory_mib=device_mib), *rows[1:]]


@click.command()
@click.option("--size", "sizes", multiple=True, type=click.Choice(list(SIZES)), help="Default: all.")
@click.option("--method", "methods", multiple=True, type=click.Choice(list(METHODS)), help="Default: all.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="fp32", show_default=True)
@click.option("--micro-batch-tokens", type=int, help="Default: the network's.")
@click.option("--quick", is_flag=True, help="3 repetitions instead of 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line instead of tables.")
def main(
    sizes: Sequence[str],
    methods: Sequence[str],
    precision: Any,
    micro_batch_tokens: int | None,
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
