"""Usage: metered quantities by tier, and the least that a period is billed for."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from contracts.billing.lines import rounded
from contracts.billing.periods import BillingPeriod
from contracts.model import Day, Frozen, Key, Quantity, Text, UsagePlan, UsagePricing

_NONE = Decimal(0)


_LONGEST_ID = 100
_HIGHEST_WORTH = 5 * 10**10


def _short_id(text: str) -> str:
    if len(text.encode()) > _LONGEST_ID:
        raise PydanticCustomError("string_too_long", f"at most {_LONGEST_ID} bytes")
    return text


class UsageRecord(Frozen):
    """A metered quantity of a day. The same id is the same record; its last quantity counts.

    Ids are short: thousands of them travel with the contract's state.
    """

    id: Annotated[Text, AfterValidator(_short_id)]
    plan: Key
    on: Day
    quantity: Quantity


def why_not_taken(plan: UsagePlan, quantity: Decimal) -> str | None:
    """Why a record is beyond any amount that can be billed: as many records as a contract keeps
    must add up to one. None if it is not."""
    dearest = max(tier.price for tier in plan.tiers)
    if quantity * dearest > _HIGHEST_WORTH:
        return f"{as_text(quantity)} {plan.unit} come to more than {_HIGHEST_WORTH:,}"
    return None


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


def amount_of(plan: UsagePlan, period: BillingPeriod, quantity: Decimal, currency: str) -> Decimal:
    """What a period comes to, without tax, its minimum included; each tier is rounded on its own,
    as Odoo rounds each line."""
    tiers = (rounded(units * price, currency) for units, price in rated(plan, quantity))
    return max(sum(tiers, _NONE), minimum_of(plan, period, currency))


def minimum_of(plan: UsagePlan, period: BillingPeriod, currency: str) -> Decimal:
    """The least that a period is billed for, without tax, in proportion to its days."""
    return rounded(period.part_of(plan.minimum.amount), currency) if plan.minimum else _NONE


def _volume_price(plan: UsagePlan, quantity: Decimal) -> Decimal:
    fitting = (t.price for t in plan.tiers if t.up_to is None or quantity <= t.up_to)
    return next(fitting, plan.tiers[-1].price)


def as_text(number: Decimal) -> str:
    """As people write it: no exponent, no zeros at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
