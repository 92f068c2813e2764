from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.curve import curve
from gyrocompass.report.pages.frontier import frontier
from gyrocompass.report.pages.models import models

HOSTILE = "<script>alert('x')</script>"


def estimate(value: float, half: float, n: int = 400) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def point(step: int, kl: float, proxy: float, utility: float, gold: float) -> dict[str, Any]:
    found = {"kl_nats": kl, "proxy": proxy, "rater_utility": utility, "gold": gold}
    halves = {"kl_nats": 0.05 * kl, "proxy": 0.07, "rater_utility": 0.05, "gold": 0.045}
    bounds = {f"{key}{end}": value + sign * halves[key] for key, value in found.items()
              for end, sign in (("_low", -1), ("_high", 1))}  # fmt: skip
    return {"step": step, "n": 400, **found, **bounds}


def walk(reach: float, steps: int, bend: float, rise: float) -> Iterator[dict[str, Any]]:
    """Checkpoints out to a KL of `reach`: gold rises and bends down, the proxy keeps on rising."""
    for i in range(8):
        d = math.sqrt(reach) * (i / 7) ** 0.8
        yield point(
            steps * i // 7, d * d, 0.05 + rise * d, 1.1 + 0.2 * d - 0.012 * d * d, 0.6 + 0.11 * d - bend * d * d
        )


def curve_of(model: str, stage: str, setting: str | None, points: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    peak = max(points, key=lambda p: p["gold"])
    drop = peak["gold"] - points[-1]["gold"]
    fall = {"step": peak["step"], "kl_nats": peak["kl_nats"], "gold": peak["gold"], "last_gold": points[-1]["gold"],
            "drop": drop, "drop_low": drop - 0.04, "drop_high": drop + 0.04, "n": 200}  # fmt: skip
    base = {"default": False, "rests_on": [stage], "seconds": None, "peak_mib": None, "added_mib": None}
    return {"model": model, "stage": stage, "setting": setting, "points": points, "peak": fall if setting else None,
            **base, **more}  # fmt: skip


def comparison(first: str, second: str, gap: float) -> dict[str, Any]:
    levels = [{"kl_nats": kl, **estimate(gap * kl / 8, 0.04)} for kl in (1.0, 2.0, 4.0, 8.0)]
    return {"first": first, "second": second, "levels": levels, **estimate(gap / 2, 0.03)}


def frontier_json() -> dict[str, Any]:
    best = [
        point(n, math.log(n) - (n - 1) / n, 0.05 + 0.5 * math.log(n), 1.1 + 0.1 * math.log(n), 0.6 + 0.05 * math.log(n))
        for n in (1, 2, 4, 8, 16, 32)
    ]
    return {
        "gauge": "gold",
        "curves": [
            curve_of("sft", "sft", None, [point(0, 0.0, 0.05, 1.1, 0.6)], default=True),
            curve_of("best-of-n", "best-of-n", None, best, default=True, rests_on=["reward"],
                     seconds=41.0, added_mib=160.0),
            curve_of("ppo", "ppo-1", "kl_coef=0.03", list(walk(19.0, 40, 0.045, 0.5)), default=True,
                     rests_on=["reward", "ppo-1"], seconds=118.0, added_mib=295.0),
            curve_of("ppo", "ppo-2", "kl_coef=0.1", list(walk(8.5, 40, 0.036, 0.52)), seconds=117.0, added_mib=281.0),
            curve_of("dpo", "dpo-2", "beta=0.03", list(walk(31.0, 170, 0.036, 0.36)), seconds=61.0, added_mib=240.0),
            curve_of("dpo", "dpo-1", "beta=0.1", list(walk(14.0, 170, 0.032, 0.38)), default=True, seconds=66.0,
                     added_mib=241.0),
            curve_of("dpo", "dpo-3", "beta=0.3", list(walk(5.1, 170, 0.026, 0.4)), seconds=61.0, added_mib=239.0),
            curve_of("dpo", "dpo-4", "beta=1", list(walk(1.2, 170, 0.02, 0.4)), seconds=61.0, added_mib=240.0),
        ],
        "equal_kl": [comparison(first, second, gap) for first in ("ppo-1", "ppo-2") for second, gap in
                     (("dpo-2", -0.11), ("dpo-1", -0.06), ("dpo-3", -0.01), ("dpo-4", 0.01))],
        "changed_raters": {
            "ppo": "ppo-1",
            "dpo": "dpo-1",
            "disagreement": estimate(0.58, 0.013, 5600),
            "policies": [
                {"model": "sft", "about": "as it was", "slice": "changed raters", **estimate(0.52, 0.05)},
                {"model": "ppo", "about": "as it was", "slice": "changed raters: before", **estimate(0.31, 0.06)},
                {"model": "ppo", "about": "new reward model", "slice": "changed raters", **estimate(0.83, 0.05)},
                {"model": "dpo", "about": "old pairs", "slice": "changed raters", **estimate(0.39, 0.06)},
                {"model": "dpo", "about": "new pairs", "slice": "changed raters: new pairs", **estimate(0.71, 0.05)},
            ],
            "differences": [
                {"first": 3, "second": 2, **estimate(0.44, 0.07)},
                {"first": 1, "second": 2, **estimate(0.52, 0.06)},
                {"first": 3, "second": 4, **estimate(0.32, 0.06)},
            ],
        },
        "sentences": ["At equal KL, from 1 to 8 nats, DPO's gold is lower than PPO's by 0.03 [0.01, 0.05] (n=400)."],
    }  # fmt: skip


@pytest.fixture
def make_frontier(run_folder: Path) -> Callable[..., Path]:
    """A run folder with a frontier, parts of frontier.json changed: `make_frontier(equal_kl=[])`."""

    def make(**changes: Any) -> Path:
        (run_folder / "frontier.json").write_text(json.dumps(frontier_json() | changes), encoding="utf-8")
        return run_folder

    return make


def section(folder: Path) -> Any:
    found = frontier(read(folder))
    assert found is not None
    return found.content


def words(html: str) -> str:
    html = html[html.index('<section id="frontier"') :]
    return " ".join(re.sub(r"<[^>]+>", " ", html[: html.index("</section>")]).split())


def test_a_panel_per_metric_with_a_line_per_run_and_its_setting_at_the_end(make_frontier: Callable[..., Path]) -> None:
    page = section(make_frontier())
    assert [panel.metric for panel in page["panels"]] == ["gold", "rater_utility", "proxy"]
    for panel in page["panels"]:
        assert panel.chart.count('<path class="line ppo"') == 2
        assert panel.chart.count('<path class="line dpo"') == 4
        assert panel.chart.count('<path class="line best-of-n dashed"') == 1
        assert re.findall(r'end-label (\w+)[^>]*>([^<]+)<', panel.chart) == [
            ("ppo", "0.03"), ("ppo", "0.1"), ("dpo", "0.03"), ("dpo", "0.1"), ("dpo", "0.3"), ("dpo", "1"),
        ]  # fmt: skip


def test_bands_are_those_of_the_settings_that_stand_for_their_methods(make_frontier: Callable[..., Path]) -> None:
    gold = section(make_frontier())["panels"][0].chart
    assert re.findall(r'<path class="band ([^"]+)"', gold) == ["best-of-n dashed", "ppo", "dpo"]


def test_the_table_has_every_number_with_its_interval(make_frontier: Callable[..., Path]) -> None:
    folder = make_frontier()
    lines = {line.name: line for line in section(folder)["lines"]}
    assert list(lines) == [
        "SFT", "best of 32", "PPO, kl_coef 0.03", "PPO, kl_coef 0.1",
        "DPO, β 0.03", "DPO, β 0.1", "DPO, β 0.3", "DPO, β 1",
    ]  # fmt: skip
    assert lines["PPO, kl_coef 0.03"].over
    assert lines["PPO, kl_coef 0.03"].kl == "19.0"
    assert (lines["DPO, β 1"].peak, lines["DPO, β 1"].fall, lines["DPO, β 1"].over) == ("the end", None, False)
    assert lines["SFT"].seconds is None
    html = render(read(folder))
    assert "0.60 [0.55, 0.65] 1.10 [1.05, 1.15] 0.05 [−0.02, 0.12]" in words(html)
    table = html[html.index('<table class="numbers reached"') :]
    table = table[: table.index("</table>")]
    assert table.count('class="over"') == sum(line.over for line in lines.values())


def test_dpo_is_set_against_the_ppo_that_stands_and_the_others_are_folded(make_frontier: Callable[..., Path]) -> None:
    folder = make_frontier()
    page = section(folder)
    assert page["against"] == "PPO, kl_coef 0.03"
    assert [one.group.title for one in page["equal"].groups] == ["DPO, β 0.03", "DPO, β 0.1", "DPO, β 0.3", "DPO, β 1"]
    assert [row.label for row in page["equal"].groups[0].group.rows] == [
        "KL 1 nats", "KL 2 nats", "KL 4 nats", "KL 8 nats", "mean of these",
    ]  # fmt: skip
    assert [one.group.notes for one in page["others"].groups] == [("minus PPO, kl_coef 0.1",)] * 4
    assert "Against the other PPO runs" in words(render(read(folder)))


def test_who_followed_the_changed_raters(make_frontier: Callable[..., Path]) -> None:
    folder = make_frontier()
    changed = section(folder)["changed"]
    assert [row.label for row in changed["gaps"].groups[0].group.rows] == [
        "PPO, new reward model − DPO, old pairs",
        "PPO, new reward model − PPO, as it was",
        "DPO, new pairs − DPO, old pairs",
    ]
    said = words(render(read(folder)))
    assert "They now see 58% [57%, 59%] of pairs the other way round ( n = 5,600 )" in said
    assert "liked best before: PPO, kl_coef 0.03 and DPO, β 0.1." in said


def test_what_was_not_done_is_left_out(make_frontier: Callable[..., Path]) -> None:
    page = section(make_frontier(changed_raters=None, equal_kl=[], sentences=[]))
    assert (page["changed"], page["equal"], page["others"], page["said"]) == (None, None, None, ())
    html = render(read(make_frontier(changed_raters=None, equal_kl=[], sentences=[])))
    assert "minus PPO" not in words(html)
    assert "change their minds" not in words(html)


def test_without_gold_the_held_out_reward_model_stands_in_its_place(make_frontier: Callable[..., Path]) -> None:
    text = json.dumps(frontier_json()["curves"]).replace('"gold', '"heldout_proxy').replace('"last_gold', '"last_gold')
    folder = make_frontier(curves=json.loads(text), gauge="heldout_proxy", changed_raters=None)
    assert [panel.metric for panel in section(folder)["panels"]] == ["heldout_proxy", "rater_utility", "proxy"]
    assert "No gold reward is known here." in words(render(read(folder)))


def test_the_single_curve_gives_way_and_settings_are_no_kinds_of_prompt(make_frontier: Callable[..., Path]) -> None:
    folder = make_frontier()
    path = folder / "evals.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    more = [{"model": "dpo", "property": "intent", "metric": "gold", "slice": cut, **estimate(0.5, 0.1)}
            for cut in ("beta=0.1", "changed raters", None)]  # fmt: skip
    more.append({"model": "best-of-32", "property": "intent", "metric": "gold", "slice": None, **estimate(0.7, 0.1)})
    path.write_text(json.dumps([*rows, *more]), encoding="utf-8")
    run = read(folder)
    assert curve(run) is None
    page = models(run)
    assert page is not None
    assert page.title == "Base, SFT, PPO and DPO, by kind of prompt"
    kinds = {line.kind for line in page.content["main"].lines}  # type: ignore[attr-defined]
    assert not kinds & {"beta=0.1", "changed raters"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"curves": 3}, r"frontier\.json: curves"),
        ({"equal_kl": [{**comparison("a", "b", 0.1), "low": 2.0}]}, r"frontier\.json: equal_kl\.0"),
        ({"changed_raters": {**frontier_json()["changed_raters"], "policies": []}}, "not in the list"),
    ],
)
def test_a_broken_file_is_one_line(make_frontier: Callable[..., Path], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read(make_frontier(**changes))
    assert "\n" not in str(caught.value)


def test_text_from_outside_shows_as_text_and_points_without_a_kl_are_left_out(
    make_frontier: Callable[..., Path],
) -> None:
    points = [point(0, 0.0, 0, 1, 0.5), {"step": 1}, point(2, 1.0, 1, 1, 0.5)]
    odd = curve_of(HOSTILE, "odd", f"beta={HOSTILE}", [points[0], points[2]])
    html = render(read(make_frontier(curves=[{**odd, "points": points}], equal_kl=[], changed_raters=None)))
    assert HOSTILE not in html
    assert HOSTILE in words(html).replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")


def test_no_frontier_no_page(run_folder: Path) -> None:
    assert frontier(read(run_folder)) is None
