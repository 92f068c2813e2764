"""Debate: two who know argue before a judge who doesn't. Protocols, the game, who takes part, and what it measures."""

from . import measure
from .judges import Judging, PairJudge, PolicyJudge, ScriptedJudge
from .play import check_seats, play
from .protocol import PROTOCOLS, Protocol, read_protocols
from .quotes import Quote
from .records import Belief, Question, Transcript, Turn, from_row, read_games, read_questions, to_row
from .speakers import BestOf, BySide, PolicySpeaker, Scripted, Speaking
from .wording import View, Wording, prompt, read_wording

__all__ = [
    "PROTOCOLS",
    "Belief",
    "BestOf",
    "BySide",
    "Judging",
    "PairJudge",
    "PolicyJudge",
    "PolicySpeaker",
    "Protocol",
    "Question",
    "Quote",
    "Scripted",
    "ScriptedJudge",
    "Speaking",
    "Transcript",
    "Turn",
    "View",
    "Wording",
    "check_seats",
    "from_row",
    "measure",
    "play",
    "prompt",
    "read_games",
    "read_protocols",
    "read_questions",
    "read_wording",
    "to_row",
]
