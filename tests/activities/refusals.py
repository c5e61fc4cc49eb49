"""What an activity refuses, for a test to look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from activities.failures import BusinessRefusal


def refused(call: Callable[[], object]) -> BusinessRefusal:
    """The business refusal a call ends in."""
    with pytest.raises(BusinessRefusal) as caught:
        call()
    return caught.value


def code(refusal: BusinessRefusal) -> str:
    return refusal.detail.code
