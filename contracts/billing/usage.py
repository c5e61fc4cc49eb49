"""Usage: metered quantities by tier, the least of a period, and the least of the whole term."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from contracts.billing.charges import QUANTITY_UNIT, Charge, ChargeKind, total
from contracts.billing.lines import rounded
from contracts.billing.periods import BillingPeriod, life
from contracts.model import Contract, Day, Frozen, Key, Quantity, Text, UsagePlan, UsagePricing
from contracts.money import Money

_NONE = Decimal(0)


class UsageRecord(Frozen):
    """A metered quantity of a day. The same id is the same record; its last quantity counts."""

    id: Text
    plan: Key
    on: Day
    quantity: Quantity


def rated(plan: UsagePlan, quantity: Decimal) -> tuple[tuple[Decimal, Decimal], ...]:
    """The units and the price per unit of each tier that a period's quantity uses.

    Empty for nothing. Tiers are of a whole period and are not prorated.
    """
    if quantity <= 0:
        return ()
    if plan.pricing is UsagePricing.VOLUME:
        return ((quantity, _volume_price(plan, quantity)),)
    limits = [tier.up_to for tier in plan.tiers[:-1]]
    edges = [_NONE, *(min(limit, quantity) for limit in limits if limit is not None), quantity]
    return tuple(
        (upper - lower, tier.price)
        for (lower, upper), tier in zip(pairwise(edges), plan.tiers, strict=True)
        if upper > lower
    )


def period_amount(
    contract: Contract, plan: UsagePlan, period: BillingPeriod, quantity: Decimal
) -> Money:
    """What a period comes to, without tax, its minimum included."""
    return total(usage_charges(contract, plan, period, quantity), contract.currency)


def amount_of(plan: UsagePlan, period: BillingPeriod, quantity: Decimal, currency: str) -> Decimal:
    """What a period comes to, without tax, its minimum included; each tier is rounded on its own,
    as Odoo rounds each line."""
    tiers = (rounded(units * price, currency) for units, price in rated(plan, quantity))
    return max(sum(tiers, _NONE), minimum_of(plan, period, currency).amount)


def usage_charges(
    contract: Contract, plan: UsagePlan, period: BillingPeriod, quantity: Decimal
) -> tuple[Charge, ...]:
    """A charge for each tier used, and one for what is missing to the period's minimum.

    Each is rounded to the currency on its own, as Odoo rounds each line.
    """
    charges = [
        _tier(contract, plan, period, number, units, price)
        for number, (units, price) in enumerate(rated(plan, quantity), start=1)
    ]
    missing = minimum_of(plan, period, contract.currency) - total(charges, contract.currency)
    if missing.is_positive:
        key = f"{plan.key}:{period.period.first}:minimum"
        note = f"{period.note}: up to the minimum"
        charges.append(_of_amount(contract, plan, key, ChargeKind.COMMITMENT, note, missing))
    return tuple(charges)


def usage_correction(
    contract: Contract,
    plan: UsagePlan,
    period: BillingPeriod,
    before: Decimal,
    after: Decimal,
    occasion: str,
) -> Charge | None:
    """The difference where the quantity of a billed period changed; None if it costs the same."""
    was = period_amount(contract, plan, period, before)
    change = period_amount(contract, plan, period, after) - was
    if change.is_zero:
        return None
    key = f"{plan.key}:{period.period.first}:{occasion}"
    note = f"{period.note}: corrected from {as_text(before)} to {as_text(after)} {plan.unit}"
    return _of_amount(contract, plan, key, ChargeKind.CORRECTION, note, change)


def true_up(contract: Contract, plan: UsagePlan, billed: Money) -> Charge | None:
    """What is missing at the term's end to the commitment, after `billed`; None if nothing is."""
    if plan.commitment is None or billed >= plan.commitment:
        return None
    _, last_day = life(contract, plan)
    key = f"{plan.key}:commitment:{last_day}" if last_day else f"{plan.key}:commitment"
    note = f"up to the commitment of {plan.commitment}"
    missing = plan.commitment - billed
    return _of_amount(contract, plan, key, ChargeKind.COMMITMENT, note, missing)


def minimum_of(plan: UsagePlan, period: BillingPeriod, currency: str) -> Money:
    """The least that a period is billed for, without tax, in proportion to its days."""
    if plan.minimum is None:
        return Money.zero(currency)
    share = period.share
    part = plan.minimum.amount * share.numerator / share.denominator
    return Money.rounded(part, currency)


def _volume_price(plan: UsagePlan, quantity: Decimal) -> Decimal:
    fitting = (t.price for t in plan.tiers if t.up_to is None or quantity <= t.up_to)
    return next(fitting, plan.tiers[-1].price)


def _tier(
    contract: Contract,
    plan: UsagePlan,
    period: BillingPeriod,
    number: int,
    units: Decimal,
    price: Decimal,
) -> Charge:
    key = f"{plan.key}:{period.period.first}:{number}"
    note = f"{period.note}: {as_text(units)} {plan.unit} at {as_text(price)}"
    amount = Money.rounded(units * price, contract.currency)
    service = contract.service(plan.service)
    by_units = Charge.of_quantity(
        key,
        ChargeKind.USAGE,
        plan.key,
        service.code,
        f"{service.description}, {note}",
        units,
        price,
        contract.currency,
    )
    if by_units.amount == amount and by_units.quantity >= QUANTITY_UNIT:
        return by_units
    # Finer than Odoo's quantities, and it matters: the text says how many, the amount is exact.
    return _of_amount(contract, plan, key, ChargeKind.USAGE, note, amount)


def _of_amount(
    contract: Contract, plan: UsagePlan, key: str, kind: ChargeKind, note: str, amount: Money
) -> Charge:
    service = contract.service(plan.service)
    description = f"{service.description}, {note}"
    return Charge.of_amount(key, kind, plan.key, service.code, description, amount)


def as_text(number: Decimal) -> str:
    """As people write it: no exponent, no zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
