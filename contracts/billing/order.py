"""The sales order that a contract becomes: one line for everything that can be billed.

A milestone is ordered once at its amount, so the order's total is the fixed price. Whatever is
billed by time, period, use or expense is ordered with quantity 0: what is delivered and invoiced
grows as it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from contracts.billing.keys import DEPOSIT, RETAINAGE, TERMINATION
from contracts.model import Contract, RetainerPlan, TimePlan
from contracts.money import Money

RESERVED = frozenset({DEPOSIT, RETAINAGE, TERMINATION})
"""Keys of order lines that no milestone or plan may have."""
_NONE = Decimal(0)


class LineKind(StrEnum):
    """How Odoo learns what was delivered: by milestones, by timesheets, or from us."""

    MILESTONE = "milestone"
    TIME = "time"
    MANUAL = "manual"


class OrderLine(NamedTuple):
    """A line of the order. `unit_price` is without tax, in the contract's currency."""

    key: str
    kind: LineKind
    service_code: str
    name: str
    quantity: Decimal
    unit_price: Decimal


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
    return (*_milestones(contract), *_plans(contract), *_extras(contract))


def _milestones(contract: Contract) -> Iterator[OrderLine]:
    for item in contract.milestones:
        code, price = contract.service(item.service).code, item.amount.amount
        yield OrderLine(item.key, LineKind.MILESTONE, code, item.name, Decimal(1), price)


def _plans(contract: Contract) -> Iterator[OrderLine]:
    for plan in contract.plans:
        service, kind, price = contract.service(plan.service), LineKind.MANUAL, _NONE
        if isinstance(plan, RetainerPlan):
            price = plan.fee.amount
        elif isinstance(plan, TimePlan):
            kind, price = LineKind.TIME, plan.rates[0].price.amount
        yield OrderLine(plan.key, kind, service.code, service.description, _NONE, price)


def _extras(contract: Contract) -> Iterator[OrderLine]:
    deposit, retainage, ending = contract.deposit, contract.retainage, contract.termination
    found: list[tuple[str, str, str | None, Money | None]] = []
    if deposit:
        found.append((DEPOSIT, "Deposit", deposit.service, deposit.amount))
    if retainage:
        found.append((RETAINAGE, "Retainage", retainage.service, None))
    if ending.fee:
        found.append((TERMINATION, "Early end", ending.fee_service, ending.fee))
    for key, name, service, amount in found:
        if service:
            code, price = contract.service(service).code, amount.amount if amount else _NONE
            yield OrderLine(key, LineKind.MANUAL, code, name, _NONE, price)
