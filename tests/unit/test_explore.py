"""Contract and invoices explored together: what must hold does, and broken rules are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.agenda.actions import ClockRang
from contracts.contract import rules as contract_rules
from contracts.invoice import acts
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceState
from tests.explore.canonical import shared
from tests.explore.endings import ends_well
from tests.explore.frozen import forget
from tests.explore.mutations import MUTATIONS, Mutation, found_by_exploring
from tests.explore.running import explored, in_words
from tests.explore.starts import Led, good_place
from tests.explore.ways import named, walked
from tests.explore.world import Budget, told

TRANSITIONS = 1_000
"""A sample: `make test` takes a million."""


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Rules may be broken in the test; what they wanted last is forgotten then."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    for agenda in (contract_rules.AGENDA, invoice_rules.AGENDA):
        agenda._last[:] = []
    forget()


@pytest.mark.long
def test_what_must_hold_does_on_every_way_and_a_good_end_is_left() -> None:
    found = explored(TRANSITIONS)
    assert not found.violations, in_words(found)


def test_states_that_differ_only_in_what_people_read_are_one_to_the_explorer() -> None:
    world = shared(Led("asked", Budget(), 0).begin())
    first = world.invoices[1].state

    def with_state(state: InvoiceState) -> InvoiceState:
        changed = world.invoices[1].replace(state=state)
        return shared(world.replace(invoices={1: changed})).invoices[1].state

    assert with_state(first.noted("Somebody looked at it")) is first
    for other in (
        first.replace(clock=first.clock + timedelta(days=1)),
        first.replace(rejected_because="too dear"),
        first.noted("Left in Odoo: a draft"),
    ):
        assert with_state(other) is other


# --- what the explorer found ----------------------------------------------------------------------


def test_a_draft_is_not_written_again_while_it_is_posted() -> None:
    world = walked(Led("asked", Budget(), 0).begin(), ("bob approves: invoice 1",))
    next_day = world.replace(clock=world.clock + timedelta(days=1))
    world = told(next_day, 1, ClockRang())
    assert list(world.invoices[1].state.running) == [acts.POST]


def test_a_deposit_that_is_deducted_is_not_credited() -> None:
    start = Led("a deposit", Budget(messages=1), good_place("a deposit", "close_out") - 1)
    assert named(start.begin(), "credit invoice 1") is None


def test_a_contract_in_a_new_run_waits_for_money_to_settle() -> None:
    path = ("a payment: invoice 1", "register_payment:P-2 of invoice 1: done", "time passes")
    ends_well(walked(Led("a new run", Budget(messages=1, days=1), 0).begin(), path))


# --- safeguards -----------------------------------------------------------------------------------


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
    forget()
    with pytest.raises((Exception, pytest.fail.Exception)):
        test()
