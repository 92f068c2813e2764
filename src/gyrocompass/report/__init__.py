"""One offline HTML file from a run folder. Nothing here knows a model; it reads what a run wrote down."""

from .document import render, write
from .folder import RunData, Sample, Stage, read

__all__ = ["RunData", "Sample", "Stage", "read", "render", "write"]
