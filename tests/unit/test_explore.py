"""Contract and invoices explored together: what must hold does, and broken rules are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.contract import rules as contract_rules
from contracts.invoice import rules as invoice_rules
from tests.explore.mutations import MUTATIONS, Mutation, found_by_exploring
from tests.explore.running import explored, in_words

TRANSITIONS = 10_000


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Rules may be broken in the test; what they wanted last is forgotten then."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    for agenda in (contract_rules.AGENDA, invoice_rules.AGENDA):
        agenda._last[:] = []


def test_what_must_hold_does_on_every_way_and_a_good_end_is_left() -> None:
    found = explored(TRANSITIONS)
    assert not found.violations, in_words(found)


def test_the_page_says_what_finds_each_mutation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explorer.md").read_text()
    rows = [line.split(" | ")[1] for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert rows == [mutation.without for mutation in MUTATIONS]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: f"{item.number}: {item.without}")
def test_a_safeguard_that_is_taken_out_is_missed(
    mutation: Mutation, patch: pytest.MonkeyPatch
) -> None:
    if mutation.is_explored:
        assert found_by_exploring(mutation, patch)
        return
    test = mutation.found_at
    test()
    mutation.break_it(patch)
    with pytest.raises((Exception, pytest.fail.Exception)):
        test()
