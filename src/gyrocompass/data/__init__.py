"""What people already have, read into records: files, folders and hub names, in the shapes of the field.

    pairs, report = read_preferences("hh_rlhf.jsonl.gz")
    print(report)          # how many rows were read, how many dropped, why, and where first

Importing this module is light: pyarrow and `datasets` load only when a source needs them.
"""

from .duplicates import Duplicates, duplicates
from .reader import Drop, Report, read, read_examples, read_preferences, read_steps
from .sources import Place, Source, sha256
from .writer import to_dataset, write

__all__ = [
    "Drop",
    "Duplicates",
    "Place",
    "Report",
    "Source",
    "duplicates",
    "read",
    "read_examples",
    "read_preferences",
    "read_steps",
    "sha256",
    "to_dataset",
    "write",
]
