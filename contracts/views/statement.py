"""A contract's statement: where its money stands, line by line, adding up to its value."""

from __future__ import annotations

from contracts.billing import account, keys
from contracts.billing.lines import InvoiceKind, Line, total
from contracts.billing.order import order_lines
from contracts.billing.state import BillingState, Invoice, InvoiceStatus
from contracts.contract.state import ContractState
from contracts.handover import BurnRow, burn_rows
from contracts.model import Frozen
from contracts.money import Money
from contracts.views.status import signature


class Position(Frozen):
    """One line of the order. `planned` is a fixed price that nobody has reached yet, `earned` what
    is on no issued invoice yet, `billed` what was invoiced less what was credited."""

    key: str
    name: str
    planned: Money
    earned: Money
    billed: Money


class Statement(Frozen):
    """Where a contract's money stands; all amounts without tax.

    `earned` is to be proposed, less what is to be deducted from it; `proposed` waits for its
    invoice to be issued, net of what it deducts and holds back. `value` is the contract's, as
    amended; `not_billed` is no part of it. `signed` says who signed it where, and where that is
    kept. `violations` are sums that do not agree, in words: a
    defect of ours. `burn` is what was worked and spent on it, by service, as read last.
    """

    contract_id: str
    version: int
    positions: tuple[Position, ...]
    planned: Money
    earned: Money
    proposed: Money
    invoiced: Money
    credited: Money
    retained: Money
    deposit_left: Money
    value: Money
    signed: tuple[str, ...] = ()
    not_billed: tuple[account.Unbilled, ...] = ()
    violations: tuple[str, ...] = ()
    burn: tuple[BurnRow, ...] = ()


def statement(state: ContractState) -> Statement:
    """The statement of a validated contract, as of now."""
    contract, today = state.terms, state.billing_day
    billing = state.billing or account.begin(contract, contract.signed_on)
    sums = account.sums(billing, today)
    planned = Money.total(_planned(billing).values(), contract.currency)
    proposed = sums.committed - sums.billed
    credited = -total(_lines(_issued(billing, InvoiceKind.CREDIT_NOTE)), contract.currency)
    return Statement(
        contract_id=contract.contract_id,
        version=contract.version,
        positions=_positions(billing),
        planned=planned,
        earned=sums.to_bill - planned - sums.retained + sums.deposit_left,
        proposed=proposed,
        invoiced=sums.billed + credited,
        credited=credited,
        retained=sums.retained,
        deposit_left=sums.deposit_left,
        value=sums.value,
        signed=tuple(signature(state)),
        not_billed=account.unbilled(billing, today),
        violations=tuple(account.check(billing, today)),
        burn=tuple(burn_rows(contract, state.burn)) if state.burn else (),
    )


def _planned(billing: BillingState) -> dict[str, Money]:
    """The milestones that nobody has reached yet, and nobody has waived."""
    return {
        item.key: item.amount
        for item in billing.contract.milestones
        if item.key not in billing.reached and keys.milestone(item.key) not in billing.waivers
    }


def _positions(billing: BillingState) -> tuple[Position, ...]:
    names = {line.key: line.name for line in order_lines(billing.contract)}
    # A line may be billed and gone from the order since: it is listed all the same.
    for line in _lines([item for item in billing.invoices.values() if item.counts]):
        names.setdefault(line.order_line, line.order_line)
    planned, zero = _planned(billing), Money.zero(billing.contract.currency)
    return tuple(
        Position(
            key=key,
            name=name,
            planned=planned.get(key, zero),
            earned=_on_line(billing, key, InvoiceStatus.PROPOSED) + _reached(billing, key),
            billed=_on_line(billing, key, InvoiceStatus.ISSUED),
        )
        for key, name in names.items()
    )


def _reached(billing: BillingState, key: str) -> Money:
    """What is reached of a milestone, and on no invoice yet."""
    item, zero = billing.contract.milestone(key), Money.zero(billing.contract.currency)
    if item is None or key not in billing.reached or keys.milestone(key) in billing.waivers:
        return zero
    return item.amount if account.milestone_invoice(billing, key) is None else zero


def _on_line(billing: BillingState, key: str, status: InvoiceStatus) -> Money:
    found = [item for item in billing.invoices.values() if item.status is status]
    lines = [line for line in _lines(found) if line.order_line == key]
    return total(lines, billing.contract.currency)


def _issued(billing: BillingState, kind: InvoiceKind) -> list[Invoice]:
    issued = (i for i in billing.invoices.values() if i.status is InvoiceStatus.ISSUED)
    return [item for item in issued if item.kind is kind]


def _lines(invoices: list[Invoice]) -> list[Line]:
    return [line for item in invoices for line in item.lines]
