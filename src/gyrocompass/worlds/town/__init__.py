"""The town: a closed text world in which the true intent, the gold reward, is a program."""

from __future__ import annotations

from pathlib import Path

from .aspects import ASPECTS, Direction, degree, mend
from .corpus import demonstrations, pretraining
from .gold import GOLD, Judgement, gold, judge
from .intent import KINDS, Intent, Question, prompt_text, understand
from .planted import PLANTS, planted
from .prompts import Stance, options, prompts, split_of
from .raters import BLINDNESS, CHANGED, PERCEIVED, Taste, changed_utility, utility
from .reading import Reading, read
from .requests import Request, critique, phrase_request, read_critique, read_request
from .responses import Habits, Style, StyleRates, render
from .tokenizer import Document, build_tokenizer, config, length_tokens
from .words import FACTS, WORDS, to_dialect, to_standard

__all__ = [
    "ASPECTS",
    "BLINDNESS",
    "CHANGED",
    "FACTS",
    "GOLD",
    "KINDS",
    "PERCEIVED",
    "PLANTS",
    "WORDS",
    "Direction",
    "Document",
    "Habits",
    "Intent",
    "Judgement",
    "Question",
    "Reading",
    "Request",
    "Stance",
    "Style",
    "StyleRates",
    "Taste",
    "base_folder",
    "build_tokenizer",
    "changed_utility",
    "config",
    "critique",
    "degree",
    "demonstrations",
    "gold",
    "judge",
    "length_tokens",
    "mend",
    "options",
    "phrase_request",
    "planted",
    "pretraining",
    "prompt_text",
    "prompts",
    "read",
    "read_critique",
    "read_request",
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
