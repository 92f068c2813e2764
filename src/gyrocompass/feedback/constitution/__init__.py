"""The principles by which a model criticises, revises and compares responses. Bai et al. 2022, arXiv:2212.08073."""

from .files import read_constitution, shipped
from .principles import TEMPLATE, Constitution, Principle, Verdicts, draw, joined, without_critique

__all__ = [
    "TEMPLATE",
    "Constitution",
    "Principle",
    "Verdicts",
    "draw",
    "joined",
    "read_constitution",
    "shipped",
    "without_critique",
]
