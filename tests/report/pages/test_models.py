from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gyrocompass.records import Measurement
from gyrocompass.report import RunData, read
from gyrocompass.report.pages.models import in_order, kinds_by_change, models


def gold(model: str, value: float, kind: str | None, n: int = 50) -> Measurement:
    return Measurement(model, "intent", "gold", value, value - 0.1, value + 0.1, n, kind)


def test_kinds_are_in_the_order_of_what_training_lost_on_them() -> None:
    values = {"a": (0.5, 0.6), "b": (0.9, 0.2), "c": (0.5, 0.4)}
    evals = [gold(m, v, kind) for kind, both in values.items() for m, v in zip(("sft", "ppo"), both, strict=True)]
    assert kinds_by_change(RunData("r", evals=(*evals, gold("ppo", 0.5, "only after")))) == [
        "b",
        "c",
        "a",
        "only after",
    ]


def test_models_stand_in_the_order_in_which_they_are_made() -> None:
    assert in_order(["mine", "ppo", "base", "ppo"]) == ["base", "ppo", "mine"]


def test_the_finding_counts_intervals_that_do_not_touch() -> None:
    """a: [0.4, 0.6] against [0.7, 0.9] is above; b: [0.8, 1.0] against [0.1, 0.3] below; c overlaps."""
    values = {"a": (0.5, 0.8), "b": (0.9, 0.2), "c": (0.5, 0.55)}
    evals = [gold(m, v, kind) for kind, both in values.items() for m, v in zip(("sft", "ppo"), both, strict=True)]
    section = models(RunData("r", evals=tuple(evals)))
    assert section is not None
    assert section.title == "SFT and PPO, by kind of prompt"
    said = "Of 3 kinds of prompt, the gold reward of PPO lies below that of SFT on 1 and above it on 1"
    assert str(section.content["finding"]).startswith(said)


def test_sizes_that_differ_are_all_stated() -> None:
    section = models(RunData("r", evals=(gold("base", 0.5, None, 40), gold("ppo", 0.5, None, 1050))))
    assert section is not None
    assert section.content["main"].lines[0].sizes == "n = 40 / 1,050"  # type: ignore[attr-defined]


def test_other_properties_and_an_empty_table_have_no_page_here(run_folder: Path) -> None:
    run = read(run_folder)
    assert models(replace(run, evals=tuple(replace(row, property="honesty") for row in run.evals))) is None
    assert models(replace(run, evals=())) is None
