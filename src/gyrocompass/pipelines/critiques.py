"""The stage `critiques`: a model's responses, criticised and revised by principles, kept block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config import CAI, Compute, Sampling
from ..errors import InputError
from ..feedback.constitution import Constitution
from ..feedback.revision import Chain, examples, revise, summary
from ..files import read_jsonl, write_json, write_jsonl
from ..models.batching import seed_of
from ..models.loading import load
from ..models.policy import LocalPolicy
from ..protocols import Policy
from ..records import Example, Prompt
from ..run import Run
from ..terminal import Tick

STAGE = "critiques"
BLOCK_PROMPTS = 256
"""Prompts whose chains are made between two writes: what a kill may cost."""
TRAINING, HELDOUT = "chains", "heldout"
"""Chains to learn from, and chains by which revision itself is measured."""


def critiques(
    run: Run,
    base: str,
    constitution: Constitution,
    prompts: Sequence[Prompt],
    heldout: Sequence[Prompt],
    config: CAI,
    sampling: Sampling,
    compute: Compute,
) -> tuple[list[Chain], list[Chain]]:
    """The base model's chains on `prompts` and on `heldout`; a finished stage is read back.

    Leaves chains.jsonl, heldout.jsonl and summary.json. Raises InputError if no prompt leaves room for a response.
    """
    folder, asked = run.stage_folder(STAGE), {TRAINING: prompts, HELDOUT: heldout}
    if not run.stage_done(STAGE):
        with run.stage(STAGE), run.progress(STAGE, len(prompts) + len(heldout)) as tick:
            maker = ChainMaker(LocalPolicy(load(base, compute), sampling), constitution, config, run.seed)
            made = 0
            for name, some in asked.items():
                chains = maker.in_blocks(folder / name, some, made, tick)
                made += len(some)
                write_jsonl(folder / f"{name}.jsonl", [chain.row for chain in chains])
            write_json(folder / "summary.json", summary(read_chains(folder / f"{TRAINING}.jsonl")).row)
    training, measured = (read_chains(folder / f"{name}.jsonl") for name in asked)
    return training, measured


def to_learn_from(run: Run, chains: Sequence[Chain], helpful: Sequence[Example]) -> list[Example]:
    """The last revisions, then the helpful responses. Raises InputError if no chain has a revision."""
    revised = examples(chains)
    if not revised:
        file = run.stage_folder(STAGE) / f"{TRAINING}.jsonl"
        raise InputError(f"{file}: no chain has a revision; read some, and give the constitution few-shot examples")
    if len(revised) < len(chains):
        run.warn(f"{len(chains) - len(revised):,} of {len(chains):,} chains have no revision and are not learnt from")
    return [*revised, *helpful]


def read_chains(file: Path) -> list[Chain]:
    """The chains that a stage wrote."""
    return [Chain.from_row(row) for row in read_jsonl(file)]


class ChainMaker:
    """Makes chains, a block of prompts at a time; blocks already on disk aren't made again."""

    def __init__(self, policy: Policy, constitution: Constitution, config: CAI, seed: int) -> None:
        self.policy, self.constitution, self.config, self.seed = policy, constitution, config, seed

    def in_blocks(
        self, folder: Path, prompts: Sequence[Prompt], before: int = 0, tick: Tick | None = None
    ) -> list[Chain]:
        """The chains of all prompts; `tick` is told how many there are, with `before` made elsewhere."""
        folder.mkdir(parents=True, exist_ok=True)
        chains: list[Chain] = []
        for start in range(0, len(prompts), BLOCK_PROMPTS):
            file = folder / f"{start:06d}.jsonl"
            if not file.exists():
                made = self._made(prompts[start : start + BLOCK_PROMPTS], seed_of(self.seed, folder.name, start))
                write_jsonl(file, [chain.row for chain in made])
            chains += read_chains(file)
            if tick:
                tick(before + len(chains))
        return chains

    def _made(self, prompts: Sequence[Prompt], seed: int) -> list[Chain]:
        config = self.config
        return revise(self.policy, self.constitution, prompts, config.rounds, critiques=config.critiques, seed=seed)
