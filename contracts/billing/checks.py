"""What must hold of every billing state. Asked before each proposal: where it fails, billing parks.

`check` derives everything from the state alone and compares it with the index that messages keep up
to date, so that no slip of the index ever reaches an invoice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from contracts.billing import deposits, keys, retainage
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Index, Ledger
from contracts.billing.lines import QUANTITY_UNIT, InvoiceKind, rounded
from contracts.billing.posting import answered, build
from contracts.billing.state import NO_LINE, BillingState, Invoice
from contracts.billing.totals import is_over, sums


@answered
def check(ledger: Ledger) -> list[str]:
    """Every invariant that does not hold, in words; none if all is well."""
    billing, today = ledger.state, ledger.today
    fresh = Ledger(billing, build(billing, today), {})
    return [
        *_index_is_right(ledger.index, fresh.index),
        *_keys_add_up(fresh),
        *(text for item in billing.invoices.values() for text in _lines_add_up(billing, item)),
        *_pots_are_in_bounds(fresh),
        *_end_is_even(billing, today),
    ]


def _index_is_right(index: Index, fresh: Index) -> Iterator[str]:
    """The index that messages keep is what is derived from the state alone."""
    for table in Index._fields[1:]:
        kept, derived = getattr(index, table), getattr(fresh, table)
        if kept != derived:
            names = {**kept, **derived}
            wrong = sorted(key for key in names if kept.get(key) != derived.get(key))
            yield f"the index of {table} is not up to date: {', '.join(wrong[:5])}"


def _keys_add_up(ledger: Ledger) -> Iterator[str]:
    """Billed + to bill + waived = entitled, for every key; and no key nets to the wrong sign."""
    billed: dict[str, Decimal] = {}
    invoices = ledger.state.invoices.values()
    for invoice in invoices:
        for _, key, amount, _ in invoice.parts if invoice.counts else ():
            billed[key] = billed.get(key, ZERO) + amount
    open_ = Counter(key for item in invoices if item.is_open for key in item.by_key)
    for key in {**ledger.entitled, **billed}:
        kind, entitled = keys.kind_of(key), ledger.entitled.get(key)
        amount = billed.get(key, ZERO)
        if kind in keys.POTS:
            continue
        if open_[key] > 1:
            yield f"{key} is on {open_[key]} open invoices"
        wanted = entitled.amount if entitled else ZERO
        if wanted is not None:
            waived = wanted - (ledger.target(key) or ZERO)
            if amount + ledger.change(key) + waived != wanted:
                yield f"{key}: billed, to bill and waived are not what is entitled"
            sign = -1 if kind in keys.NEGATIVE else 1
            # Hours taken back are booked as negative hours; they may be corrected to more than
            # zero while an invoice with them is on its way.
            taken_back = kind == keys.HOURS and ledger.account(key).measure < 0
            if sign * amount < 0 <= sign * wanted and not taken_back:
                yield f"{key} nets to {amount}"


def _lines_add_up(billing: BillingState, invoice: Invoice) -> Iterator[str]:
    """The parts of each line add up to it, and quantity times price is its amount, as in Odoo."""
    currency, of_line = billing.contract.currency, {NO_LINE: ZERO}
    for position, _, amount, _ in invoice.parts:
        of_line[position] = of_line.get(position, ZERO) + amount
    if of_line[NO_LINE]:
        yield f"invoice {invoice.number} settles {of_line[NO_LINE]} on no line"
    for position, line in enumerate(invoice.lines):
        name = f"line {position + 1} of invoice {invoice.number}"
        if of_line.get(position, ZERO) != line.amount.amount:
            yield f"{name}: its parts come to {of_line.get(position, ZERO)}, not {line.amount}"
        if invoice.is_folded:
            continue
        if rounded(line.quantity * line.unit_price, currency) != line.amount.amount:
            yield f"{name}: {line.quantity} times {line.unit_price} is not {line.amount}"
        if line.quantity != line.quantity.quantize(QUANTITY_UNIT) or not line.quantity:
            yield f"{name} has a quantity of {line.quantity}"
    kind = invoice.occasion.partition(":")[0]
    if invoice.kind is InvoiceKind.CREDIT_NOTE and kind in (keys.DEPOSIT, keys.MILESTONE, "period"):
        waited = [k for k in invoice.by_key if keys.kind_of(k) == keys.SERVICE_CREDIT]
        if waited:
            yield f"{waited[0]} makes invoice {invoice.number} negative"


def _pots_are_in_bounds(ledger: Ledger) -> Iterator[str]:
    for key, account in ledger.accounts.items():
        if keys.kind_of(key) in (keys.CAP, keys.RETAINAGE, keys.DEDUCTED) and account.amount > 0:
            yield f"{key} adds {account.amount} to what is billed"
    whole = deposits.deposit(ledger)
    deducted = -ledger.account(keys.DEDUCTED).amount
    terms = ledger.state.contract.deposit
    if terms is not None and deducted > max(terms.amount.amount, whole):
        yield f"{deducted} is deducted of a deposit of {terms.amount}"


def _end_is_even(billing: BillingState, today: date) -> Iterator[str]:
    """At the end the invoices come to the contract's value, and nothing is held or owed."""
    if not is_over(billing, today):
        return
    found = sums(billing, today)
    if found.billed != found.value or found.committed != found.value:
        yield f"{found.billed} is billed of a value of {found.value}"
    for amount, what in ((found.deposit_left, "deposit"), (found.retained, "retainage")):
        if not amount.is_zero and not (what == "retainage" and retainage.is_forfeited(billing)):
            yield f"{amount} of the {what} is left"
