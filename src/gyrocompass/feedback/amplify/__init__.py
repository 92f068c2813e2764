"""Amplification in language: `answer_by_amplification`, who may oversee it, and what is kept of it."""

from .amplify import Answer, Ask, Direct, Helper, Limits, Move, Overseer, State, answer_by_amplification
from .asked import Asked
from .overseers import People, PolicyHelper, PolicyOverseer, Script, Scripted
from .summaries import summaries
from .tree import Node, answer_in, notes, to_distil

__all__ = [
    "Answer",
    "Ask",
    "Asked",
    "Direct",
    "Helper",
    "Limits",
    "Move",
    "Node",
    "Overseer",
    "People",
    "PolicyHelper",
    "PolicyOverseer",
    "Script",
    "Scripted",
    "State",
    "answer_by_amplification",
    "answer_in",
    "notes",
    "summaries",
    "to_distil",
]
