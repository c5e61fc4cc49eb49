"""How large a change of a contract is: the amount by which its approval is sized.

What a change may come to is not always an amount of its own: a price of a unit, or a percentage,
counts as what the units are estimated at.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from contracts.model import (
    Contract,
    ExpensePlan,
    Plan,
    RetainerPlan,
    ServiceLine,
    TimePlan,
    UsagePlan,
)
from contracts.money import MAX_DIGITS, Money

_ZERO, _WHOLE = Decimal(0), Decimal(100)
_UNLIMITED = Decimal(10) ** MAX_DIGITS - 1
"""The highest amount there is: only a tier without a limit reaches it."""
_PRICED_BY = (
    "rates",
    "tiers",
    "pricing",
    "included_hours",
    "carry_over",
    "overage_price",
    "indexation",
    "markup",
)
"""The fields of a plan that say what its units are billed at."""


def weight(before: Contract, after: Contract) -> Money:
    """The amount that the approval of a change is sized by, without tax.

    The change of the fixed price, whatever its sign, plus the greatest of what is new or different
    anywhere else: a cap, a fee, a commitment, an estimate, and of prices of a unit and percentages
    what is estimated to be billed by them. A cap that is lifted counts as what it was.
    """
    fixed = abs((after.fixed_price - before.fixed_price).amount)
    others = max([_ZERO, *_amounts_changed(before, after), *_units_changed(before, after)])
    return Money.rounded(min(fixed + others, _UNLIMITED), after.currency)


def estimates(contract: Contract) -> list[ServiceLine]:
    """The services whose amount follows from no milestones."""
    fixed = {item.service for item in contract.milestones}
    return [line for line in contract.services if line.key not in fixed]


# --- amounts --------------------------------------------------------------------------------------


def _amounts_changed(before: Contract, after: Contract) -> list[Decimal]:
    old, new = _amounts(before), _amounts(after)
    return [
        abs((new.get(path) or old[path]).amount)
        for path in old.keys() | new.keys()
        if old.get(path) != new.get(path)
    ]


def _amounts(contract: Contract) -> dict[str, Money]:
    """Every amount beside the milestones, by where it stands."""
    parts: dict[str, Any] = {f"plan {plan.key}": plan for plan in contract.plans}
    parts |= {f"service {line.key}": line.amount for line in estimates(contract)}
    for name in ("deposit", "termination", "purchase_order_limit"):
        parts[name] = getattr(contract, name)
    return {path: money for name, node in parts.items() for path, money in _moneys(node, name)}


def _moneys(node: Any, path: str) -> Iterator[tuple[str, Money]]:
    if isinstance(node, Money):
        yield path, node
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from _moneys(getattr(node, name), f"{path} {name}")
    elif isinstance(node, tuple):
        for index, item in enumerate(node):
            yield from _moneys(item, f"{path} {index}")


# --- prices of a unit, and percentages ------------------------------------------------------------


def _units_changed(before: Contract, after: Contract) -> Iterator[Decimal]:
    """What is estimated to be billed by each plan whose units are billed otherwise, up to its cap,
    and by a retainage of another percentage."""
    for plan in after.plans:
        rise = _rise(before.plan(plan.key), plan)
        if rise is not None:
            cap = getattr(plan, "cap", None)
            estimate = max(_estimate(before, plan), _estimate(after, plan))
            # Without an estimate nobody can tell.
            size = estimate * rise if estimate else _UNLIMITED
            yield min(size, cap.amount) if cap is not None else size
    shares = [item.retainage.percent if item.retainage else _ZERO for item in (before, after)]
    yield abs(shares[1] - shares[0]) / _WHOLE * after.value.amount


def _estimate(contract: Contract, plan: Plan) -> Decimal:
    """What a plan's service is estimated at; nothing where the contract has no such service."""
    found = (line.amount.amount for line in contract.services if line.key == plan.service)
    return next(found, _ZERO)


def _rise(was: Plan | None, plan: Plan) -> Decimal | None:
    """By what factor a plan bills its units higher, at least 1; None where they are billed as
    before. What was free has no such factor: then it is without a limit."""
    new = _unit_prices(plan)
    if was is None:
        return Decimal(1) if new else None
    if all(getattr(was, name, None) == getattr(plan, name, None) for name in _PRICED_BY):
        return None
    old = _unit_prices(was)
    dearest = max(old.values(), default=_ZERO)
    rises = [Decimal(1), _growth(plan) / _growth(was)]
    for name, price in new.items():
        known = old.get(name, dearest)
        if price > known:
            rises.append(price / known if known else _UNLIMITED)
    return max(rises)


def _unit_prices(plan: Plan) -> dict[str, Decimal]:
    """What a plan bills its units at, by where that stands."""
    match plan:
        case TimePlan():
            return {f"rate {n}": rate.price.amount for n, rate in enumerate(plan.rates)}
        case UsagePlan():
            return {f"tier {n}": tier.price for n, tier in enumerate(plan.tiers)}
        case RetainerPlan():
            return {"overage": plan.overage_price.amount} if plan.overage_price else {}
        case ExpensePlan():
            return {"cost": _growth(plan)}


def _growth(plan: Plan) -> Decimal:
    """What a plan's percentage makes of a hundred."""
    match plan:
        case RetainerPlan():
            return _WHOLE + (plan.indexation.percent if plan.indexation else _ZERO)
        case ExpensePlan():
            return _WHOLE + plan.markup
        case _:
            return _WHOLE
