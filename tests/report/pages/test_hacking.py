from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.curve import curve
from gyrocompass.report.pages.hacking import hacking
from gyrocompass.report.pages.models import models

HOSTILE = "<script>alert('x')</script>"
ENDS = {"an ensemble's mean": 0.05, "averaged weights": 0.11, "length control": -0.02, "a constrained proxy": 0.41}


def estimate(value: float, half: float, n: int = 390) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def point(step: int, kl: float, gold: float) -> dict[str, Any]:
    found = {"kl_nats": kl, "proxy": 0.5 * math.sqrt(kl), "rater_utility": 0.9, "gold": gold}
    bounds = {f"{key}{end}": value + sign * 0.06 for key, value in found.items()
              for end, sign in (("_low", -1), ("_high", 1))}  # fmt: skip
    return {"step": step, "n": 390, **found, **bounds}


def walk(reach: float, fall: float) -> list[dict[str, Any]]:
    """Checkpoints out to a KL of `reach`, over which gold falls."""
    return [point(5 * i, reach * (i / 8) ** 1.6, 0.35 - fall * (i / 8)) for i in range(9)]


def gain(value: float, *, holds: bool) -> dict[str, Any]:
    return {**estimate(value, 0.07), "p_holm": 0.0004 if holds else 0.61, "holds": holds, "detectable": 0.1}


def course(name: str, title: str, points: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    base = {"stage": f"ppo-{name}", "slice": f"mitigation={name}", "stopped": False, "note": "as it was set",
            "rests_on": ["reward", f"ppo-{name}"], "seconds": 61.2, "end": None, "equal_kl": None}  # fmt: skip
    return {"name": name, "title": title, "points": points, **base, **more}


def hacking_json() -> dict[str, Any]:
    levels = [{"kl_nats": kl, **estimate(0.02, 0.05)} for kl in (1.0, 2.0, 4.0)]
    others = [
        course(f"m{i}", title, walk(8.0 - 2 * i, 0.55 - by), end=gain(by, holds=abs(by) > 0.1),
               equal_kl={**gain(by / 5, holds=False), "levels": levels})
        for i, (title, by) in enumerate(ENDS.items())
    ]  # fmt: skip
    single = walk(8.6, 0.55)
    stop = course("stopped", "stopping in time", single[:4], stopped=True, end=gain(0.34, holds=True))
    return {
        "gauge": "gold",
        "watches": [
            {"gauge": "validation_proxy", "at": 3, "step": 15, "kl_nats": 1.8, "proxy": 0.7, "n": 130},
            {"gauge": "gold", "at": 0, "step": 0, "kl_nats": 0.0, "proxy": 0.0, "n": 130},
        ],
        "courses": [course("single", "a single reward model", single), *others, stop],
        "sentences": ["3 of 5 mitigations end with more gold than PPO against a single reward model."],
    }


@pytest.fixture
def make_hacking(run_folder: Path) -> Callable[..., Path]:
    """A run folder with mitigations, parts of hacking.json changed: `make_hacking(watches=[])`."""

    def make(**changes: Any) -> Path:
        (run_folder / "hacking.json").write_text(json.dumps(hacking_json() | changes), encoding="utf-8")
        return run_folder

    return make


def section(folder: Path) -> Any:
    found = hacking(read(folder))
    assert found is not None
    return found.content


def words(html: str) -> str:
    html = html[html.index('<section id="hacking"') :]
    return " ".join(re.sub(r"<[^>]+>", " ", html[: html.index("</section>")]).split())


def test_a_chart_for_each_mitigation_with_the_baseline_beneath(make_hacking: Callable[..., Path]) -> None:
    panels = section(make_hacking())["panels"]
    assert [panel.title for panel in panels] == [
        "An ensemble's mean", "Averaged weights", "Length control", "A constrained proxy", "Stopping in time",
    ]  # fmt: skip
    for panel in panels:
        assert panel.chart.count('<path class="line base"') == panel.chart.count('<path class="line ppo"') == 1
        assert panel.chart.count('<path class="band ppo"') == 1
        assert 'class="band base"' not in panel.chart
    assert len({re.search(r'class="first"[^>]*>.*', panel.chart).group()[:40] for panel in panels}) == 1  # type: ignore[union-attr]


def test_gains_at_the_end_and_at_equal_kl_tell_what_holds(make_hacking: Callable[..., Path]) -> None:
    end, equal = (one.group for one in section(make_hacking())["tests"].groups)
    assert (end.title, equal.title) == ("At the end", "At equal KL")
    assert [row.label for row in end.rows] == [*ENDS, "stopping in time"]
    assert [row.style.css for row in end.rows] == ["doubtful", "plain", "doubtful", "plain", "plain"]
    assert [row.extra for row in end.rows] == ["0.610", "< 0.001", "0.610", "< 0.001", "< 0.001"]
    assert [row.label for row in equal.rows] == list(ENDS)
    assert {row.style.css for row in equal.rows} == {"doubtful"}


def test_the_table_says_where_each_ended_and_who_set_the_stops(make_hacking: Callable[..., Path]) -> None:
    folder = make_hacking()
    lines = section(folder)["lines"]
    assert [line.title for line in lines][:2] == ["A single reward model", "An ensemble's mean"]
    assert (lines[0].kl, lines[0].style.css, lines[1].style.css) == ("8.6", "base", "ppo")
    said = words(render(read(folder)))
    assert "−0.20 [−0.26, −0.14]" in said
    assert "The validation reward model peaks at step 15, KL 1.80 nats and gold on the validation prompts" in said
    assert "peaks at step 0, KL 0 nats ( n = 130 )." in said


def test_a_mitigation_that_shares_no_kl_is_not_measured_there(make_hacking: Callable[..., Path]) -> None:
    courses = hacking_json()["courses"]
    courses[1]["equal_kl"] = None
    folder = make_hacking(courses=courses)
    rows = section(folder)["tests"].groups[1].group.rows
    assert rows[0].estimate is None
    assert "not measured" in words(render(read(folder)))


def test_a_run_with_its_baseline_alone_says_no_more_than_that(make_hacking: Callable[..., Path]) -> None:
    page = section(make_hacking(courses=hacking_json()["courses"][:1], watches=[], sentences=[]))
    assert (page["panels"], page["tests"], page["said"], page["watches"]) == ([], None, (), "")


def test_the_single_curve_gives_way_and_mitigations_are_no_kinds_of_prompt(make_hacking: Callable[..., Path]) -> None:
    folder = make_hacking()
    path = folder / "evals.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    more = {"model": "ppo", "property": "intent", "metric": "gold", "slice": "mitigation=m1", **estimate(0.5, 0.1)}
    path.write_text(json.dumps([*rows, more]), encoding="utf-8")
    run = read(folder)
    assert curve(run) is None
    page = models(run)
    assert page is not None
    assert "mitigation=m1" not in {line.kind for line in page.content["main"].lines}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"courses": []}, r"hacking\.json: .*no course"),
        (
            {"courses": [course("a", "b", [], end={**gain(0.1, holds=True), "low": 2.0})]},
            r"hacking\.json: courses\.0",
        ),
        ({"watches": 3}, r"hacking\.json: watches"),
    ],
)
def test_a_broken_file_is_one_line(make_hacking: Callable[..., Path], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read(make_hacking(**changes))
    assert "\n" not in str(caught.value)


def test_text_from_outside_shows_as_text(make_hacking: Callable[..., Path]) -> None:
    courses = hacking_json()["courses"]
    courses[1] |= {"title": HOSTILE, "note": HOSTILE}
    html = render(read(make_hacking(courses=courses)))
    assert HOSTILE not in html
    assert "&lt;script&gt;" in html


def test_no_mitigations_no_page(run_folder: Path) -> None:
    assert hacking(read(run_folder)) is None
