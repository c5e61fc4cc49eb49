"""All ways of an invoice, within budgets: what must hold does, and every place has a good end."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from contracts.agenda import machine
from contracts.agenda.actions import Action
from contracts.agenda.state import required
from contracts.invoice import acts, agreements, collecting, rules
from contracts.invoice.state import InvoiceState
from tests.unit.invoice.explorer import MOST_BYTES, Play, beginning, ends_well, explore
from tests.unit.invoice.test_core import posted

PLACES = 2_000
EVERY = 25


def find_out(
    faults: int,
    messages: int,
    days: int,
    places: int = PLACES,
    *,
    credit_note: bool = False,
    begin: Callable[..., Play] = beginning,
    every: int = EVERY,
) -> int:
    """Go every way within the budgets; how many ends there were. Raises AssertionError with the
    way to what must not be."""
    looked = 0

    def look(play: Play, way: str) -> None:
        nonlocal looked
        looked += 1
        if looked % every == 0:
            assert len(play.state.model_dump_json()) < MOST_BYTES
            try:
                ends_well(play)
            except AssertionError as error:
                raise AssertionError(f"{error}; from {way}") from error

    start = begin(faults=faults, messages=messages, days=days, credit_note=credit_note)
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
        if state.write_off is None:
            return state
        after = void(state.replace(uncertain=()))
        return state if after.write_off is not None else after

    broken = [voided if item is void else item for item in rules._OF_POSTED]
    patch.setattr(rules, "_OF_POSTED", broken)


def _another_amount_is_as_good_as_the_approved_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(collecting, "is_changed", lambda _: False)


def _what_is_open_is_asked_once_it_is_paid(patch: pytest.MonkeyPatch) -> None:
    rule = rules.AGENDA.acts[acts.REGISTER_PAYMENT]
    begun = rule.begun

    def too_late(state: InvoiceState, action: Action, *rest: Any) -> InvoiceState:
        return required(rule.done)(begun(state.replace(uncertain=()), action), action, *rest)

    broken = dataclasses.replace(rule, done=too_late)
    patch.setitem(rules.AGENDA.acts, acts.REGISTER_PAYMENT, broken)


def issued(*, faults: int, messages: int, days: int, credit_note: bool) -> Play:
    """The same from where the customer has got the invoice."""
    return dataclasses.replace(posted(), faults=faults, messages=messages, days=days)


@pytest.mark.parametrize(
    ("break_it", "begin", "budgets"),
    [
        (_nothing_is_uncertain, beginning, (1, 2, 1)),
        (_rejections_are_told_at_once, beginning, (0, 1, 0)),
        (_a_draft_that_failed_is_forgotten, beginning, (1, 1, 0)),
        (_an_uncertain_write_off_is_voided, issued, (1, 2, 0)),
        (_another_amount_is_as_good_as_the_approved_one, issued, (0, 1, 0)),
        (_what_is_open_is_asked_once_it_is_paid, issued, (1, 1, 0)),
    ],
)
def test_a_broken_rule_is_found(
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    begin: Callable[..., Play],
    budgets: tuple[int, int, int],
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError):
        find_out(*budgets, places=6_000, begin=begin, every=1 if begin is issued else EVERY)


def test_the_agenda_of_an_invoice_is_fast() -> None:
    """Prints how many events a second the pure core takes in; `-s` shows it."""
    start = beginning(faults=0, messages=0, days=0)
    began, events = time.process_time(), 0
    for _ in range(40):
        events += ends_well(start).events
    seconds = time.process_time() - began
    sys.stdout.write(f"agenda steps_per_second={events / seconds:.0f}\n")
    assert events >= 40 * 10
