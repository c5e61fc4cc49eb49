"""All ways of an invoice, within budgets: what must hold does, and every place has a good end."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable

import pytest

from contracts.agenda import machine
from contracts.invoice import acts, agreements, rules
from contracts.invoice.state import InvoiceState
from tests.unit.invoice.explorer import MOST_BYTES, Play, beginning, ends_well, explore

PLACES = 2_000
EVERY = 25


def find_out(
    faults: int,
    messages: int,
    days: int,
    places: int = PLACES,
    *,
    credit_note: bool = False,
) -> int:
    """Go every way within the budgets; how many ends there were. Raises AssertionError with the
    way to what must not be."""
    looked = 0

    def look(play: Play, way: str) -> None:
        nonlocal looked
        looked += 1
        if looked % EVERY == 0:
            assert len(play.state.model_dump_json()) < MOST_BYTES
            try:
                ends_well(play)
            except AssertionError as error:
                raise AssertionError(f"{error}; from {way}") from error

    start = beginning(faults=faults, messages=messages, days=days, credit_note=credit_note)
    return explore(start, places, look).ends


@pytest.mark.parametrize(
    ("faults", "messages", "days"), [(1, 2, 1), (2, 1, 0), (0, 4, 1), (1, 1, 3)]
)
def test_what_must_hold_does_on_every_way_and_leads_to_a_good_end(
    faults: int, messages: int, days: int
) -> None:
    assert find_out(faults, messages, days)


def test_a_credit_note_has_a_good_end_from_everywhere_too() -> None:
    assert find_out(2, 2, 1, credit_note=True)


# --- the explorer itself: rules that are broken are found ---------------------------------------


def _nothing_is_uncertain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "doubted", lambda state, key: state)


def _rejections_are_told_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InvoiceState, "draft_is_gone", property(lambda _: True))


def _a_draft_that_failed_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    rule = dataclasses.replace(rules.AGENDA.acts[acts.CREATE], failed=lambda state, *_: state)
    patch.setitem(rules.AGENDA.acts, acts.CREATE, rule)


def _an_uncertain_write_off_is_voided(patch: pytest.MonkeyPatch) -> None:
    void = agreements.void_write_off

    def voided(state: InvoiceState) -> InvoiceState:
        after = void(state.replace(uncertain=()))
        return state if after.write_off is not None else after

    broken = [voided if item is void else item for item in rules._OF_POSTED]
    patch.setattr(rules, "_OF_POSTED", broken)


@pytest.mark.parametrize(
    ("break_it", "budgets"),
    [
        (_nothing_is_uncertain, (1, 2, 1)),
        (_rejections_are_told_at_once, (0, 1, 0)),
        (_a_draft_that_failed_is_forgotten, (1, 1, 0)),
        (_an_uncertain_write_off_is_voided, (1, 4, 1)),
    ],
)
def test_a_broken_rule_is_found(
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    budgets: tuple[int, int, int],
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError):
        find_out(*budgets, places=6_000)


def test_the_agenda_of_an_invoice_is_fast() -> None:
    """Prints how many events a second the pure core takes in; `-s` shows it."""
    start = beginning(faults=0, messages=0, days=0)
    began, events = time.process_time(), 0
    for _ in range(40):
        events += ends_well(start).events
    seconds = time.process_time() - began
    sys.stdout.write(f"agenda steps_per_second={events / seconds:.0f}\n")
    assert events >= 40 * 10
