"""Composing an invoice: its own lines under their caps, the deposit, retainage, and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import cast

from contracts.billing import caps, deposits, drafting, keys, retainage
from contracts.billing.crediting import credit_drafts
from contracts.billing.drafts import Draft, Piece, amount_of, numbered
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.occasions import Occasion, OccasionKind, commitment_change, occasions
from contracts.billing.posting import ledger_of
from contracts.billing.state import BillingState, Invoice, InvoiceStatus, NotPossible
from contracts.problems import Problem

_PLANNED = (keys.FEE, keys.MILESTONE, keys.DEPOSIT, keys.RETAINAGE, keys.DEDUCTED)
_WAITING = (keys.SERVICE_CREDIT, keys.TERMINATION)


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed invoice: what finance approves, what billing keeps of it, and sentences to tell
    people (a cap is almost used up).

    Without a proposal there is nothing to invoice (all lines round to zero, or are above a cap):
    propose it all the same, and it is settled.
    """

    proposal: InvoiceProposal | None
    invoice: Invoice
    warnings: tuple[str, ...] = ()


def compose(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion by its key, or the problems that a person must solve first: an
    hour without a rate (`rate_missing`), a cap that nobody let pass (`cap_reached`).

    `number` counts the contract's invoices from 1. Raises NotPossible if there is no such
    occasion now.
    """
    ledger = ledger_of(billing, today)
    found = next((item for item in occasions(billing, today) if item.key == occasion), None)
    if found is None:
        raise NotPossible(f"there is nothing to bill for {occasion}")
    name = f"{occasion} {number}"
    if name not in ledger.kept:
        ledger.kept[name] = _composed(ledger, found, number)
    return cast("Composition | tuple[Problem, ...]", ledger.kept[name])


def _composed(ledger: Ledger, occasion: Occasion, number: int) -> Composition | tuple[Problem, ...]:
    bill = _Bill(ledger, occasion, number)
    request = ledger.state.credit_requests.get(occasion.key)
    if request is not None:
        bill.drafts = credit_drafts(ledger, request)
    elif occasion.kind is OccasionKind.RETAINAGE:
        bill.drafts = [*retainage.released_lines(ledger, occasion.own)]
        bill.take_waiting()
    else:
        bill.take_own()
        if bill.problems:
            return tuple(bill.problems)
        bill.drafts += deposits.deduction(ledger, bill.pieces)
        bill.percent = retainage.percent_on(ledger.state, occasion.due_on)
        bill.drafts += retainage.held_back(ledger, number, bill.percent, bill.drafts)
        bill.take_waiting()
    return _composition(bill)


class _Bill:
    """An invoice while it is put together; nothing is stored."""

    def __init__(self, ledger: Ledger, occasion: Occasion, number: int) -> None:
        self.ledger, self.occasion, self.number = ledger, occasion, number
        self.drafts: list[Draft] = []
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.percent = ZERO
        self.is_planned = True

    @property
    def settles(self) -> bool:
        return self.occasion.kind is OccasionKind.SETTLEMENT

    @property
    def pieces(self) -> list[Piece]:
        return [piece for draft in self.drafts for piece in draft.pieces]

    def take_own(self) -> None:
        """The lines of the occasion's own keys."""
        ledger = self.ledger
        by_plan: dict[str, list[str]] = {}
        for key in self.occasion.own:
            kind = keys.kind_of(key)
            if kind == keys.MILESTONE:
                self.drafts.append(drafting.milestone(ledger, key))
            elif kind == keys.DEPOSIT:
                self.drafts.append(drafting.deposit(ledger))
            elif kind in (*keys.BY_PERIOD, keys.CAP) and not ledger.is_given_back(key):
                by_plan.setdefault(keys.plan_of(key), []).append(key)
        for plan in sorted(ledger.index.terms if self.settles else by_plan):
            found = caps.plan_bill(ledger, plan, by_plan.get(plan, ()), self.occasion.due_on)
            self.drafts += found.drafts
            self.problems += found.problems
            self.warnings += found.warnings
            if self.settles and (owed := commitment_change(ledger, plan)):
                self.drafts.append(drafting.commitment(ledger, plan, owed))
        if self.settles:
            self.drafts += deposits.settlement(ledger)
        self.is_planned = all(self._is_planned(piece) for piece in self.pieces)

    def _is_planned(self, piece: Piece) -> bool:
        """Nothing of it was billed before: what is issued anew was not planned."""
        numbers = self.ledger.index.invoices_of.get(piece.key, ())
        before = (self.ledger.state.invoices[number] for number in numbers)
        return piece.kind in _PLANNED and not any(item.counts for item in before)

    def take_waiting(self) -> None:
        """What is owed to the customer, and the fee of an early end: each only if the invoice can
        bear it; at the settlement all of it."""
        total = amount_of(self.drafts)
        for draft in self._waiting():
            if self.settles or total + draft.amount >= 0:
                self.drafts.append(draft)
                total += draft.amount
                self.is_planned = False

    def _waiting(self) -> list[Draft]:
        ledger = self.ledger
        owed = [
            (ledger.due_on(key), key)
            for key in ledger.differences
            if (keys.kind_of(key) in _WAITING or ledger.is_given_back(key))
            and ledger.change(key)
            and not ledger.account(key).open
        ]
        return [*(drafting.waiting(ledger, key) for _, key in sorted(owed)), *self._retainage()]

    def _retainage(self) -> list[Draft]:
        """What earlier invoices hold back too much; or too little, as they could not bear it."""
        ledger, pieces, found = self.ledger, self.pieces, []
        held = {piece.key for piece in pieces if piece.kind == keys.RETAINAGE}
        # What is held back at the end or by a release would be paid out at once.
        holds_more = not self.settles and self.occasion.kind is not OccasionKind.RETAINAGE
        for number in retainage.numbers(ledger):
            if keys.retainage(number) not in held:
                new = [piece for piece in pieces if ledger.account(piece.key).first == number]
                change = retainage.change_of(ledger, number, new)
                if change > 0 or (change and holds_more):
                    found.append(retainage.line(ledger, number, change, self.percent))
        return found


def _composition(bill: _Bill) -> Composition:
    state, occasion, today = bill.ledger.state, bill.occasion, bill.ledger.today
    contract, request = state.contract, state.credit_requests.get(occasion.key)
    drafts = deposits.with_shares(bill.ledger, bill.drafts)
    lines, parts = numbered(bill.ledger, bill.number, drafts)
    credits = request is not None or amount_of(drafts) < 0
    kind = InvoiceKind.CREDIT_NOTE if credits else InvoiceKind.INVOICE
    invoice = Invoice(
        number=bill.number if lines else min([0, *state.invoices]) - 1,
        occasion=occasion.key,
        title=occasion.title,
        due_on=occasion.due_on,
        kind=kind,
        status=InvoiceStatus.PROPOSED if lines else InvoiceStatus.ISSUED,
        lines=lines,
        parts=parts,
        version=state.version,
        proposed_on=today,
        happened_on=today,
        credited_number=occasion.credited_number,
        reinvoice=request.reinvoice if request else False,
        retainage_percent=bill.percent,
        tracks=occasion.tracks,
        reason=_reason(bill.ledger, occasion),
        asked_by=request.by if request else "",
    )
    warnings = tuple(bill.warnings)
    if not lines:
        return Composition(None, invoice, warnings)
    proposal = InvoiceProposal(
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        number=bill.number,
        kind=kind,
        credited_number=occasion.credited_number,
        title=f"{contract.title} – {occasion.title}",
        customer_key=contract.customer.key,
        customer_name=contract.customer.name,
        lines=lines,
        payment_term=contract.payment_term,
        purchase_order=contract.purchase_order,
        reason=invoice.reason,
        proposed_on=today,
        as_planned=bill.is_planned and request is None,
    )
    return Composition(proposal, invoice, warnings)


def _reason(ledger: Ledger, occasion: Occasion) -> str:
    """What a person said, who asked for the credit or the release."""
    state = ledger.state
    request = state.credit_requests.get(occasion.key)
    if request is not None:
        return f"{request.reason} ({request.by})"
    if occasion.kind is not OccasionKind.RETAINAGE:
        return ""
    released = (state.invoices[int(keys.plan_of(key))] for key in occasion.own)
    return next((item.release_reason for item in released if item.release_reason), "")
