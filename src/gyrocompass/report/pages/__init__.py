"""The pages of the report: each a function from the run to a section, and a template that bears the section's id.

A page that has nothing to say about a run returns None. Adding one is a file, a template and an entry here.
"""

from collections.abc import Callable

from ..folder import RunData
from .amplify import amplify
from .audits import audits
from .cai_study import cai_study
from .constitution import constitution
from .curve import curve
from .debate import debate
from .emergence import emergence
from .frontier import frontier
from .grids import grids
from .hacking import hacking
from .models import models
from .process import process
from .properties import properties
from .provenance import provenance
from .section import Section
from .spectrum import spectrum
from .training import training
from .transcripts import transcripts
from .weak_to_strong import weak_to_strong

Page = Callable[[RunData], Section | None]

PAGES: tuple[Page, ...] = (
    curve,
    frontier,
    cai_study,
    hacking,
    emergence,
    grids,
    amplify,
    process,
    weak_to_strong,
    audits,
    models,
    spectrum,
    properties,
    constitution,
    debate,
    transcripts,
    training,
    provenance,
)

__all__ = ["PAGES", "Page", "Section"]
