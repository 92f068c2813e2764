"""Labels of steps: from people, from a checker, from continuations, from a model that learnt outcomes alone."""

from .answers import Answers, final_answer
from .checker import Check, Checker, OutcomeChecker, labelled, outcome_alone
from .cutting import LINES, Cutting
from .rollouts import Continues, Right, hardened, rollout_labels
from .sheets import Sheet, read_sheet, write_sheet

__all__ = [
    "LINES",
    "Answers",
    "Check",
    "Checker",
    "Continues",
    "Cutting",
    "OutcomeChecker",
    "Right",
    "Sheet",
    "final_answer",
    "hardened",
    "labelled",
    "outcome_alone",
    "read_sheet",
    "rollout_labels",
    "write_sheet",
]
