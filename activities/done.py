"""The answer of an activity that reports nothing."""

from __future__ import annotations

from pydantic import BaseModel


class Done(BaseModel):
    """The activity has done what was asked for."""
