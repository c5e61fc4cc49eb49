"""Campaigns in stacks of their own, shared by the tests that look at what came of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where one stack keeps its files."""
    path = Path(tempfile.mkdtemp(prefix="c2c-faults-"))
    yield path
    if not os.environ.get("C2C_DEBUG"):
        shutil.rmtree(path, ignore_errors=True)
