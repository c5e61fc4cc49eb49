"""The conformance kit: tests that every connector passes, ours and those of other packages.

A connector's author writes the `Remote` of its group, such as a `CrmRemote`, which does to the
system (a stand-in, or a test account) what people do there, and subclasses the tests of its group,
such as `CrmConformance`, with a fixture `remote`. docs/extending.md shows both. It needs pytest,
and nothing of ours but what `contract-to-cash` installs.
"""

from __future__ import annotations

import pytest

_TESTS = ("gateway", "crm", "esign", "timesheets", "webhooks")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _TESTS))
