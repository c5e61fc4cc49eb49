"""What each safeguard is worth: the core without it, and where that is found.

Each mutation takes one out. `number` is that of the corner it belongs to; the mutation is found
by the explorer (every way from a place, or all messages there), or by a test of that name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import pytest

from contracts import exception_codes
from contracts.agenda import machine
from contracts.agenda.actions import Action, Refused, SignalReceived
from contracts.agenda.exceptions import certain, doubted
from contracts.agenda.machine import Agenda
from contracts.approvals import ApprovalRound
from contracts.contract import delivery, endings, invoices, proposing, reading
from contracts.contract import rules as contract_rules
from contracts.contract.messages import CancelRequest
from contracts.contract.state import RUNNING
from contracts.invoice import acts, agreements, collecting, issuing, payments, reporting
from contracts.invoice import rules as invoice_rules
from contracts.invoice.state import InvoiceStage, InvoiceState
from contracts.money import Money
from tests.explore.coverage import Way, moments_at
from tests.explore.frozen import forget
from tests.explore.search import Violation, exhaustively, probed
from tests.explore.starts import Led, good_place
from tests.explore.world import CONTRACT, Budget
from tests.unit import test_approvals
from tests.unit.agenda import test_machine
from tests.unit.contract import test_closing, test_honoured, test_milestones
from tests.unit.invoice import test_core

Patch = pytest.MonkeyPatch
_MOST = 6_000
"""Transitions to find what is wrong in."""


class Mutation(NamedTuple):
    """A core without one of its safeguards; `found_at` is a place, or a test."""

    number: int
    without: str
    break_it: Callable[[Patch], None]
    found_at: Callable[[], Led] | Callable[[], None]
    by_messages: bool = False
    """All that can be sent in that place is enough to find it."""

    @property
    def is_explored(self) -> bool:
        return not self.found_at.__name__.startswith("test_")


def place(name: str, kind: str, **budget: int) -> Callable[[], Led]:
    """Where an act of this kind begins to run on the good way of a contract; its beginning where
    that has no name."""

    def found() -> Led:
        return Led(name, Budget(**budget), good_place(name, kind))

    return found


def found_by_exploring(mutation: Mutation, patch: Patch) -> list[Violation]:
    """What the explorer says of the core without this safeguard."""
    start: Any = mutation.found_at()
    world = start.begin()  # before it is broken
    mutation.break_it(patch)
    forget()
    if not mutation.by_messages:
        return exhaustively(start, _MOST, set(), first=True).violations
    moment = moments_at(world, CONTRACT)[0]
    return probed((moment, False), Way(start, ())).violations


# --- what may have happened -----------------------------------------------------------------------


def _nothing_is_uncertain(patch: Patch) -> None:
    patch.setattr(machine, "doubted", lambda state, key: state)


def _any_failure_ends_the_doubt(patch: Patch) -> None:
    def with_doubt(state: Any, action: Action, failed: Any) -> Any:
        is_open = action.irreversible and failed.maybe_done
        return doubted(state, action.key) if is_open else certain(state, action.key)

    patch.setattr(machine, "_with_doubt", with_doubt)


def _an_uncertain_write_off_is_voided(patch: Patch) -> None:
    void = agreements.void_write_off

    def voided(state: InvoiceState) -> InvoiceState:
        after = void(state.replace(uncertain=()))
        return after if state.write_off is not None and after.write_off is None else state

    broken = [voided if item is void else item for item in invoice_rules._OF_POSTED]
    patch.setattr(invoice_rules, "_OF_POSTED", broken)


def _a_draft_that_failed_is_forgotten(patch: Patch) -> None:
    known = invoice_rules.AGENDA.acts
    rule = dataclasses.replace(known[acts.CREATE], failed=lambda state, *_: state)
    patch.setitem(known, acts.CREATE, rule)


def _the_second_look_is_left_out(patch: Patch) -> None:
    def begun(self: Any, state: Any, action: Action) -> Any:
        return state.replace(running={**state.running, action.key: action})

    patch.setattr(Agenda, "_begun", begun)


# --- endings --------------------------------------------------------------------------------------


def _nothing_is_taken_back(patch: Patch) -> None:
    patch.setattr(endings, "compensation", lambda state: iter(()))


def _provisioning_in_doubt_is_given_up(patch: Patch) -> None:
    taken_back = endings.compensation
    patch.setattr(endings, "compensation", lambda state: taken_back(state.replace(uncertain=())))


def _cancelled_beside_a_billed_invoice(patch: Patch) -> None:
    refusal = endings.cancel_refusal

    def allowed(state: Any, message: Any = None) -> str | None:
        return None if state.stage in RUNNING else refusal(state, message)

    patch.setattr(endings, "cancel_refusal", allowed)
    known = contract_rules.AGENDA.messages
    rule = dataclasses.replace(known[CancelRequest], refusal=allowed)
    patch.setitem(cast(dict[Any, Any], known), CancelRequest, rule)


def _closed_before_invoices_have_ended(patch: Patch) -> None:
    patch.setattr(endings, "may_close", endings.is_billed_out)


def _a_close_out_is_the_last_word(patch: Patch) -> None:
    rules = contract_rules._WHILE_RUNNING
    broken = tuple(rule for rule in rules if rule is not endings.close_out_starts_over)
    patch.setattr(contract_rules, "_WHILE_RUNNING", broken)


def _a_lost_start_is_not_asked_for_its_end(patch: Patch) -> None:
    patch.setattr(invoices, "_renewal_notices", lambda state: iter(()))


def _an_end_is_told_beside_money_to_settle(patch: Patch) -> None:
    def has_news(state: InvoiceState) -> bool:
        now = reporting.report(state)
        is_heard = now.stage is InvoiceStage.SETTLED and not state.tells_its_end
        return not is_heard and reporting.is_news(now, state.reported)

    patch.setattr(reporting, "has_news", has_news)


def _differences_do_not_heal(patch: Patch) -> None:
    patch.setattr(exception_codes, "heals", lambda code: False)


# --- approved is what is sent ---------------------------------------------------------------------


def _an_approval_outlives_a_change_in_odoo(patch: Patch) -> None:
    known = invoice_rules.AGENDA.acts
    rule = known[acts.CREATE]

    def drafted(state: InvoiceState, *rest: Any) -> InvoiceState:
        assert rule.done is not None
        return rule.done(state, *rest).replace(approval_round=state.approval_round)

    patch.setattr(issuing, "_approves", lambda approval_round, approval_hash: True)
    patch.setitem(known, acts.CREATE, dataclasses.replace(rule, done=drafted))


def _a_difference_parks_nothing(patch: Patch) -> None:
    known = invoice_rules.AGENDA.acts
    rule = dataclasses.replace(known[acts.POST], step=None)
    patch.setitem(known, acts.POST, rule)


def _who_amends_may_approve(patch: Patch) -> None:
    corrected = issuing.corrected

    def forgetful(state: InvoiceState, *rest: Any) -> InvoiceState:
        return corrected(state, *rest).replace(requested_by=state.requested_by)

    patch.setitem(vars(invoice_rules.AGENDA), "corrected", forgetful)


def _who_asks_may_approve(patch: Patch) -> None:
    patch.setattr(ApprovalRound, "_segregation", lambda self, person, acts_for: None)


def _a_rejection_is_told_before_the_draft_is_gone(patch: Patch) -> None:
    patch.setattr(InvoiceState, "draft_is_gone", property(lambda _: True))


def _of_one_second_the_first_mark_counts(patch: Patch) -> None:
    is_otherwise = delivery._is_otherwise
    patch.setattr(
        delivery,
        "_is_otherwise",
        lambda known, mark: known.marked_as_of != mark.as_of and is_otherwise(known, mark),
    )


def _what_comes_after_the_close_is_only_noted(patch: Patch) -> None:
    patch.setitem(vars(contract_rules.AGENDA), "missed", lambda state, *_: state)


def _drafts_of_what_is_given_up_stay(patch: Patch) -> None:
    patch.setattr(payments, "with_given_up", lambda state, item: state)


# --- messages -------------------------------------------------------------------------------------


def _a_refused_signal_is_noted_nowhere(patch: Patch) -> None:
    def taken(self: Any, state: Any, event: SignalReceived) -> Any:
        try:
            return self._taken(state, event.message, self._refusal(state, event.message))
        except Refused:
            return state

    patch.setattr(Agenda, "_taken_quietly", taken)


def _what_a_validator_refuses_is_taken(patch: Patch) -> None:
    def refusal(self: Any, state: Any, message: Any) -> str | None:
        return None

    def asked(self: Any, state: Any, message: Any, now: Any, request_id: str = "") -> str | None:
        return _refusal(self, state, message)

    _refusal = Agenda._refusal
    patch.setattr(Agenda, "refusal", asked)
    patch.setattr(Agenda, "_refusal", refusal)


def _a_request_counts_each_time(patch: Patch) -> None:
    patch.setattr(machine, "_remembered", lambda state, event: state)


def _a_parked_reading_holds_up_all(patch: Patch) -> None:
    patch.setattr(reading, "is_under_way", lambda state: bool(reading.readings(state)))


# --- money ----------------------------------------------------------------------------------------


def _an_older_balance_counts(patch: Patch) -> None:
    def with_balance(state: InvoiceState, balance: Any) -> InvoiceState:
        return state.replace(balance=balance)

    patch.setattr(payments, "with_balance", with_balance)


def _hours_without_a_rate_can_be_waived(patch: Patch) -> None:
    patch.setattr(proposing, "BILL_PERIOD", proposing.CAP)


def _a_known_payment_may_have_another_amount(patch: Patch) -> None:
    patch.setattr(payments, "_other_amount", lambda payment, known: None)


def _an_excess_is_listed_nowhere(patch: Patch) -> None:
    patch.setattr(payments, "_owed", lambda state: Money(10**9, "EUR"))


def _another_amount_is_as_good_as_the_approved_one(patch: Patch) -> None:
    patch.setattr(collecting, "is_changed", lambda _: False)


def _what_is_open_is_asked_once_it_is_paid(patch: Patch) -> None:
    known = invoice_rules.AGENDA.acts
    rule = known[acts.REGISTER_PAYMENT]

    def too_late(state: InvoiceState, action: Action, *rest: Any) -> InvoiceState:
        assert rule.done is not None
        return rule.done(rule.begun(state.replace(uncertain=()), action), action, *rest)

    patch.setitem(known, acts.REGISTER_PAYMENT, dataclasses.replace(rule, done=too_late))


def _a_payment_may_lie_ahead(patch: Patch) -> None:
    patch.setattr(payments, "_unbookable", lambda state, payment: None)


_ONE = "one milestone"
MUTATIONS = (
    Mutation(
        2,
        "an approval is void once the draft says something else",
        _an_approval_outlives_a_change_in_odoo,
        place("changed by hand", "post_invoice"),
    ),
    Mutation(
        2,
        "an invoice that differs from its approval parks, with both values",
        _a_difference_parks_nothing,
        place(_ONE, "post_invoice", messages=1),
    ),
    Mutation(
        2,
        "an invoice changed in Odoo waits until it is what was approved",
        _another_amount_is_as_good_as_the_approved_one,
        test_core.test_an_invoice_changed_in_odoo_waits_until_it_is_what_was_approved,
    ),
    Mutation(
        4,
        "who amends a proposal does not approve it",
        _who_amends_may_approve,
        place("a draft is refused", "", messages=1),
    ),
    Mutation(
        4,
        "who asks does not approve",
        _who_asks_may_approve,
        test_approvals.test_whoever_asks_does_not_approve_but_may_withdraw,
    ),
    Mutation(
        7,
        "what brings work while the contract is closed brings it back",
        _a_close_out_is_the_last_word,
        place(_ONE, "close_out", messages=1),
    ),
    Mutation(
        7,
        "a refused Signal is noted",
        _a_refused_signal_is_noted_nowhere,
        place(_ONE, "provision"),
        by_messages=True,
    ),
    Mutation(
        7,
        "what a validator refuses is refused when it is applied",
        _what_a_validator_refuses_is_taken,
        place(_ONE, "provision"),
        by_messages=True,
    ),
    Mutation(
        7,
        "what comes between the close and the write-back is listed",
        _what_comes_after_the_close_is_only_noted,
        test_closing.test_what_comes_after_the_close_is_bounded,
    ),
    Mutation(
        7,
        "of two marks within a second Odoo says which is the later",
        _of_one_second_the_first_mark_counts,
        test_milestones.test_a_milestone_is_not_marked_over_what_somebody_may_have_set_in_the_same_second,
    ),
    Mutation(
        8,
        "nothing is cancelled beside a billed invoice",
        _cancelled_beside_a_billed_invoice,
        place(_ONE, "start_invoice", messages=1),
    ),
    Mutation(
        8,
        "what was provisioned is taken back",
        _nothing_is_taken_back,
        place(_ONE, "validate", faults=1, messages=1),
    ),
    Mutation(
        8,
        "no act begins that is not wanted any more",
        _the_second_look_is_left_out,
        test_machine.test_an_act_that_is_not_wanted_any_more_does_not_begin,
    ),
    Mutation(
        10,
        "an invoice is asked once to report its end",
        _a_lost_start_is_not_asked_for_its_end,
        place(_ONE, "start_invoice", renewals=1),
    ),
    Mutation(
        11,
        "hours without a rate are not waived",
        _hours_without_a_rate_can_be_waived,
        test_honoured.test_a_period_without_a_rate_cannot_be_skipped,
    ),
    Mutation(
        14,
        "a plan that cannot be read holds up no other",
        _a_parked_reading_holds_up_all,
        test_honoured.test_a_plan_that_cannot_be_read_holds_up_no_other_plan,
    ),
    Mutation(
        16,
        "a request that is sent again counts once",
        _a_request_counts_each_time,
        place(_ONE, "validate"),
        by_messages=True,
    ),
    Mutation(
        17,
        "a known payment keeps its amount",
        _a_known_payment_may_have_another_amount,
        test_core.test_another_amount_under_a_known_reference_is_refused,
    ),
    Mutation(
        17,
        "what is paid too much is listed",
        _an_excess_is_listed_nowhere,
        test_core.test_what_is_paid_too_much_is_listed_until_a_person_has_settled_it,
    ),
    Mutation(
        17,
        "what was open before a payment says what is too much",
        _what_is_open_is_asked_once_it_is_paid,
        test_core.test_a_payment_of_what_is_open_exceeds_nothing_when_the_sweep_comes_before_its_answer,
    ),
    Mutation(
        17,
        "a payment does not lie ahead",
        _a_payment_may_lie_ahead,
        test_core.test_a_payment_that_lies_ahead_is_refused_and_kept_where_nobody_can_be_told,
    ),
    Mutation(
        24,
        "the close-out waits for every invoice to have ended",
        _closed_before_invoices_have_ended,
        place(_ONE, "start_invoice", days=2),
    ),
    Mutation(
        24,
        "an invoice tells its end once nothing is left to see to",
        _an_end_is_told_beside_money_to_settle,
        place("a new run", "", messages=1, days=1),
    ),
    Mutation(
        24,
        "a difference that goes away ends its exception",
        _differences_do_not_heal,
        test_honoured.test_a_difference_that_goes_away_ends_its_exception_and_closes_the_contract,
    ),
    Mutation(
        26,
        "what may have happened is uncertain",
        _nothing_is_uncertain,
        place(_ONE, "validate", faults=1, messages=1, days=2),
    ),
    Mutation(
        26,
        "only Odoo's own answer ends a doubt",
        _any_failure_ends_the_doubt,
        place(_ONE, "provision", faults=2, messages=1),
    ),
    Mutation(
        26,
        "a cancel waits until it is known what was provisioned",
        _provisioning_in_doubt_is_given_up,
        place(_ONE, "validate", faults=1, messages=1, days=2),
    ),
    Mutation(
        26,
        "a rejection reaches the contract once the draft is gone",
        _a_rejection_is_told_before_the_draft_is_gone,
        place("asked", "", messages=1),
    ),
    Mutation(
        26,
        "a draft that failed on the way is looked for",
        _a_draft_that_failed_is_forgotten,
        place(_ONE, "create_invoice", faults=1, messages=1),
    ),
    Mutation(
        26,
        "the draft of what is given up is taken back",
        _drafts_of_what_is_given_up_stay,
        test_core.test_the_draft_of_a_payment_that_is_given_up_is_taken_back,
    ),
    Mutation(
        26,
        "an uncertain write-off is not void because nothing is open",
        _an_uncertain_write_off_is_voided,
        test_core.test_a_write_off_that_may_have_happened_is_not_void_because_nothing_is_open,
    ),
    Mutation(
        26,
        "an older balance does not replace a newer one",
        _an_older_balance_counts,
        place("half paid", "", early=1, messages=1),
    ),
)
