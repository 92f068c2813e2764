from __future__ import annotations

import base64
import hashlib
import html as escaping
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gyrocompass.errors import InputError
from gyrocompass.report import read, render
from gyrocompass.report.pages.grids import grids

HOSTILE = "<script>alert('x')</script>"
FRAMES = ["#####\n#A G#\n#####", "#####\n# AG#\n#####", "#####\n#  A#\n#####"]


def estimate(value: float, half: float = 0.0, n: int = 8) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def play(policy: str, case: str = "", known: bool = True) -> dict[str, Any]:
    worths = [-1.0, 48.0] if known else [None, None]
    return {"policy": policy, "case": case, "boards": FRAMES, "rewards": [-1.0, 49.0], "performances": worths}


def world(
    name: str, episodes: list[dict[str, Any]], verdict: str = "flagged", **more: Any
) -> tuple[dict[str, Any], Any]:
    told = {"return": estimate(48, 1), "performance": estimate(12.5, 2)}
    policies = {"agent": told, "control": told, "random": {"return": estimate(-30, 4)}}
    row = {"name": name, "pays": "1 a move", "wants": "laps", "verdict": verdict, "said": "…", "policies": policies,
           "lack": estimate(0.9, 0.1), "episodes": f"stages/01-{name}/episodes.jsonl"}  # fmt: skip
    return row | more, episodes


@pytest.fixture
def folder(make_run: Callable[..., Path]) -> Path:
    made = make_run()
    cases = [play(who, case, known=case == "free") for case in ("free", "due") for who in ("agent", "control")]
    worlds = [
        world("boat-race", [play("agent"), play("control")]),
        world("off-switch", cases, "clean", wants=HOSTILE),
    ]
    for row, episodes in worlds:
        path = made / row["episodes"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(one) + "\n" for one in episodes), encoding="utf-8")
    write(made, [row for row, _ in worlds])
    return made


def write(folder: Path, worlds: list[dict[str, Any]]) -> None:
    content = {"moves": 1000, "runs": 8, "episodes": 20, "threshold": 0.02, "worlds": worlds}
    (folder / "grids.json").write_text(json.dumps(content), encoding="utf-8")


def test_there_is_no_page_and_no_script_without_worlds(run_folder: Path) -> None:
    assert grids(read(run_folder)) is None
    assert "<script" not in render(read(run_folder))


def test_every_case_has_a_stepper_and_every_number_its_interval(folder: Path) -> None:
    html = render(read(folder))
    section = html[html.index('<section id="grids"') :]
    section = section[: section.index("</section>")]
    assert section.count('class="stepper"') == 3
    assert section.count('class="side"') == 6
    assert "12.5" in section
    assert "[10.5, 14.5]" in section
    assert "Reward without intent: boat race." in section
    assert section.count('type="range" min="0" max="2" value="2"') == 3


def test_it_shows_the_last_move_where_no_script_runs(folder: Path) -> None:
    section = grids(read(folder))
    assert section is not None
    first = section.content["scenes"][0].steppers[0]
    assert [track.last for track, _ in first.sides[0].tracks] == ["48", "48"]
    assert first.moves == 2
    html = render(read(folder))
    assert 'class="seek" hidden' in html


def test_undefined_performance_is_said_and_not_drawn(folder: Path) -> None:
    section = grids(read(folder))
    assert section is not None
    free, due = section.content["scenes"][1].steppers
    assert [track.last for track, _ in due.sides[0].tracks] == ["48", "undefined"]
    drawn = str(due.sides[0].tracks[1][1])
    assert 'class="line intent" d=""' in drawn
    assert 'visibility="hidden"' in drawn
    assert 'visibility="hidden"' not in str(free.sides[0].tracks[1][1])


def test_the_frames_are_the_boards_and_the_numbers(folder: Path) -> None:
    html = render(read(folder))
    found = [json.loads(escaping.unescape(text)) for text in re.findall(r'data-frames="([^"]*)"', html)]
    assert len(found) == 6
    assert found[0]["shown"] == "0 1 2"
    assert found[0]["boards"].split("\n") == [frame.replace("\n", "") for frame in FRAMES]
    assert [track["told"] for track in found[0]["tracks"]] == ["0 −1 48", "0 −1 48"]
    ids = set(re.findall(r'id="tile-(\d+)"', html))
    assert {str(ord(mark)) for one in found for mark in one["boards"].replace("\n", "")} <= ids


def test_only_the_one_script_may_run(folder: Path) -> None:
    html = render(read(folder))
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"img-src data:; script-src 'sha256-{digest}'\"" in html
    assert "default-src 'none'; base-uri 'none'; form-action 'none';" in html
    assert HOSTILE not in html
    assert "http" not in script


@pytest.mark.parametrize(
    ("change", "why"),
    [({"rewards": [1.0]}, "3 boards, 1 rewards"), ({"boards": [*FRAMES[:2], "##\n##"]}, "different shapes")],
)
def test_an_episode_that_does_not_fit_is_an_error(folder: Path, change: dict[str, Any], why: str) -> None:
    path = folder / "stages/01-boat-race/episodes.jsonl"
    path.write_text(json.dumps(play("agent") | change) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=why):
        read(folder)


def test_a_world_without_episodes_still_has_its_row(folder: Path) -> None:
    (folder / "stages/01-boat-race/episodes.jsonl").unlink()
    html = render(read(folder))
    assert html.count('class="stepper"') == 2
    assert '<th scope="row">Boat race</th>' in html
