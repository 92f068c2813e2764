"""The benchmarks' modules, imported as `python bench/...` imports them."""

import importlib
import sys
from pathlib import Path

import pytest


class Modules(dict):
    def __missing__(self, name):
        self[name] = importlib.import_module(name)
        return self[name]


@pytest.fixture(scope="session")
def bench():
    """A script's module by its name."""
    folder = str(Path(__file__).parents[2] / "bench")
    sys.path.insert(0, folder)
    try:
        yield Modules()
    finally:
        sys.path.remove(folder)
