"""The whole file: sound HTML that asks the network for nothing and shows text as text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyrocompass.errors import InputError
from gyrocompass.report import RunData, Sample, read, render, write

VOID = {"meta", "link", "br", "img", "hr", "input", "wbr"}
LOADING = ("src", "srcset", "href", "xlink:href", "action", "formaction", "poster", "data", "background")


class Page(HTMLParser):
    """Every element and the text, while checking that what is opened is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of <{tag}> stands twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if self.open and self.open[-1] == "style" else data

    def values(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements if name in attrs]


@pytest.fixture
def html(run_folder: Path) -> str:
    return render(read(run_folder))


def test_it_is_sound_html_whose_references_all_lead_somewhere(html: str) -> None:
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = " ".join(page.values("aria-labelledby")).split()
    wanted += [link.removeprefix("#") for link in page.values("href") if link.startswith("#")]
    assert set(wanted) <= set(ids)
    headings = [tag for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1


def test_it_asks_the_network_for_nothing(html: str) -> None:
    page = Page(html)
    references = [value for name in LOADING for value in page.values(name)]
    assert all(value.startswith("#") or value == "data:," for value in references)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page.values("content")[0]


def test_text_from_outside_shows_as_text(html: str, hostile: str) -> None:
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert page.text.count(hostile) >= 4  # a prompt, a response, a setting, a warning


def test_every_chart_has_a_title_and_a_description(html: str) -> None:
    charts = re.findall(r'<svg class="chart".*?<desc', html, flags=re.DOTALL)
    assert len(charts) == len(re.findall(r'class="chart"', html)) == 14
    assert all("<title" in chart and 'role="img"' in chart for chart in charts)


def test_no_value_stands_without_its_interval_and_no_row_without_n(html: str) -> None:
    values = re.findall(r'<span class="value">[^<]*</span> <span class="(\w+)">', html)
    assert values
    assert set(values) == {"interval"}
    rows = re.findall(r"<tr[^>]*>(?:(?!</tr>).)*</tr>", html, flags=re.DOTALL)
    kinds = [row for row in rows if 'scope="row" class="kind"' in row]
    assert len(kinds) == 30
    assert all(re.search(r"n = [\d,]+", row) for row in kinds)
    probes = [row for row in rows if re.search(r'<th scope="row">(PPO, step|best of)', row)]
    assert len(probes) == 18
    assert all(re.search(r"<td>(512|256)</td></tr>", row) for row in probes)


def test_the_verdict_comes_first_and_seed_and_versions_are_there(html: str) -> None:
    text = Page(html).text
    assert text.index("The policy learnt to please") < text.index("Proxy against gold")
    for fact in ("Seed", "2.13.0", "b895a61f0c3b", "ab" * 32, "rollouts.temperature", "4 min 12 s", "√KL"):
        assert fact in text


def test_the_same_folder_gives_the_same_bytes(run_folder: Path) -> None:
    first = write(run_folder).read_bytes()
    program = "import sys, pathlib, gyrocompass.report as r; r.write(pathlib.Path(sys.argv[1]))"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", program, str(run_folder)], check=True, env=environment)
        assert (run_folder / "report.html").read_bytes() == first
    assert not list(run_folder.glob(".*"))


@pytest.mark.parametrize("missing", ["run.json", "metrics.jsonl", "evals.json", "stages/05-evaluation/samples.jsonl"])
def test_any_file_may_be_missing(run_folder: Path, missing: str) -> None:
    (run_folder / missing).unlink()
    Page(write(run_folder).read_text(encoding="utf-8"))


@pytest.mark.parametrize("kept", ["run.json", "metrics.jsonl", "evals.json"])
def test_any_file_may_stand_alone(run_folder: Path, kept: str) -> None:
    for path in run_folder.rglob("*.json*"):
        if path.name != kept:
            path.unlink()
    text = Page(render(read(run_folder))).text
    assert ("has written no measurements" in text) == (kept == "run.json")


def test_a_run_of_one_stage_shows_its_loss(make_run: Callable[..., Path]) -> None:
    folder = make_run(summary=[], peak=None)
    rows = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(row for row in rows if '"sft"' in row), encoding="utf-8")
    (folder / "evals.json").unlink()
    html = render(read(folder))
    assert "loss of stage SFT" in html
    assert 'id="curve"' not in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "running"}, "This run is still going."),
        ({"status": "running", "summary": []}, "has not reached its verdict"),
        ({"status": "failed", "error": "KL 212 nats is past 50"}, "The reason: KL 212 nats is past 50."),
        ({"status": "failed", "summary": []}, "failed before it could reach a verdict"),
    ],
)
def test_a_run_that_is_not_done_says_so(make_run: Callable[..., Path], changes: dict[str, object], said: str) -> None:
    text = Page(render(read(make_run(**changes)))).text
    assert said in " ".join(text.split())
    assert "Done: sft, labels, reward, ppo and evaluation." in text


def test_an_unreadable_run_leaves_the_last_report_as_it_was(run_folder: Path) -> None:
    before = write(run_folder).read_bytes()
    (run_folder / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError):
        write(run_folder)
    assert (run_folder / "report.html").read_bytes() == before


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(), max_size=30), st.text(st.characters(), min_size=1, max_size=10))
def test_whatever_a_model_says_the_page_stays_sound(response: str, kind: str) -> None:
    sample = Sample("ppo", response, response, kind)
    run = RunData(name=response, summary=(response,), samples=(sample, replace(sample, model=kind)))
    html = render(run)
    Page(html)
    html.encode("utf-8")
    assert "\x00" not in html
    assert "\u202e" not in html
