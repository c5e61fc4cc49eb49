"""Everything that people and systems may send to a contract and its invoices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from contracts.agenda.actions import Event, Noted, SignalReceived, UpdateReceived
from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    BurnRequest,
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    InvoiceEnded,
    InvoiceLost,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    Side,
    SignatureConfirmed,
    SignatureReported,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
)
from contracts.contract.state import ContractState
from contracts.invoice.messages import (
    ContractHoldChange,
    ContractRenewed,
    CreditApplied,
    CreditRequested,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    InvoiceBalance,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    PaymentReported,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceReport, InvoiceStage, InvoiceState
from contracts.model import Contract, Source
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.processors import ProcessorPayment, Reversal, ReversalKind
from contracts.signatures import Envelope, EnvelopeStatus
from tests.explore.frozen import once
from tests.explore.odoo import OdooInvoice
from tests.explore.world import CONTRACT, World, words_of
from tests.unit.examples import ANA, BOB, SAM

PIA, OLGA = "pia@northwind.example", "olga@northwind.example"
NOBODY = 99
"""The number of an invoice that there is none of."""
_AUDIT = Hold(by=OLGA, reason="audit")
_ADDED = {"key": "extra", "name": "Extra"}
T = TypeVar("T")


class Sent(NamedTuple):
    """A message as somebody sends it; one that is `Noted` could not be read, or asks for what
    there is not. `kind` is the same for messages that differ only in what they are about."""

    who: int
    label: str
    message: Any
    is_signal: bool = False

    @property
    def event(self) -> Event:
        if isinstance(self.message, Noted):
            return self.message
        if self.is_signal:
            return SignalReceived(self.message, words_of(self.message))
        return UpdateReceived(self.message)

    @property
    def kind(self) -> str:
        return kind_of(self.message)


def kind_of(message: Any) -> str:
    """What a message is called where its coverage is counted."""
    if isinstance(message, Resolution):
        return f"{type(message).__name__} {message.action}"
    return type(message).__name__


def everything(world: World) -> Iterator[Sent]:
    """What may be sent now, whether it will be accepted or not."""
    for who in (CONTRACT, *world.invoices):
        if world.is_alive(who):
            yield from sent_to(world, who)


def sent_to(world: World, who: int) -> tuple[Sent, ...]:
    """What may be sent to the contract, or to one of its invoices."""
    known = None if who == CONTRACT else world.odoo.invoices.get(who)
    return _sent_to(who, world.state_of(who), known, world.clock)


@once(20_000)
def _sent_to(who: int, state: Any, known: OdooInvoice | None, now: datetime) -> tuple[Sent, ...]:
    others = _to_contract(state, now) if who == CONTRACT else _to_invoice(state, who, known)
    return (*resolutions(who, state.exceptions), *others)


@lru_cache(maxsize=20_000)
def _made(kind: type[T], /, **fields: Any) -> T:
    """A message; the very same one for the same fields, since to validate them takes long."""
    return kind(**fields)


# --- decisions about exceptions -----------------------------------------------------------------


def resolutions(who: int, parked: tuple[StepException, ...]) -> Iterator[Sent]:
    """Every choice for each exception, allowed or not; and for one that there is not."""
    for step in [item.step for item in parked] or ["nothing"]:
        for choice in Choice:
            label = f"{choice} {step} of {name_of(who)}"
            yield Sent(who, label, resolution(step, choice))


@lru_cache(maxsize=2_000)
def resolution(step: str, choice: Choice) -> Resolution:
    """Who amends something may approve it otherwise."""
    if choice is not Choice.AMEND:
        return Resolution(action=choice, by=OLGA, step=step, reason="agreed")
    changes = {"purchase_order": "PO-78"}
    return Resolution(action=choice, by=ANA, step=step, reason="agreed", changes=changes)


def name_of(who: int) -> str:
    return f"invoice {who}" if who else "the contract"


# --- to the contract ------------------------------------------------------------------------------


def _to_contract(state: ContractState, now: datetime) -> Iterator[Sent]:
    for label, message in _updates(state):
        yield Sent(CONTRACT, label, message)
    for label, message in _signals(state, now):
        yield Sent(CONTRACT, label, message, is_signal=True)


def _updates(state: ContractState) -> Iterator[tuple[str, Any]]:
    contract = state.contract
    yield "cancel", _made(CancelRequest, by=SAM, reason="changed their mind")
    keys = [item.key for item in contract.milestones] if contract else ["m1"]
    for key in [*keys, "unknown"]:
        yield f"{key} is reached", _made(MilestoneReached, milestone=key, by=PIA)
        yield f"{key} is not reached", _made(MilestoneUnreached, milestone=key, by=PIA)
    yield from _of_approval(state.change.approval_round if state.change else None)
    yield "it is signed on paper", _made(SignatureConfirmed, by=SAM, reason="on paper")
    yield "the envelope is completed", signature(EnvelopeStatus.COMPLETED)
    yield from _about_the_end(state.today)
    yield from _about_holds(state.today)
    yield "read the deal again", _made(CustomerRefresh, by=OLGA)
    yield "read the burn", _made(BurnRequest, by=OLGA)
    yield "release the retainage", _made(RetainageRelease, by=OLGA, reason="accepted")
    yield from _about_money(state)


@lru_cache(maxsize=100)
def signature(status: EnvelopeStatus, envelope_id: str = "env-1", hour: int = 0) -> Any:
    """An envelope as its service reports it; at a later hour it has changed since."""
    at = _SIGNED_AT + timedelta(hours=hour)
    is_signed = status is EnvelopeStatus.COMPLETED
    envelope = Envelope(
        envelope_id=envelope_id,
        status=status,
        changed_at=at,
        completed_at=at if is_signed else None,
        deal=Source(system="hubspot", id="9001"),
    )
    return SignatureReported(system="docusign", envelope=envelope)


_SIGNED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@lru_cache(maxsize=2_000)
def _about_the_end(today: date) -> tuple[tuple[str, Any], ...]:
    ends = [
        (
            f"end the contract in {days} days",
            TerminationRequest(
                side=Side.CUSTOMER,
                by=SAM,
                reason="over",
                on=today + timedelta(days=days),
                agreed=not days,
            ),
        )
        for days in (0, 40)
    ]
    return (
        *ends,
        ("withdraw the early end", TerminationWithdrawn(by=SAM)),
        ("give notice", NoticeGiven(side=Side.CUSTOMER, by=OLGA)),
    )


@lru_cache(maxsize=2_000)
def _about_holds(today: date) -> tuple[tuple[str, Any], ...]:
    until = Hold(by=OLGA, reason="audit", until=today)
    return (
        *((f"hold {kind}", HoldRequest(kind=kind, by=OLGA, hold=_AUDIT)) for kind in HoldKind),
        *((f"release {kind}", HoldRequest(kind=kind, by=OLGA)) for kind in HoldKind),
        ("hold billing today", HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=until)),
    )


def _about_money(state: ContractState) -> Iterator[tuple[str, Any]]:
    contract = state.contract
    currency = contract.currency if contract else "EUR"
    for number in (*state.invoices, NOBODY):
        yield from _about_credits(number, currency)
    usage = contract.usage[0].key if contract and contract.usage else "none"
    for quantity in (5, 7):
        yield f"{quantity} calls were made", _use(usage, state.today, quantity)
    retainer = contract.retainers[0].key if contract and contract.retainers else "none"
    yield (
        "owe a service credit",
        _made(
            ServiceCredit,
            retainer=retainer,
            reference="outage-1",
            reason="outage",
            amount=Money("20", currency),
            by=OLGA,
        ),
    )
    yield from _about_changes(contract)


@lru_cache(maxsize=2_000)
def _about_credits(number: int, currency: str) -> tuple[tuple[str, Any], ...]:
    whole = CreditRequest(number=number, by=OLGA, reason="late")
    again = whole.model_copy(update={"reinvoice": True})
    part = whole.model_copy(update={"amount": Money("10", currency)})
    return (
        (f"credit invoice {number}", whole),
        (f"credit invoice {number} and bill it again", again),
        (f"credit 10 of invoice {number}", part),
    )


@lru_cache(maxsize=2_000)
def _use(plan: str, on: date, quantity: int) -> UsageReport:
    record = UsageRecord(id="r1", plan=plan, on=on, quantity=Decimal(quantity))
    return UsageReport(records=(record,))


def _about_changes(contract: Contract | None) -> tuple[tuple[str, Any], ...]:
    if contract is None:
        return _change_orders("work", ())
    return _change_orders(
        contract.services[0].key, tuple(item.key for item in contract.milestones[:1])
    )


@lru_cache(maxsize=2_000)
def _change_orders(service: str, milestones: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    order = {"number": 1, "by": SAM, "reason": "agreed"}
    added = {**_ADDED, "service": service, "amount": "100"}
    changes: list[tuple[str, dict[str, Any]]] = [("add a milestone", {"add_milestones": (added,)})]
    for key in milestones:
        changes.append((f"drop {key}", {"drop": (key,)}))
        changes.append((f"reprice {key}", {"reprice": {key: "900"}}))
    return tuple((label, ChangeOrder.model_validate(order | item)) for label, item in changes)


def _of_approval(approval_round: ApprovalRound | None) -> Iterator[tuple[str, Any]]:
    if approval_round is None:
        nothing = Money("1", "EUR")
        yield (
            "bob approves what nobody asked for",
            _made(
                ApprovalDecision,
                decision=Decision.APPROVE,
                by=BOB,
                content_hash="0" * 64,
                amount=nothing,
            ),
        )
        return
    for by in (BOB, ANA, SAM):
        yield f"{by.partition('@')[0]} approves", vote(approval_round, by, Decision.APPROVE)
    yield "ana rejects", vote(approval_round, ANA, Decision.REJECT)
    other = vote(approval_round, BOB, Decision.APPROVE)
    yield "bob approves something else", other.model_copy(update={"content_hash": "0" * 64})


def vote(approval_round: ApprovalRound, by: str, word: Decision) -> ApprovalDecision:
    return _vote(approval_round.subject.content_hash, approval_round.subject.amount, by, word)


@lru_cache(maxsize=2_000)
def _vote(content_hash: str, amount: Money, by: str, word: Decision) -> ApprovalDecision:
    return ApprovalDecision(
        decision=word,
        by=by,
        content_hash=content_hash,
        amount=amount,
        comment="as I say",
    )


def _signals(state: ContractState, now: datetime) -> Iterator[tuple[str, Any]]:
    """What systems tell of Odoo, what a gateway sends, and old news that comes once more."""
    known = {key: number for key, number in state.odoo.milestone_ids.items()}
    for key, number in [*known.items(), ("a strange milestone", NOBODY)]:
        if key in state.milestones or number == NOBODY:
            reached = _made(MilestoneReachedInOdoo, milestone_id=number, as_of=now)
            yield f"{key} is marked reached in Odoo", reached
            unreached = _made(MilestoneUnreachedInOdoo, milestone_id=number, as_of=now)
            yield f"{key} is not marked reached in Odoo", unreached
    yield "m1 is reached, says a system", _made(MilestoneReached, milestone="m1", by="jira")
    reports = [*state.invoices.values()][:2] or [_strange_report()]
    for report in reports:
        yield f"old news of invoice {report.number}", report
        label = f"a system asks for a credit of invoice {report.number}"
        yield label, _asked(report.number, report.amount.currency)
    yield "an operator cancels", _made(CancelRequest, by="temporal", reason=_BY_FORCE)
    yield from _about_envelopes()
    yield "an unreadable Signal", _UNREADABLE


@lru_cache(maxsize=1)
def _about_envelopes() -> tuple[tuple[str, Any], ...]:
    """In any order: one that is declined, a second one, and the first signed a day later."""
    declined, voided = EnvelopeStatus.DECLINED, EnvelopeStatus.VOIDED
    return (
        ("the envelope is declined", signature(declined)),
        ("the envelope is voided later", signature(voided, hour=1)),
        ("another envelope is sent", signature(EnvelopeStatus.SENT, "env-2", 2)),
        ("the envelope is completed a day later", signature(EnvelopeStatus.COMPLETED, hour=24)),
    )


_BY_FORCE = "the workflow was cancelled"
_UNREADABLE = Noted("Refused the Signal usage_reported: records: at least one is expected")
_NOT_CANCELLED = Noted("Refused to cancel: reject the proposal, or credit the invoice")


@lru_cache(maxsize=1)
def _strange_report() -> InvoiceReport:
    return InvoiceReport(number=NOBODY, stage=InvoiceStage.OPEN, amount=Money("1", "EUR"))


@lru_cache(maxsize=2_000)
def _asked(number: int, currency: str) -> CreditRequested:
    return CreditRequested(
        number=number,
        amount=Money("12", currency),
        untaxed=Money("10", currency),
        by=ANA,
        reason="late",
    )


def ends_of_children(world: World, who: int) -> Iterator[Sent]:
    """What the run of a contract hears of the invoices that it has started."""
    if who == CONTRACT:
        for number, report in world.contract.invoices.items():
            ended = InvoiceEnded(report=report)
            yield Sent(CONTRACT, f"the end of invoice {number}", ended, is_signal=True)
            lost = InvoiceLost(number=number)
            yield Sent(CONTRACT, f"the loss of invoice {number}", lost, is_signal=True)


# --- to an invoice --------------------------------------------------------------------------------


def _to_invoice(state: InvoiceState, number: int, known: OdooInvoice | None) -> Iterator[Sent]:
    total = known.total if known else abs_of(state)
    for label, message in _about_invoice(state, total):
        yield Sent(number, f"{label}: invoice {number}", message)
    for label, message in _told_invoice(state, known, total):
        yield Sent(number, f"{label}: invoice {number}", message, is_signal=True)


def _told_invoice(
    state: InvoiceState, known: OdooInvoice | None, total: Money
) -> Iterator[tuple[str, Any]]:
    notice = _made(PaymentNotice, reference="P-1", amount=total, paid_on=state.today)
    yield "the bank tells of a payment", notice
    yield from _about_processor(total, state.clock)
    if known is not None:
        yield "the sweep tells its balance", known.balance
    else:
        yield "the sweep tells the balance of another", _strange_credit(total).balance
    yield "the credit of another is told", _strange_credit(total)
    yield "its contract has another run", _made(ContractRenewed)
    yield "its contract is held", _made(ContractHoldChange, by=OLGA, reason="audit")
    yield "its contract is released", _made(ContractHoldChange, on=False, by=OLGA, reason="over")
    yield "an operator cancels", _NOT_CANCELLED
    yield "an unreadable Signal", _UNREADABLE


@lru_cache(maxsize=2_000)
def _about_processor(total: Money, now: datetime) -> tuple[tuple[str, Any], ...]:
    """A payment as a processor reads it at a time: whole, given back in part, taken back; read
    before another time; and one that was never money."""
    half = Money.rounded(total.amount / 2, total.currency)
    refund = Reversal(id="re_1", kind=ReversalKind.REFUND, amount=half, on=now.date())
    chargeback = Reversal(id="du_1", kind=ReversalKind.CHARGEBACK, amount=total, on=now.date())
    paid = ProcessorPayment(payment_id="pi_1", amount=total, is_money=True, paid_on=now.date())

    def reported(read_at: datetime = now, **changes: Any) -> PaymentReported:
        payment = paid.replace(**changes)
        return PaymentReported(system="stripe", journal="PSP", payment=payment, read_at=read_at)

    failed = Reversal(id="pi_2 failure", kind=ReversalKind.FAILURE, amount=total, on=now.date())
    return (
        ("a processor tells of a payment", reported()),
        ("a processor tells of its refund", reported(reversals=(refund,))),
        ("a processor tells of its chargeback", reported(reversals=(chargeback,))),
        ("a processor told before", reported(read_at=_EPOCH)),
        (
            "a processor tells of no money",
            reported(payment_id="pi_2", is_money=False, reversals=(failed,)),
        ),
    )


_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=2_000)
def _strange_credit(total: Money) -> CreditApplied:
    zero = Money.zero(total.currency)
    balance = InvoiceBalance(
        invoice_id=NOBODY,
        as_of=datetime(2026, 1, 1, tzinfo=UTC),
        untaxed=total,
        total=total,
        residual=zero,
        credited=zero,
        credited_untaxed=zero,
    )
    return CreditApplied(number=NOBODY, untaxed=total, applied=total, balance=balance)


def _about_invoice(state: InvoiceState, total: Money) -> Iterator[tuple[str, Any]]:
    yield from _of_approval(state.open_round)
    if state.open_round is None and state.approval_round is not None:
        yield "bob approves", vote(state.approval_round, BOB, Decision.APPROVE)
    yield from _about_payments(total, state.today)
    yield "a dispute", _made(DisputeOpened, by=ANA, reason="late")
    if state.dispute is not None:
        accepted = state.dispute.amount
        yield (
            "the dispute is accepted",
            _made(DisputeResolved, by=ANA, accepted=accepted, comment="ok"),
        )
    yield "the dispute is rejected", _made(DisputeResolved, by=ANA, comment="no")
    yield "a promise", _made(PaymentPromised, by=ANA, on=state.today)
    yield "a hold", _made(HoldChange, by=ANA, reason="talks")
    yield "a release", _made(HoldChange, on=False, by=ANA, reason="over")
    yield "a write-off", _made(WriteOffAsked, by=SAM, reason="bankrupt")


@lru_cache(maxsize=2_000)
def _about_payments(total: Money, today: date) -> tuple[tuple[str, Any], ...]:
    payment = PaymentReceived(reference="P-2", amount=total, paid_on=today)
    half = Money.rounded(total.amount / 2, total.currency)
    return (
        ("a payment", payment),
        ("half a payment", payment.model_copy(update={"reference": "P-3", "amount": half})),
    )


def abs_of(state: InvoiceState) -> Money:
    amount = state.proposal.amount
    return amount if amount.is_positive else -amount
