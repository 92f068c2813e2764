"""Iterated distillation and amplification of a small transformer that starts from nothing."""

from .amplify import Amplified, amplify, look_up
from .loop import METHODS, Batch, Curriculum, Method, Probe, Student, amplification, draw, silent, updates
from .overseer import Imitator, Overseer
from .reader import Decider, Reader, Spelling

__all__ = [
    "METHODS",
    "Amplified",
    "Batch",
    "Curriculum",
    "Decider",
    "Imitator",
    "Method",
    "Overseer",
    "Probe",
    "Reader",
    "Spelling",
    "Student",
    "amplification",
    "amplify",
    "draw",
    "look_up",
    "silent",
    "updates",
]
