from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gyrocompass.audits.hacking.overoptimisation import OVER_OPTIMISED, Course
from gyrocompass.maths import kl
from gyrocompass.report import RunData, read, render
from gyrocompass.report.folder import Peak
from gyrocompass.report.pages.curve import curve


@pytest.fixture
def run(run_folder: Path) -> RunData:
    return read(run_folder)


def finding(run: RunData) -> str:
    section = curve(run)
    assert section is not None
    return str(section.content["finding"])


def test_the_peak_is_marked_in_every_panel_and_labelled_once(run: RunData) -> None:
    html = render(run)
    assert html.count('class="rule"') == 3
    assert html.count("gold peaks at KL 0.956 nats</text>") == 1


def test_the_finding_has_every_number_with_its_interval(run: RunData) -> None:
    assert finding(run).startswith("Gold peaks at 0.72 [0.68, 0.76] at step 20, KL 0.956 nats, and ends at 0.09 [")
    assert "a drop of 0.63 [0.58, 0.68], n = 512." in finding(run)
    assert "From step 20 to step 120 the proxy reward goes from 0.50 [" in finding(run)


def test_a_drop_that_may_be_chance_is_called_that(run: RunData) -> None:
    peak = Peak(20, 1.0, 0.7, 0.68, 0.02, -0.01, 0.05, 512)
    assert "That interval holds 0, so the drop may be chance." in finding(replace(run, peak=peak))


def test_without_a_peak_the_ends_are_told_and_nothing_is_marked(run: RunData) -> None:
    run = replace(run, peak=None)
    assert "From step 0 to step 120 the gold reward goes from" in finding(run)
    assert finding(run).endswith("The run marks no peak of gold.")
    assert 'class="rule"' not in render(run)


def test_without_gold_the_page_says_what_stands_in_its_place(make_run: Callable[..., Path]) -> None:
    folder = make_run(gold_name=None, peak=None)
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"gold', '"heldout_proxy'), encoding="utf-8")
    run = read(folder)
    section = curve(run)
    assert section is not None
    assert section.title == "Proxy against a held-out reward model"
    html = render(run)
    assert "No gold reward is known for this run." in html
    assert "held-out reward model against the square root of KL" in html


def test_a_single_probe_is_drawn_and_a_run_without_any_has_no_page(run: RunData) -> None:
    one = replace(run, metrics=run.metrics[-1:], peak=None)
    assert "best of 64" in render(one)
    assert curve(replace(run, metrics=())) is None


def audited(run: RunData) -> RunData:
    """The run with the findings on its PPO and on a best-of-n that goes further than it logged."""
    sizes = [2**power for power in range(11)]
    bound = np.array([kl.best_of_n(n) for n in sizes])
    log_ratio = np.array([0.0, 0.5, 2.0, 5.0, 10.0, 17.0])
    ends = {"ppo": (range(0, 120, 20), log_ratio, 0.17, 0.073), "best-of-n": (sizes, bound, 0.4, 0.2)}
    found = []
    for name, (steps, nats, alpha, beta) in ends.items():
        noise = np.random.default_rng(0).normal(0, 0.05, (len(nats), 40))
        d = np.sqrt(nats)[:, None]
        case = Course(
            name=name, steps=steps, kl_nats=nats[:, None] * np.ones(40), proxy=d + noise,
            intent=0.62 + alpha * d - beta * d**2 + noise, questions=[str(i) for i in range(40)],
        )  # fmt: skip
        found.append(OVER_OPTIMISED(case, name))
    return replace(run, audits=tuple(found))


def test_fitted_forms_are_drawn_on_the_gauge_with_their_peaks(run: RunData) -> None:
    html = render(audited(run))
    assert html.count('class="line ppo fitted dashed"') == html.count('class="line best-of-n fitted dashed"') == 1
    assert html.count("peak of the fitted form: d* = ") == 2
    assert "fitted form and its peak d*" in html
    assert "d (α − β log d)" in html
    assert 'class="line ppo fitted' not in render(run)


def test_best_of_n_is_shown_as_far_as_the_audit_took_it(run: RunData) -> None:
    assert "best of 64" in render(run)
    html = render(audited(run))
    assert "best of 1,024" in html
    assert "best-of-n, n from 1 to 1,024" in html


def test_forms_fitted_to_another_gauge_are_left_out(run: RunData) -> None:
    found = audited(run)
    other = [replace(f, detail={**f.detail, "gauge": "heldout_proxy"}) for f in found.audits]
    assert "fitted dashed" not in render(replace(found, audits=tuple(other)))
