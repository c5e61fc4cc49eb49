"""Line prices, taxes and document totals, in Decimal at the currency's decimals.

The companies round globally, as Odoo does unless told otherwise: each line shows its own rounded
price, while the document's total rounds the exact sum of all lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from sandbox.odoo.companies import BOOKS, RATES
from sandbox.odoo.records import Env, Row

INCLUDED = "tax_included"


@dataclass(frozen=True)
class PricedLine:
    """A line's exact price before tax and its taxes as (id, percent).

    `included` says that the price was given with all its taxes in it.
    """

    base: Decimal
    taxes: tuple[tuple[int, Decimal], ...]
    included: bool = False

    @property
    def tax(self) -> Decimal:
        return sum((self.base * percent / 100 for _, percent in self.taxes), Decimal(0))

    def subtotal(self, decimals: int) -> Decimal:
        return quantized(self.base, decimals)

    def total(self, decimals: int) -> Decimal:
        return self.subtotal(decimals) + quantized(self.tax, decimals)

    def exchanged(self, source: str, target: str) -> PricedLine:
        return PricedLine(exchange(self.base, source, target), self.taxes, self.included)


@dataclass(frozen=True)
class Totals:
    """What a document comes to in one currency: its lines' parts of the untaxed total, and each
    tax with what it is charged on, by the tax's id; taxes that come to nothing are left out."""

    bases: list[Decimal]
    taxes: dict[int, Decimal]
    taxed: dict[int, Decimal]

    @property
    def untaxed(self) -> Decimal:
        return sum(self.bases, Decimal(0))

    @property
    def tax(self) -> Decimal:
        return sum(self.taxes.values(), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.untaxed + self.tax


def quantized(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def exact(value: float | int | None) -> Decimal:
    """The decimal a stored float stands for."""
    return Decimal(str(value or 0))


def priced(quantity: float, price: float, discount: float, taxes: Iterable[Row]) -> PricedLine:
    charged = list(taxes)
    amount = exact(quantity) * exact(price) * (1 - exact(discount) / 100)
    included = [tax for tax in charged if tax["price_include_override"] == INCLUDED]
    rates = tuple((tax["id"], exact(tax["amount"])) for tax in charged)
    all_included = bool(charged) and len(included) == len(charged)
    return PricedLine(untaxed(amount, included), rates, all_included)


def untaxed(amount: Decimal, included: Iterable[Row]) -> Decimal:
    """What is left of an amount without the taxes that it includes."""
    percent = sum((exact(tax["amount"]) for tax in included), Decimal(0))
    return amount / (1 + percent / 100) if percent else amount


def totals(lines: Sequence[PricedLine], decimals: int) -> Totals:
    """Sums are exact and rounded once: the untaxed total, and each tax."""
    raw: dict[int, Decimal] = {}
    taxed: dict[int, Decimal] = {}
    for line in lines:
        for tax_id, percent in line.taxes:
            raw[tax_id] = raw.get(tax_id, Decimal(0)) + line.base * percent / 100
            taxed[tax_id] = taxed.get(tax_id, Decimal(0)) + line.base
    taxes = {tax_id: quantized(amount, decimals) for tax_id, amount in raw.items()}
    return Totals(
        _bases(lines, sum(taxes.values(), Decimal(0)), decimals),
        {tax_id: amount for tax_id, amount in taxes.items() if amount},
        {tax_id: quantized(base, decimals) for tax_id, base in taxed.items()},
    )


def _bases(lines: Sequence[PricedLine], tax: Decimal, decimals: int) -> list[Decimal]:
    """Each line's rounded price, with the cents that are missing from the untaxed total.

    Where all taxes are in the prices, it is the total with tax that is rounded.
    """
    amounts = [line.base for line in lines]
    raw = sum(amounts, Decimal(0))
    if not raw:
        return [quantized(amount, decimals) for amount in amounts]
    if any(line.taxes and not line.included for line in lines):
        return spread(amounts, quantized(raw, decimals), decimals)
    raw_tax = sum((line.tax for line in lines), Decimal(0))
    return spread(amounts, quantized(raw + raw_tax, decimals) - tax, decimals)


def spread(amounts: Sequence[Decimal], total: Decimal, decimals: int) -> list[Decimal]:
    """Round each amount so that together they make `total`; the largest take the cents first,
    each as many as it weighs."""
    parts = [quantized(amount, decimals) for amount in amounts]
    cent = Decimal(1).scaleb(-decimals)
    difference = total - sum(parts, Decimal(0))
    step = cent if difference > 0 else -cent
    cents = left = int(abs(difference) / cent)
    weights = sum((abs(amount) for amount in amounts), Decimal(0))
    largest_first = sorted(range(len(amounts)), key=lambda index: -abs(amounts[index]))
    for index in largest_first:
        share = abs(amounts[index]) / weights if weights else Decimal(1) / len(amounts)
        taken = min(int((share * cents).quantize(Decimal(1), ROUND_HALF_EVEN)), left)
        parts[index] += step * taken
        left -= taken
    for index in largest_first[:left]:
        parts[index] += step
    return parts


def exchange(amount: Decimal, source: str, target: str) -> Decimal:
    """An amount in another currency, not rounded."""
    if source == target:
        return amount
    return amount / Decimal(RATES[source]) * Decimal(RATES[target])


def convert(amount: Decimal, source: str, target: str, decimals: int) -> Decimal:
    return quantized(exchange(amount, source, target), decimals)


def fiscal_position(env: Env, partner_id: int | None, company_id: int) -> int | None:
    """Which fiscal position applies to a partner: by country, none without one."""
    country = partner_id and env["res.partner"].row(partner_id)["country_id"]
    if not country:
        return None
    books = BOOKS[company_id]
    at_home = env["res.country"].row(country)["code"] == books.country
    domestic = env.required_xid(books.positions[books.domestic])
    abroad = next(env.required_xid(x) for n, x in books.positions.items() if n != books.domestic)
    return domestic if at_home else abroad


def product_taxes(
    env: Env, product_id: int | None, position_id: int | None, company_id: int
) -> list[int]:
    """A product's sales taxes in a company, exempted for exports."""
    if not product_id:
        return []
    ids = env["product.product"].links(product_id, "taxes_id")
    taxes = [row["id"] for row in env["account.tax"].rows(ids) if row["company_id"] == company_id]
    books = BOOKS[company_id]
    if not taxes or not position_id or position_id == env.xid(books.positions[books.domestic]):
        return taxes
    return env["account.tax"].find(
        [["name", "=", books.export_tax], ["company_id", "=", company_id]]
    )
