"""The configuration as another process would have it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from wiring.settings import Settings, load_settings


def settings_in(environment: Mapping[str, str]) -> Settings:
    """What a process with these variables, beside ours, reads. Raises ConfigurationError."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return load_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
