"""The sales order that a contract becomes: one line for everything that can be billed.

A milestone is ordered once at its amount, so the order's total is the fixed price. Whatever is
billed by time, period, use or expense is ordered with quantity 0: what is delivered and invoiced
grows as it happens.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from contracts.billing.keys import DEPOSIT, RETAINAGE, TERMINATION
from contracts.model import Contract, Frozen, Key, RetainerPlan, TimePlan
from contracts.money import Money

RESERVED = frozenset({DEPOSIT, RETAINAGE, TERMINATION})
"""Keys of order lines that no milestone or plan may have."""


class LineKind(StrEnum):
    """How Odoo learns what was delivered: by milestones, by timesheets, or from us."""

    MILESTONE = "milestone"
    TIME = "time"
    MANUAL = "manual"


class OrderLine(Frozen):
    """A line of the order. `unit_price` is without tax, in the contract's currency."""

    key: Key
    kind: LineKind
    service_code: str
    name: str
    quantity: Decimal = Decimal(0)
    unit_price: Decimal = Decimal(0)


def manual_lines(contract: Contract) -> frozenset[str]:
    """The keys of the lines whose delivery Odoo learns from us."""
    ending = contract.termination
    extra = {
        DEPOSIT: contract.deposit is not None,
        RETAINAGE: contract.retainage is not None,
        TERMINATION: bool(ending.fee and ending.fee_service),
    }
    plans = (plan.key for plan in contract.plans if not isinstance(plan, TimePlan))
    return frozenset([*plans, *(key for key, is_there in extra.items() if is_there)])


def order_lines(contract: Contract) -> tuple[OrderLine, ...]:
    """Every line of the contract's order, in the order they are shown."""
    lines = [
        OrderLine(
            key=item.key,
            kind=LineKind.MILESTONE,
            service_code=contract.service(item.service).code,
            name=item.name,
            quantity=Decimal(1),
            unit_price=item.amount.amount,
        )
        for item in contract.milestones
    ]
    for plan in contract.plans:
        service = contract.service(plan.service)
        kind = LineKind.TIME if isinstance(plan, TimePlan) else LineKind.MANUAL
        price = plan.fee.amount if isinstance(plan, RetainerPlan) else Decimal(0)
        if isinstance(plan, TimePlan):
            price = plan.rates[0].price.amount
        line = OrderLine(
            key=plan.key,
            kind=kind,
            service_code=service.code,
            name=service.description,
            unit_price=price,
        )
        lines.append(line)
    if contract.deposit:
        amount = contract.deposit.amount
        lines.append(_extra(contract, DEPOSIT, contract.deposit.service, "Deposit", amount))
    if contract.retainage:
        lines.append(_extra(contract, RETAINAGE, contract.retainage.service, "Retainage"))
    ending = contract.termination
    if ending.fee and ending.fee_service:
        service_key = ending.fee_service
        lines.append(_extra(contract, TERMINATION, service_key, "Early end", ending.fee))
    return tuple(lines)


def _extra(
    contract: Contract, key: str, service: str, name: str, price: Money | None = None
) -> OrderLine:
    return OrderLine(
        key=key,
        kind=LineKind.MANUAL,
        service_code=contract.service(service).code,
        name=name,
        unit_price=price.amount if price else Decimal(0),
    )
