from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gyrocompass.errors import InputError
from gyrocompass.maths import emergence as scaling
from gyrocompass.maths import stats
from gyrocompass.maths.stats import Floats
from gyrocompass.report import read, render
from gyrocompass.report.pages.emergence import emergence, short
from gyrocompass.report.pages.section import Section

PARAMETERS = [18_400, 35_600, 64_500, 129_700, 222_000, 470_000, 894_300]
ALONG = np.linspace(0, 1, len(PARAMETERS))
CURVES = {
    "capability": 0.1 + 0.8 * ALONG**1.5,
    "proxy": -0.4 + 1.6 * ALONG,
    "gold": -0.3 + 0.9 * ALONG - 0.5 * ALONG**3,
    "gap": 0.1 + 0.7 * ALONG,
    "hack_rate": 0.05 + 0.4 / (1 + np.exp(-(ALONG - 0.55) / 0.03)),
    "answer_logprob": -2.5 + 2.2 * ALONG,
    "exact": 0.9 * ALONG**6,
    "gap_gained": 0.05 + 0.5 * ALONG,
}


def noisy(metric: str) -> Floats:
    return CURVES[metric][:, None] + np.random.default_rng(3).normal(0, 0.02, (len(PARAMETERS), 3))


def panel(metric: str, step: int) -> dict[str, Any]:
    values = noisy(metric)
    points = [
        {"parameters": n, "seeds": row.tolist(), **stats.mean(row)._asdict()}
        for n, row in zip(PARAMETERS, values, strict=True)
    ]
    fits = [fit._asdict() for fit in scaling.fits(PARAMETERS, values)]
    found = {"excess": scaling.excess(PARAMETERS, values), "place": scaling.place(PARAMETERS, values)}
    return {"metric": metric, "step": step, "points": points, "fits": fits,
            **{key: e._asdict() for key, e in found.items()}}  # fmt: skip


def course(metric: str) -> dict[str, Any]:
    def at(i: int, step: int) -> dict[str, float]:
        return stats.mean(CURVES[metric][i] * step / 40 + np.array([0.0, 0.02, -0.02]))._asdict()

    steps = (0, 6, 18, 40)
    lines = [
        {"parameters": n, "points": [{"step": step, **at(i, step)} for step in steps]} for i, n in enumerate(PARAMETERS)
    ]
    return {"metric": metric, "lines": lines}


def emergence_json() -> dict[str, Any]:
    """Three seeds, as a sweep of one's own may have."""
    shown = ("capability", "proxy", "gold", "gap", "hack_rate")
    pairs = (("capability", "sft", "answer_logprob", "exact", 0), ("hacking", "ppo", "gap_gained", "hack_rate", 40))
    return {
        "widths": [16, 24, 32, 48, 64, 96, 128],
        "parameters": PARAMETERS,
        "seeds": [0, 1, 2],
        "steps": [0, 6, 18, 40],
        "prompts": 200,
        "answers": 150,
        "panels": [panel(metric, 40) for metric in shown],
        "pairs": [
            {
                "title": title,
                "model": model,
                "smooth": panel(smooth, step),
                "all_or_nothing": panel(coarse, step),
                "added": scaling.added(PARAMETERS, noisy(coarse), to=noisy(smooth))._asdict(),
            }
            for title, model, smooth, coarse, step in pairs
        ],
        "chance": [stats.mean([0.05, 0.06, 0.04])._asdict() for _ in PARAMETERS],
        "courses": [course(metric) for metric in shown],
    }


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return emergence_json()


@pytest.fixture
def make_emergence(run_folder: Path, kept: dict[str, Any]) -> Callable[..., Path]:
    """A run folder with a sweep, parts of emergence.json changed."""

    def make(**changes: Any) -> Path:
        (run_folder / "emergence.json").write_text(json.dumps(kept | changes), encoding="utf-8")
        return run_folder

    return make


def section(folder: Path) -> Section:
    found = emergence(read(folder))
    assert found is not None
    return found


def test_each_metric_has_a_panel_with_its_seeds_mean_and_fits(make_emergence: Callable[..., Path]) -> None:
    content = section(make_emergence()).content
    assert [one.title for one in content["panels"]] == ["Capability", "Proxy", "Gold", "Gap", "Hack rate"]  # type: ignore[attr-defined]
    drawn = str(content["panels"][1].chart)  # type: ignore[index]
    assert drawn.count('class="line seed"') == 3
    assert drawn.count('class="line plain"') == drawn.count('class="band plain"') == 1
    assert drawn.count('class="line trend dashed"') == drawn.count('class="line threshold dashed"') == 1
    assert "chance" not in drawn
    assert 'class="line chance dashed"' in str(content["panels"][4].chart)  # type: ignore[index]
    assert "From −0.4" in drawn


def test_pairs_stand_side_by_side_with_their_excess(make_emergence: Callable[..., Path]) -> None:
    folder = make_emergence()
    capability, hacking = section(folder).content["pairs"]  # type: ignore[misc]
    assert capability.title == "capability"
    assert [kind for kind, _ in capability.sides] == ["smooth", "all or nothing"]
    assert capability.sides[0][1].excess.low < 0.2
    assert hacking.sides[1][1].excess.low > 0.2
    assert hacking.added.low > 0.2
    assert render(read(folder)).count('<th scope="row">the second minus the first') == 2


def test_the_tables_have_every_size_and_fit(make_emergence: Callable[..., Path]) -> None:
    content = section(make_emergence()).content
    assert [row[0] for row in content["rows"]] == ["18k", "36k", "64k", "0.13M", "0.22M", "0.47M", "0.89M"]  # type: ignore[attr-defined]
    assert all(len(estimates) == 5 and estimates[0].n == 3 for _, estimates in content["rows"])  # type: ignore[attr-defined]
    rows = {row.title: row for row in content["fits"]}  # type: ignore[attr-defined]
    assert len(rows) == len(content["fits"]) == 8  # type: ignore[arg-type]
    assert rows["Hack rate"].weight > 0.99
    assert rows["Hack rate"].place
    assert "Exact matches, before PPO" in rows


def test_the_document_holds_it_and_asks_for_nothing(make_emergence: Callable[..., Path]) -> None:
    html = render(read(make_emergence()))
    assert html.count('class="small"') >= 14
    assert "Model size: what grows, and what jumps" in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_a_sweep_too_small_for_fits_is_drawn_without_them(
    make_emergence: Callable[..., Path], kept: dict[str, Any]
) -> None:
    bare = [{**one, "fits": None, "excess": None, "place": None} for one in kept["panels"]]
    pairs = [{**p, "smooth": bare[0], "all_or_nothing": bare[4], "added": None} for p in kept["pairs"][:1]]
    folder = make_emergence(panels=bare, pairs=pairs)
    content = section(folder).content
    assert content["fits"] == []
    assert "threshold" not in str(content["panels"][0].chart)  # type: ignore[index]
    assert "too few" in render(read(folder))


@pytest.mark.parametrize(
    ("n", "text"), [(64, "64"), (512, "0.51k"), (18_400, "18k"), (99_999, "100k"), (7e9, "7.0B"), (894_300, "0.89M")]
)
def test_sizes_are_short(n: float, text: str) -> None:
    assert short(n) == text


def test_a_broken_file_is_one_line(make_emergence: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"emergence\.json: panels") as caught:
        read(make_emergence(panels=3))
    assert "\n" not in str(caught.value)


def test_no_sweep_no_page(run_folder: Path) -> None:
    assert emergence(read(run_folder)) is None
