"""The command line. Flags derive from the settings' models; heavy imports wait until a command runs."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from .errors import GyroError

COMMANDS = {
    "run": (
        "gyrocompass.commands.run:run",
        "Run a recipe: base -> SFT -> preferences -> reward -> PPO -> report.",
    ),
    "sft": ("gyrocompass.commands.stages:sft", "Fine-tune a model on demonstrations."),
    "reward": ("gyrocompass.commands.stages:reward", "Train a reward model on preferences."),
    "ppo": ("gyrocompass.commands.stages:ppo", "Optimise a policy against a scorer, with a KL penalty."),
    "dpo": (
        "gyrocompass.commands.dpo:dpo",
        "Learn from preferences without a reward model, or online against a scorer.",
    ),
    "cai": (
        "gyrocompass.commands.cai:cai",
        "Learn from principles: critique, revision, and a judge in people's place.",
    ),
    "amplify": (
        "gyrocompass.commands.amplify:amplify",
        "Learn from an overseer who asks sub-questions of the model: amplify, distil, again.",
    ),
    "constitution": (
        "gyrocompass.commands.constitution:constitution",
        "Check or read the principles of Constitutional AI.",
    ),
    "debate": (
        "gyrocompass.commands.debate:debate",
        "Let two argue before a judge who knows less, and measure the judge.",
    ),
    "process": (
        "gyrocompass.commands.process:process",
        "Supervise steps: label them, learn the labels, choose by them.",
    ),
    "weak-to-strong": (
        "gyrocompass.commands.weak_to_strong:weak_to_strong",
        "Train a model on a weaker one's labels: how much of the gap to gold does it recover?",
    ),
    "report": ("gyrocompass.commands.run:report", "Write report.html of run folders anew."),
    "settings": ("gyrocompass.commands.run:settings", "Print every setting with its default and meaning."),
    "eval": ("gyrocompass.commands.evaluate:evaluate", "Measure the five properties of models, side by side."),
    "audit": (
        "gyrocompass.commands.audit:audit",
        "Look for reward hacking, specification gaming, distribution shift.",
    ),
    "export": ("gyrocompass.commands.export:export", "Write a run for other tools: inspect, lm-evaluation-harness."),
    "town": ("gyrocompass.commands.town:town", "The embedded world: make its base model, look at its prompts."),
}


ENVIRONMENT = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "1000",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
}
"""Fewer words from libraries. Threads that soon sleep while they wait: on a shared or virtual processor one that spins
takes the time that a working one needs. And few of oneDNN's programs kept: each may hold 4 MiB."""


class Commands(click.Group):
    """Knows its commands by name and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gyrocompass")
def gyro() -> None:
    """Train language models to follow human intent, and measure how far the proxy has pulled them off it.

    `gyro run` alone takes the embedded town from a base model to an aligned one and writes a report.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; a GyroError is one line on standard error and an exit code."""
    _settle_libraries()
    try:
        gyro(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command with the same --out resumes", err=True)
        sys.exit(130)
    except GyroError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "out of memory" not in str(error):
            raise
        click.echo(f"error: {str(error).splitlines()[0]}{_remedy(error)}", err=True)
        sys.exit(1)


def _remedy(error: Exception) -> str:
    return "" if isinstance(error, OSError) else "; lower compute.micro_batch_tokens and resume"


def _settle_libraries() -> None:
    """Sets what libraries read when they are loaded, unless it is set already."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def tell(payload: dict[str, Any], as_json: bool, say: Callable[[], None]) -> None:
    """The end of a command: one JSON line on standard output, or words."""
    if as_json:
        click.echo(json.dumps(payload))
    else:
        say()
