"""Contract and invoices explored together: what must hold does, and broken rules are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.agenda import machine
from contracts.agenda.machine import Agenda
from contracts.contract import endings, invoices
from contracts.contract.messages import CancelRequest
from contracts.contract.rules import AGENDA
from contracts.contract.state import RUNNING
from contracts.invoice.state import InvoiceState
from tests.explore.__main__ import explored, told
from tests.explore.endings import led, steps_to_the_act
from tests.explore.examples import small
from tests.explore.search import Found, exhaustively
from tests.explore.world import Budget

TRANSITIONS = 10_000
_MUST_BE_ACCEPTED = frozenset(
    {
        "contract CancelRequest",
        "contract MilestoneReached",
        "contract MilestoneUnreached",
        "contract CreditRequest",
        "contract CreditRequested",
        "contract ChangeOrder",
        "contract HoldRequest",
        "contract TerminationRequest",
        "invoice ApprovalDecision",
        "invoice DisputeOpened",
        "invoice PaymentReceived",
        "invoice WriteOffAsked",
    }
)


def test_what_must_hold_does_on_every_way_and_a_good_end_is_left() -> None:
    found = explored(TRANSITIONS)
    assert not found.violations, told(found)
    assert found.coverage.seen(accepted=True) >= _MUST_BE_ACCEPTED
    assert found.coverage.seen(accepted=False) >= _MUST_BE_ACCEPTED - {"contract CreditRequested"}


# --- rules that are broken are found --------------------------------------------------------------


def _nothing_is_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "compensation", lambda state: iter(()))


def _nothing_is_uncertain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine, "doubted", lambda state, key: state)


def _messages_while_closing_are_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agenda, "_waits_for_exclusive", lambda self, state, message: False)


def _deferred_messages_are_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agenda, "_with_deferred", lambda self, state: state.replace(deferred=()))


def _cancelled_beside_a_billed_invoice(patch: pytest.MonkeyPatch) -> None:
    def allowed(state: Any, _: Any = None) -> str | None:
        return None if state.stage in RUNNING else _cancel(state)

    _cancel = endings.cancel_refusal
    patch.setattr(endings, "cancel_refusal", allowed)
    rule = replace(AGENDA.messages[CancelRequest], refusal=allowed)
    messages: dict[type, Any] = AGENDA.messages  # type: ignore[assignment]
    patch.setitem(messages, CancelRequest, rule)


def _closed_before_invoices_have_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "may_close", endings.is_billed_out)


def _rejections_are_told_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InvoiceState, "draft_is_gone", property(lambda _: True))


def _provisioning_in_doubt_is_given_up(patch: pytest.MonkeyPatch) -> None:
    taken_back = endings.compensation

    def forgetful(state: Any) -> Any:
        return taken_back(state.replace(uncertain=()))

    patch.setattr(endings, "compensation", forgetful)


def _a_lost_start_is_not_asked_for_its_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(invoices, "_renewal_notices", lambda state: iter(()))


_ONE = "one milestone"
_PLAIN = Budget(faults=1, messages=1, days=2)


@pytest.mark.parametrize(
    ("break_it", "until", "budget"),
    [
        (_nothing_is_taken_back, "validate", _PLAIN),
        (_nothing_is_uncertain, "validate", _PLAIN),
        (_messages_while_closing_are_taken, "close_out", Budget(messages=1)),
        (_deferred_messages_are_lost, "close_out", Budget(messages=1)),
        (_cancelled_beside_a_billed_invoice, "start_invoice", Budget(messages=1)),
        (_closed_before_invoices_have_ended, "start_invoice", Budget(days=2)),
        (_rejections_are_told_at_once, "start_invoice", Budget(messages=2)),
        (_provisioning_in_doubt_is_given_up, "validate", _PLAIN),
        (_a_lost_start_is_not_asked_for_its_end, "start_invoice", Budget(renewals=1)),
    ],
)
def test_a_broken_rule_is_found(
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    until: str,
    budget: Budget,
) -> None:
    start = small(_ONE, budget)
    start = led(start, steps_to_the_act(start, until))
    break_it(monkeypatch)
    found = Found()
    exhaustively(start, _ONE, 3_000, found, first=True)
    assert found.violations, f"{break_it.__name__} was not found"
