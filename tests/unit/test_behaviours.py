"""docs/behaviours.md names tests that exist, and every scenario that is there for it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "behaviours.md").read_text()
REFERENCE = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
SCENARIOS = [
    *sorted((ROOT / "tests" / "e2e").glob("test_behaviours_*.py")),
    ROOT / "tests" / "e2e" / "test_changes.py",
    ROOT / "tests" / "e2e" / "test_endings.py",
]


def scenarios_of(path: Path) -> set[str]:
    return set(TEST.findall(path.read_text()))


def rows() -> list[str]:
    """The rows of the page's tables, without their heads."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| behaviour |")]


def test_every_behaviour_is_shown_by_a_test_that_exists() -> None:
    assert len(rows()) > 40
    missing = []
    for row in rows():
        named = REFERENCE.findall(row)
        assert named, f"nothing shows: {row}"
        missing += [
            f"{path}::{name}" for path, name in named if name not in scenarios_of(ROOT / path)
        ]
    assert missing == []


def test_every_scenario_shows_a_behaviour_of_the_page() -> None:
    named = set(REFERENCE.findall(PAGE))
    written = {
        (str(path.relative_to(ROOT)), name) for path in SCENARIOS for name in scenarios_of(path)
    }
    assert written - named == set()
