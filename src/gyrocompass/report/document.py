"""The document: every page that has something to say about the run, in one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..files import write_text
from . import charts, notation
from .folder import RunData, read
from .pages import PAGES

_CONTROLS = (range(0x00, 0x09), range(0x0B, 0x20), range(0x7F, 0xA0), range(0xD800, 0xE000))
_TURNS = (range(0x202A, 0x202F), range(0x2066, 0x206A))
_HIDDEN = {code: "\ufffd" for codes in (*_CONTROLS, *_TURNS) for code in codes}
"""Characters that HTML or UTF-8 forbids, or that turn a line's direction: each shown by a stand-in."""


def write(run_folder: Path) -> Path:
    """Writes `report.html` into the run folder, whole or not at all, and returns its path.

    Raises InputError if the folder holds no run, or a file of it can't be read.
    """
    path = run_folder / "report.html"
    write_text(path, render(read(run_folder)))
    return path


def render(run: RunData) -> str:
    """The run as one HTML document; the same run gives the same text."""
    sections = [section for page in PAGES if (section := page(run)) is not None]
    verdict = run.summary[0] if run.summary else _no_verdict(run)
    scripts = [_script(name) for name in dict.fromkeys(section.script for section in sections) if name]
    document = (
        _environment()
        .get_template("document.html")
        .render(run=run, verdict=verdict, sections=sections, scripts=scripts)
    )
    return document.translate(_HIDDEN) + "\n"


def _script(name: str) -> tuple[Markup, str]:
    """A script's text, and the hash by which the document allows it and no other."""
    text, _, _ = PackageLoader("gyrocompass.report").get_source(_environment(), name)
    return Markup(text), base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _no_verdict(run: RunData) -> str:
    """What stands in a verdict's place: how the run ended, or the first sentence of its comparison of models."""
    endings = {
        "running": "This run is still going and has not reached its verdict.",
        "failed": "This run failed before it could reach a verdict.",
    }
    found = run.spectrum.sentences if run.spectrum else ()
    return endings.get(run.status) or next(iter(found), "This run wrote down no verdict.")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gyrocompass.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": notation.count,
        "duration": notation.duration,
        "and_list": notation.and_list,
        "metric": notation.metric,
        "model": notation.model,
        "moment": notation.moment,
        "number": notation.number,
        "sentence": notation.sentence,
        "significant": notation.significant,
        "size": notation.size,
        "unbroken": notation.unbroken,
    }
    environment.globals |= {"swatch": charts.swatch}
    return environment
