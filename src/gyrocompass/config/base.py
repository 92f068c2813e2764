"""The base of every stage's settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every stage's settings: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
