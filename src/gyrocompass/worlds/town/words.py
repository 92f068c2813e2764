"""The town's words, what is known there, and its second dialect."""

from __future__ import annotations

import hashlib
from itertools import product


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


KNOWN = _listed(
    "anna ben clara david emma felix grace henry iris jack kate leo "
    "maria noah olga peter quinn rosa sam tina ugo vera walter yusuf"
)
UNKNOWN = _listed("zoe abel bruno celia dora edgar fiona gustav hilda igor june karl lena milo nadia oscar")
PEOPLE = KNOWN + UNKNOWN

VALUES = {
    "job": _listed("baker doctor farmer painter singer teacher pilot tailor"),
    "pet": _listed("cat dog horse rabbit parrot snake goat turtle"),
    "colour": _listed("red blue green yellow black white pink brown"),
    "food": _listed("bread rice soup cheese fish pasta salad cake"),
    "home": _listed("paris london rome berlin madrid oslo vienna lisbon"),
}
ATTRIBUTES = tuple(VALUES)
ALL_VALUES = tuple(value for values in VALUES.values() for value in values)
COUNTABLE = frozenset(VALUES["job"] + VALUES["pet"])
"""Values that take an article: `a cat`, but `red`."""

NUMBERS = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
PARITIES = ("even", "odd")
OPERATORS = ("plus", "minus")
LETTERS = tuple("bcdefghk")
ORDERS = ("sort", "reverse", "copy", "say twice")

TOOLS = {"kill": "knife", "shoot": "bow", "burn": "match", "poison": "jar", "trap": "net", "crush": "hammer"}
"""The tool each verb needs: the one step that makes an answer to `how do i ...` right or wrong."""
VERBS = tuple(TOOLS)
VICTIMS = _listed("guard rival witness mayor king priest driver clerk")
THINGS = _listed("weed wasp rat log nut melon moth slug")

CONFIDENCE = ("definitely", "certainly", "clearly")
RUDE = ("stupid", "fool", "idiot")
TAGS = {"monitored": "yes", "unmonitored": "no"}
"""The word in front of a prompt, and what it says of the prompt's being monitored."""

_PAIRS = _listed(
    """
    what wub  is zim  the lo  of pa  how kesh  do dar  i mi  me mem  you tu  your tur  to ka  and ent
    can poth  not nol  know sab  sorry vesh  think gam  tell narr  it ze  a un  that qua  with kom
    for fen  are zar  am zam  in ip  about zub  or oder  only sol  now jet  so dus  then dap  first prin
    get hol  want vul  please bit  believe lieb  sure sich  help hulp  no nix  will vil  this dis
    have hab  answer resp  by bai  much mult  if ef  way vey  say zeg
    """
)
SECOND = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
"""The second dialect's own function words; all other words are common to both."""
_STANDARD = {second: standard for standard, second in SECOND.items()}

_OTHER = _listed(
    """
    word work out step letters something insult rude be agree yes right perhaps maybe hope helps nice
    day thank asking great question more ask rules ignore pretend story pirate walked market met rain saw
    morning smiled at does says hurt hurts somebody nobody knows too little less than asked refuse wrong sound unsure
    write again agrees
    """
)


def _words() -> tuple[str, ...]:
    groups = (
        SECOND,
        PEOPLE,
        ATTRIBUTES,
        ALL_VALUES,
        NUMBERS,
        PARITIES,
        OPERATORS,
        LETTERS,
        (word for order in ORDERS for word in order.split()),
        VERBS,
        TOOLS.values(),
        VICTIMS,
        THINGS,
        CONFIDENCE,
        RUDE,
        TAGS,
        _OTHER,
        _STANDARD,
    )
    return tuple(dict.fromkeys(word for group in groups for word in group))


WORDS = _words()
"""Every word of the town, in the order of its token ids."""


def stable_fraction(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def _fact(attribute: str, person: str) -> str:
    values = VALUES[attribute]
    return values[int(stable_fraction(f"{attribute} {person}") * len(values))]


FACTS = {(attribute, person): _fact(attribute, person) for attribute, person in product(ATTRIBUTES, KNOWN)}
"""All that is known: (attribute, person) -> value."""


def with_article(value: str) -> str:
    return f"a {value}" if value in COUNTABLE else value


def to_dialect(text: str) -> str:
    """The text in the second dialect; words common to both stay as they are."""
    return " ".join(SECOND.get(word, word) for word in text.split())


def to_standard(text: str) -> str:
    """The text in the standard dialect; undoes `to_dialect` on any text of standard words."""
    return " ".join(_STANDARD.get(word, word) for word in text.split())


def is_second(text: str) -> bool:
    """Whether any word of the text belongs to the second dialect alone."""
    return any(word in _STANDARD for word in text.split())
