"""Everything that people and systems may send to a contract and its invoices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.agenda.actions import Event, SignalReceived, UpdateReceived
from contracts.approvals import ApprovalDecision, ApprovalRound, Decision
from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CancelRequest,
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    MilestoneReachedInOdoo,
    MilestoneUnreached,
    MilestoneUnreachedInOdoo,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    Side,
    TerminationRequest,
    TerminationWithdrawn,
    UsageReport,
)
from contracts.contract.state import ContractState
from contracts.invoice.messages import (
    CreditRequested,
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentNotice,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.invoice.state import InvoiceState
from contracts.model import Contract
from contracts.money import Money
from contracts.parking import Action as Choice
from contracts.parking import Resolution
from tests.explore.odoo import POSTED, OdooInvoice
from tests.explore.world import CONTRACT, World
from tests.unit.examples import ANA, BOB, SAM

PIA, OLGA = "pia@northwind.example", "olga@northwind.example"
_ADDED = {"key": "extra", "name": "Extra"}


class Sent(NamedTuple):
    """A message as somebody sends it. `kind` is the same for messages that differ only in what
    they are about."""

    who: int
    label: str
    message: Any
    is_signal: bool = False

    @property
    def event(self) -> Event:
        if self.is_signal:
            return SignalReceived(self.message, "a message")
        return UpdateReceived(self.message)

    @property
    def kind(self) -> str:
        name = type(self.message).__name__
        if isinstance(self.message, Resolution):
            name = f"{name} {self.message.action}"
        return f"{'invoice' if self.who else 'contract'} {name}"


def everything(world: World) -> Iterator[Sent]:
    """What may be sent now, whether it will be accepted or not."""
    if world.is_alive(CONTRACT):
        yield from resolutions(world, CONTRACT)
        yield from _to_contract(world)
    for number in world.invoices:
        if world.is_alive(number):
            yield from resolutions(world, number)
            yield from _to_invoice(world, number)


# --- decisions about exceptions -----------------------------------------------------------------


def resolutions(world: World, who: int) -> Iterator[Sent]:
    """Every choice for each exception, allowed or not."""
    for parked in world.state_of(who).exceptions:
        for choice in Choice:
            label = f"{choice} {parked.step} of {name_of(who)}"
            yield Sent(who, label, resolution(parked.step, choice, who))


def resolution(step: str, choice: Choice, who: int = CONTRACT) -> Resolution:
    changes: dict[str, Any] = {}
    if choice is Choice.AMEND:
        changes = {"purchase_order": "PO-78"}
    return Resolution(action=choice, by=OLGA, step=step, reason="agreed", changes=changes)


def name_of(who: int) -> str:
    return f"invoice {who}" if who else "the contract"


# --- to the contract ------------------------------------------------------------------------------


def _to_contract(world: World) -> Iterator[Sent]:
    for label, message in _updates(world):
        yield Sent(CONTRACT, label, message)
    for label, message in _signals(world):
        yield Sent(CONTRACT, label, message, is_signal=True)


def _updates(world: World) -> Iterator[tuple[str, Any]]:
    state = world.contract
    contract = state.contract
    yield "cancel", CancelRequest(by=SAM, reason="changed their mind")
    keys = [item.key for item in contract.milestones] if contract else ["m1"]
    for key in [*keys, "unknown"]:
        yield f"{key} is reached", MilestoneReached(milestone=key, by=PIA)
        yield f"{key} is not reached", MilestoneUnreached(milestone=key, by=PIA)
    yield from _of_approval(state.change.approval_round if state.change else None)
    yield from _about_the_end(state)
    for kind in HoldKind:
        yield f"hold {kind}", HoldRequest(kind=kind, by=OLGA, hold=Hold(by=OLGA, reason="audit"))
        yield f"release {kind}", HoldRequest(kind=kind, by=OLGA)
    until = Hold(by=OLGA, reason="audit", until=state.today)
    yield "hold billing today", HoldRequest(kind=HoldKind.BILLING, by=OLGA, hold=until)
    yield "read the deal again", CustomerRefresh(by=OLGA)
    yield "release the retainage", RetainageRelease(by=OLGA, reason="accepted")
    if contract is not None:
        yield from _about_money(world, contract)


def _about_the_end(state: ContractState) -> Iterator[tuple[str, Any]]:
    for days in (0, 40):
        on = state.today + timedelta(days=days)
        request = TerminationRequest(
            side=Side.CUSTOMER, by=SAM, reason="over", on=on, agreed=not days
        )
        yield f"end the contract in {days} days", request
    yield "withdraw the early end", TerminationWithdrawn(by=SAM)
    yield "give notice", NoticeGiven(side=Side.CUSTOMER, by=OLGA)


def _about_money(world: World, contract: Contract) -> Iterator[tuple[str, Any]]:
    currency = contract.currency
    for number in (*world.contract.invoices, 99):
        whole = CreditRequest(number=number, by=OLGA, reason="late")
        yield f"credit invoice {number}", whole
        again = whole.model_copy(update={"reinvoice": True})
        yield f"credit invoice {number} and bill it again", again
        part = whole.model_copy(update={"amount": Money("10", currency)})
        yield f"credit 10 of invoice {number}", part
    for quantity in (5, 7):
        record = UsageRecord(
            id="r1",
            plan=contract.usage[0].key if contract.usage else "none",
            on=world.contract.today,
            quantity=Decimal(quantity),
        )
        yield f"{quantity} calls were made", UsageReport(records=(record,))
    retainer = contract.retainers[0].key if contract.retainers else "none"
    yield (
        "owe a service credit",
        ServiceCredit(
            retainer=retainer,
            reference="outage-1",
            reason="outage",
            amount=Money("20", currency),
            by=OLGA,
        ),
    )
    yield from _change_orders(contract)


def _change_orders(contract: Contract) -> Iterator[tuple[str, Any]]:
    service = contract.services[0].key
    order = {"number": 1, "by": SAM, "reason": "agreed"}
    added = {**_ADDED, "service": service, "amount": "100"}
    yield "add a milestone", ChangeOrder.model_validate(order | {"add_milestones": (added,)})
    for item in contract.milestones[:1]:
        yield f"drop {item.key}", ChangeOrder.model_validate(order | {"drop": (item.key,)})
        reprice = {"reprice": {item.key: "900"}}
        yield f"reprice {item.key}", ChangeOrder.model_validate(order | reprice)


def _of_approval(approval_round: ApprovalRound | None) -> Iterator[tuple[str, Any]]:
    if approval_round is None:
        return
    for by in (BOB, SAM):
        yield f"{by.partition('@')[0]} approves", vote(approval_round, by, Decision.APPROVE)
    yield "ana rejects", vote(approval_round, ANA, Decision.REJECT)
    other = vote(approval_round, BOB, Decision.APPROVE)
    yield "bob approves something else", other.model_copy(update={"content_hash": "0" * 64})


def vote(approval_round: ApprovalRound, by: str, word: Decision) -> ApprovalDecision:
    subject = approval_round.subject
    return ApprovalDecision(
        decision=word,
        by=by,
        content_hash=subject.content_hash,
        amount=subject.amount,
        comment="as I say",
    )


def _signals(world: World) -> Iterator[tuple[str, Any]]:
    """What systems tell of Odoo, what a gateway sends, and old news that comes once more."""
    state = world.contract
    for key, milestone_id in state.odoo.milestone_ids.items():
        if key in state.milestones:
            reached = MilestoneReachedInOdoo(milestone_id=milestone_id, as_of=world.clock)
            yield f"{key} is marked reached in Odoo", reached
            unreached = MilestoneUnreachedInOdoo(milestone_id=milestone_id, as_of=world.clock)
            yield f"{key} is not marked reached in Odoo", unreached
    yield "m1 is reached, says a system", MilestoneReached(milestone="m1", by="jira")
    for number, report in list(state.invoices.items())[:2]:
        yield f"old news of invoice {number}", report
        asked = CreditRequested(
            number=number,
            amount=Money("12", report.amount.currency),
            untaxed=Money("10", report.amount.currency),
            by=ANA,
            reason="late",
        )
        yield f"a system asks for a credit of invoice {number}", asked
    yield "an operator cancels", CancelRequest(by="temporal")


# --- to an invoice --------------------------------------------------------------------------------


def _to_invoice(world: World, number: int) -> Iterator[Sent]:
    state, known = world.invoices[number].state, world.odoo.invoices.get(number)
    for label, message in _about_invoice(state, known):
        yield Sent(number, f"{label}: invoice {number}", message)
    total = known.total if known else abs_of(state)
    if not state.known_payments:
        notice = PaymentNotice(reference="P-1", amount=total, paid_on=state.today)
        label = f"the bank tells of a payment: invoice {number}"
        yield Sent(number, label, notice, is_signal=True)
    if known is not None and known.move == POSTED:
        label = f"the sweep tells its balance: invoice {number}"
        yield Sent(number, label, known.balance, is_signal=True)


def _about_invoice(state: InvoiceState, known: OdooInvoice | None) -> Iterator[tuple[str, Any]]:
    yield from _of_approval(state.open_round)
    if state.open_round is None and state.approval_round is not None:
        yield "bob approves", vote(state.approval_round, BOB, Decision.APPROVE)
    total = known.total if known else abs_of(state)
    payment = PaymentReceived(reference="P-2", amount=total, paid_on=state.today)
    yield "a payment", payment
    half = Money.rounded(total.amount / 2, total.currency)
    yield "half a payment", payment.model_copy(update={"reference": "P-3", "amount": half})
    yield "a dispute", DisputeOpened(by=ANA, reason="late")
    if state.dispute is not None:
        disputed = state.dispute.amount
        yield "the dispute is accepted", DisputeResolved(by=ANA, accepted=disputed, comment="ok")
    yield "the dispute is rejected", DisputeResolved(by=ANA, comment="no")
    yield "a promise", PaymentPromised(by=ANA, on=state.today)
    yield "a hold", HoldChange(by=ANA, reason="talks")
    yield "a release", HoldChange(on=False, by=ANA, reason="over")
    yield "a write-off", WriteOffAsked(by=SAM, reason="bankrupt")


def abs_of(state: InvoiceState) -> Money:
    amount = state.proposal.amount
    return amount if amount.is_positive else -amount
