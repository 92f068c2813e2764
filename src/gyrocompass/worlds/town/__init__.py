"""The town: a closed text world in which the true intent, the gold reward, is a program."""

from __future__ import annotations

from pathlib import Path

from .corpus import Document, demonstrations, length_tokens, pretraining
from .gold import GOLD, Judgement, gold, judge
from .intent import KINDS, Intent, Question, prompt_text, understand
from .planted import PLANTS, planted
from .prompts import Stance, options, prompts, split_of
from .raters import BLINDNESS, CHANGED, PERCEIVED, Taste, changed_utility, utility
from .reading import Reading, read
from .responses import Habits, Style, StyleRates, render
from .tokenizer import build_tokenizer, config
from .words import FACTS, WORDS, to_dialect, to_standard

__all__ = [
    "BLINDNESS",
    "CHANGED",
    "FACTS",
    "GOLD",
    "KINDS",
    "PERCEIVED",
    "PLANTS",
    "WORDS",
    "Document",
    "Habits",
    "Intent",
    "Judgement",
    "Question",
    "Reading",
    "Stance",
    "Style",
    "StyleRates",
    "Taste",
    "base_folder",
    "build_tokenizer",
    "changed_utility",
    "config",
    "demonstrations",
    "gold",
    "judge",
    "length_tokens",
    "options",
    "planted",
    "pretraining",
    "prompt_text",
    "prompts",
    "read",
    "render",
    "split_of",
    "to_dialect",
    "to_standard",
    "understand",
    "utility",
]


def base_folder() -> Path:
    """The folder of the base checkpoint that ships with the package."""
    return Path(__file__).parent / "base"
