"""Line prices, taxes and document totals, in Decimal at the currency's decimals.

The company rounds globally, as Odoo's generic chart does: each line shows its own rounded price,
while the document's total rounds the exact sum of all lines under the same taxes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from sandbox.odoo.records import Env, Row

EXPORT_TAX = "0% Exports"
RATES = {"EUR": "1", "USD": "1.10", "GBP": "0.85", "JPY": "160", "KWD": "0.34"}
"""Units of each currency for one euro, the company's currency."""


@dataclass(frozen=True)
class PricedLine:
    """A line's exact price before tax and its taxes as (id, percent)."""

    base: Decimal
    taxes: tuple[tuple[int, Decimal], ...]

    @property
    def rate(self) -> Decimal:
        return sum((percent for _, percent in self.taxes), Decimal(0)) / 100

    def subtotal(self, decimals: int) -> Decimal:
        return quantized(self.base, decimals)

    def total(self, decimals: int) -> Decimal:
        return self.subtotal(decimals) + quantized(self.base * self.rate, decimals)


@dataclass(frozen=True)
class Totals:
    untaxed: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        return self.untaxed + self.tax


def quantized(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def exact(value: float | int | None) -> Decimal:
    """The decimal a stored float stands for."""
    return Decimal(str(value or 0))


def priced(quantity: float, price: float, discount: float, taxes: Iterable[Row]) -> PricedLine:
    base = exact(quantity) * exact(price) * (1 - exact(discount) / 100)
    return PricedLine(base, tuple((tax["id"], exact(tax["amount"])) for tax in taxes))


def groups(lines: Iterable[PricedLine]) -> dict[tuple[tuple[int, Decimal], ...], Decimal]:
    """Exact sums of the lines under the same taxes."""
    sums: dict[tuple[tuple[int, Decimal], ...], Decimal] = {}
    for line in lines:
        sums[line.taxes] = sums.get(line.taxes, Decimal(0)) + line.base
    return sums


def totals(lines: Iterable[PricedLine], decimals: int) -> Totals:
    sums = groups(lines)
    untaxed = sum((quantized(base, decimals) for base in sums.values()), Decimal(0))
    return Totals(untaxed, sum(tax_amounts(sums, decimals).values(), Decimal(0)))


def tax_amounts(
    sums: dict[tuple[tuple[int, Decimal], ...], Decimal], decimals: int
) -> dict[int, Decimal]:
    """The rounded amount of each tax, by the tax's id; taxes that come to nothing are left out."""
    raw: dict[int, Decimal] = {}
    for taxes, base in sums.items():
        for tax_id, percent in taxes:
            raw[tax_id] = raw.get(tax_id, Decimal(0)) + base * percent / 100
    amounts = {tax_id: quantized(amount, decimals) for tax_id, amount in raw.items()}
    return {tax_id: amount for tax_id, amount in amounts.items() if amount}


def spread(amounts: list[Decimal], total: Decimal, decimals: int) -> list[Decimal]:
    """Round each amount so that together they make `total`; the first ones take the cents."""
    parts = [quantized(amount, decimals) for amount in amounts]
    cent = Decimal(1).scaleb(-decimals)
    difference = total - sum(parts, Decimal(0))
    step = cent if difference > 0 else -cent
    for index in range(int(abs(difference) / cent)):
        parts[index % len(parts)] += step
    return parts


def to_company(amount: Decimal, currency: str) -> Decimal:
    """An amount in the company's currency, not rounded."""
    return amount / Decimal(RATES.get(currency, "1"))


def convert(amount: Decimal, source: str, target: str, decimals: int) -> Decimal:
    return quantized(to_company(amount, source) * Decimal(RATES.get(target, "1")), decimals)


def fiscal_position(env: Env, partner_id: int | None) -> int | None:
    """Which fiscal position applies to a partner: by country, none without one."""
    country = partner_id and env["res.partner"].row(partner_id)["country_id"]
    if not country:
        return None
    domestic = env["res.country"].row(country)["code"] == "US"
    name = "Domestic" if domestic else "Foreign Trade"
    return env["account.fiscal.position"].find([["name", "=", name]])[0]


def product_taxes(env: Env, product_id: int | None, position_id: int | None) -> list[int]:
    """A product's sales taxes, exempted for exports."""
    if not product_id:
        return []
    taxes = env["product.product"].links(product_id, "taxes_id")
    name = position_id and env["account.fiscal.position"].row(position_id)["name"]
    if taxes and name == "Foreign Trade":
        return env["account.tax"].find([["name", "=", EXPORT_TAX]])
    return taxes
