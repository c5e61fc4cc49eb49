"""How much is sent: few requests in a test run, more by `make fuzz-api`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("C2C_API_EXAMPLES", "3"))
"""How many requests each operation gets."""


def bounded(examples: int, *, random_from: int) -> settings:
    """So many, the same ones each time where they are fewer than `random_from`."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=examples < random_from,
    )
