"""A contract, and an invoice, as their pages show them: what lists and Temporal's page show, and
more of it. Pure: whoever draws it only arranges."""

from __future__ import annotations

from datetime import date, datetime

from contracts.billing import account
from contracts.billing.lines import InvoiceKind
from contracts.contract.state import ENDED, ContractState, ContractVersion, money_table
from contracts.contract.waits import contract_waits
from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.invoice.waits import invoice_waits
from contracts.journal import Entry
from contracts.model import Value
from contracts.money import Money
from contracts.parking import StepException
from contracts.views.details import agreements, signed
from contracts.views.status import (
    InvoiceRow,
    PlanRow,
    conditions,
    delivery,
    invoice_rows,
    milestone_status,
    not_billed,
    plan_rows,
)
from contracts.views.timeline import Timeline, timeline


class MilestoneRow(Value):
    """A milestone, and how it stands in words. `is_late`: its day is over, and it is not
    reached; of a contract that has ended none is."""

    key: str
    name: str
    amount: Money
    due_on: date | None
    status: str
    is_late: bool


class DocumentRow(Value):
    """An invoice or credit note: as lists have it, and how it is collected."""

    row: InvoiceRow
    kind: InvoiceKind
    dunning_level: int
    is_overdue: bool
    disputed: Money | None
    promised_on: date | None
    awaits: str
    """The hash of what awaits approval, if it does."""


class MoneyRow(Value):
    """One sum of a contract; `with_tax` says which kind it is."""

    name: str
    amount: Money
    with_tax: bool = False
    is_bad: bool = False


class ContractOverview(Value):
    """All that the page of a contract shows."""

    contract_id: str
    legal_entity: str
    title: str
    customer: str
    customer_key: str
    stage: str
    value: Money | None
    version: int
    signed_on: date | None
    waits_for: str
    waiting_since: datetime | None
    source: str
    time_zone: str
    order: str
    order_id: int | None
    project: str
    project_id: int | None
    exceptions: tuple[StepException, ...]
    change_hash: str
    """The hash of the change order that awaits approval, if one does."""
    conditions: tuple[str, ...]
    delivery: tuple[str, ...]
    not_billed: tuple[str, ...]
    timeline: Timeline
    milestones: tuple[MilestoneRow, ...]
    plans: tuple[PlanRow, ...]
    money: tuple[MoneyRow, ...]
    documents: tuple[DocumentRow, ...]
    versions: tuple[ContractVersion, ...]
    journal: tuple[Entry, ...]
    """The latest first."""


def contract_overview(state: ContractState) -> ContractOverview:
    """A contract as it stands."""
    contract, odoo = state.contract, state.odoo
    data = state.contract_data
    return ContractOverview(
        contract_id=state.contract_id,
        legal_entity=state.legal_entity,
        title=contract.title if contract else str(data.get("title") or "Contract"),
        customer=contract.customer.name if contract else "",
        customer_key=contract.customer.key if contract else "",
        stage=str(state.stage),
        value=contract.value if contract else None,
        version=contract.version if contract else 0,
        signed_on=contract.signed_on if contract else None,
        waits_for=contract_waits(state)[1],
        waiting_since=state.waiting.since,
        source=f"{state.source.system} {state.source.id}",
        time_zone=state.time_zone,
        order=odoo.order_name,
        order_id=odoo.order_id,
        project=odoo.project_name,
        project_id=odoo.project_id,
        exceptions=state.exceptions,
        change_hash=_change_hash(state),
        conditions=tuple(conditions(state)),
        delivery=tuple(delivery(state)),
        not_billed=tuple(not_billed(state)),
        timeline=timeline(state),
        milestones=_milestones(state),
        plans=tuple(plan_rows(state)),
        money=_money(state),
        documents=_documents(state),
        versions=tuple(item for item in reversed(state.versions)),
        journal=state.journal.entries[::-1],
    )


def _change_hash(state: ContractState) -> str:
    change = state.change
    if change is None or change.approval_round is None or change.approval_round.is_decided:
        return ""
    return change.approval_round.subject.content_hash


def _milestones(state: ContractState) -> tuple[MilestoneRow, ...]:
    found = []
    is_over = state.stage in ENDED
    for item in state.contract.milestones if state.contract else ():
        progress = state.milestones.get(item.key)
        is_open = not is_over and (progress is None or progress.reached_on is None)
        found.append(
            MilestoneRow(
                key=item.key,
                name=item.name,
                amount=item.amount,
                due_on=item.due_on,
                status=milestone_status(state, item.key),
                is_late=is_open and item.due_on is not None and item.due_on < state.today,
            )
        )
    return tuple(found)


def _money(state: ContractState) -> tuple[MoneyRow, ...]:
    money = money_table(state)
    if money is None:
        return ()
    rows = [
        MoneyRow(name="Value as amended", amount=money.value),
        MoneyRow(name="Billed", amount=money.invoiced),
        MoneyRow(name="Credited", amount=money.credited),
        MoneyRow(name="To bill", amount=money.to_invoice),
    ]
    if state.billing is not None:
        sums = account.sums(state.billing, state.billing_day)
        if sums.retained.is_positive:
            rows.append(MoneyRow(name="Held back", amount=sums.retained))
        if sums.deposit_left.is_positive:
            rows.append(MoneyRow(name="Deposit not deducted yet", amount=sums.deposit_left))
    return (
        *rows,
        MoneyRow(name="Paid", amount=money.paid, with_tax=True),
        MoneyRow(name="Open", amount=money.open, with_tax=True),
        MoneyRow(
            name="Overdue", amount=money.overdue, with_tax=True, is_bad=money.overdue.is_positive
        ),
    )


def _documents(state: ContractState) -> tuple[DocumentRow, ...]:
    """The latest first."""
    found = []
    for row in reversed(invoice_rows(state)):
        report = state.invoices[row.number]
        found.append(
            DocumentRow(
                row=row,
                kind=report.kind,
                dunning_level=report.dunning_level,
                is_overdue=report.overdue,
                disputed=report.disputed,
                promised_on=report.promised_on,
                awaits=report.content_hash if report.stage == "awaiting_approval" else "",
            )
        )
    return tuple(found)


class Line(Value):
    """A line of an invoice, without tax; a tax or a total of it."""

    text: str
    amount: Money
    is_total: bool = False


class InvoiceOverview(Value):
    """All that the page of an invoice or a credit note shows."""

    number: int
    name: str
    title: str
    kind: InvoiceKind
    contract_id: str
    legal_entity: str
    customer: str
    stage: str
    waits_for: str
    waiting_since: datetime | None
    next_action_at: datetime | None
    time_zone: str
    invoice_id: int | None
    reason: str
    rejected_because: str
    due_on: date | None
    dunning_level: int
    approvals: tuple[str, ...]
    approval_hash: str
    """Of what awaits approval, if something does."""
    agreements: tuple[str, ...]
    exceptions: tuple[StepException, ...]
    lines: tuple[Line, ...]
    money: tuple[MoneyRow, ...]
    journal: tuple[Entry, ...]


def invoice_overview(state: InvoiceState) -> InvoiceOverview:
    """An invoice or credit note as it stands."""
    proposal, posted = state.proposal, collecting.posted(state)
    given = state.approval_round.approvals if state.approval_round else []
    zone = state.policy.calendar.time_zone if state.policy else state.time_zone
    return InvoiceOverview(
        number=proposal.number,
        name=state.title,
        title=", ".join(line.description for line in proposal.lines[:3]),
        kind=proposal.kind,
        contract_id=proposal.contract_id,
        legal_entity=proposal.legal_entity,
        customer=proposal.customer_name,
        stage=str(state.stage),
        waits_for=invoice_waits(state)[1],
        waiting_since=state.waiting.since,
        next_action_at=state.next_action_at,
        time_zone=zone,
        invoice_id=state.invoice_id,
        reason=proposal.reason,
        rejected_because=state.rejected_because,
        due_on=collecting.due_on(state) if posted else None,
        dunning_level=state.dunning.level,
        approvals=tuple(f"{item.by} ({item.at:%Y-%m-%d})" for item in given),
        approval_hash=state.open_round.subject.content_hash if state.open_round else "",
        agreements=tuple(agreements(state)),
        exceptions=state.exceptions,
        lines=_lines(state),
        money=_balance(state),
        journal=state.journal.entries[::-1],
    )


def _lines(state: InvoiceState) -> tuple[Line, ...]:
    """The lines without tax, and once Odoo has a draft its taxes and the total with them."""
    proposal, odoo_totals = state.proposal, state.odoo_totals
    rows = [Line(text=line.description, amount=line.amount) for line in proposal.lines]
    rows.append(Line(text="Total without tax", amount=proposal.amount, is_total=True))
    if odoo_totals is not None:
        sign = -1 if proposal.amount.amount < 0 else 1
        rows += [Line(text=tax.name, amount=signed(tax.amount, sign)) for tax in odoo_totals.taxes]
        total = signed(odoo_totals.total, sign)
        rows.append(Line(text="Total with tax", amount=total, is_total=True))
    return tuple(rows)


def _balance(state: InvoiceState) -> tuple[MoneyRow, ...]:
    posted = collecting.posted(state)
    if posted is None:
        return ()
    contested = collecting.disputed(state, posted)
    rows = [
        ("Total", posted.total),
        ("Paid", collecting.paid(state, posted)),
        ("Credited", collecting.credited(state, posted)),
        *([("Written off", posted.written_off)] if posted.written_off else []),
        *([("Disputed", contested)] if contested else []),
        ("Open", posted.residual),
    ]
    return tuple(MoneyRow(name=name, amount=amount, with_tax=True) for name, amount in rows)
