"""What the tests of the billing rules share: a contract of any plans, said in few words."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from contracts.billing.lines import Line
from contracts.billing.periods import BillingPeriod, Period, billing_periods
from contracts.model import Contract
from contracts.money import Money

# A deadline would measure the machine, not the code.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")

MARCH = Period(first=date(2026, 3, 1), last=date(2026, 3, 31))

days = st.dates(date(2020, 1, 1), date(2035, 12, 31))
cadences = st.sampled_from(["month", "quarter", "year"]) | st.integers(1, 52).map(
    lambda count: f"{count} weeks"
)
cents = st.decimals(0, 10**6, places=2)


def contract(**changes: Any) -> Contract:
    """A contract of 2026 in EUR with a service "work" and the plans given."""
    contract_data = {
        "contract_id": "C-1",
        "legal_entity": "northwind",
        "source": {"system": "file", "id": "1"},
        "title": "Platform",
        "customer": {
            "key": "acme",
            "name": "Acme NV",
            "country": "BE",
            "billing_email": "ap@acme.example",
        },
        "currency": "EUR",
        "value": "0.00",
        "signed_on": "2025-12-15",
        "starts_on": "2026-01-01",
        "ends_on": "2026-12-31",
        "services": [
            {"key": "work", "code": "DEVELOPMENT", "description": "Development", "amount": "0"},
            {"key": "fees", "code": "DEPOSIT", "description": "Terms", "amount": "0"},
        ],
    } | changes
    return Contract.model_validate(contract_data, context={"currency": contract_data["currency"]})


def euros(amount: str | int | Decimal) -> Money:
    return Money(amount, "EUR")


def whole(first: date, last: date) -> BillingPeriod:
    """A whole period that is billed in whole."""
    period = Period(first=first, last=last)
    return BillingPeriod(period=period, whole=period)


def month(year: int, number: int, first: int = 1, last: int | None = None) -> BillingPeriod:
    """A month, or the days of it that are billed."""
    start = date(year, number, first)
    end = date(year, number, last) if last else None
    return next(iter(billing_periods("month", start, end)))


def holds_in_odoo(line: Line) -> bool:
    """Whether Odoo, at two decimals of quantity, computes the very same amount."""
    exponent = line.quantity.normalize().as_tuple().exponent
    fine = isinstance(exponent, int) and exponent >= -2
    product = Money.rounded(line.quantity * line.unit_price, line.amount.currency)
    return fine and product == line.amount
