"""What an invoice says in Odoo: all that the customer or the ledger will see of it.

Read back from the draft when it is made, shown to those who approve it, part of what their
approval is bound to, and compared again right before and right after it is posted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from contracts.approvals import content_hash_of
from contracts.model import Frozen, Value
from contracts.money import Money
from contracts.odoo_totals import OdooTotals

MAILED_TO = "mailed_to"
"""The field of the address."""
_SHOWN_LINES = 50
_SHOWN_DIFFERENCES = 20


class ContentLine(Frozen):
    """One line of the invoice, of whatever kind; `subtotal` is without tax, in its currency.
    `analytic` is Odoo's own key of each analytic account with its share in percent."""

    kind: str
    product: str = ""
    text: str = ""
    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    subtotal: Decimal = Decimal(0)
    account: str = ""
    taxes: tuple[str, ...] = ()
    analytic: str = ""


class InvoiceContent(Frozen):
    """The invoice as it is in Odoo; names are Odoo's, "" is nothing. `mailed_to` is the address of
    its customer there, which Odoo mails it to. `payment_reference` is what the customer is asked to
    state; Odoo gives one when it posts an invoice that has none. `ledger` are the accounts of its
    taxes and of what is owed, each with its amount; `booked` is what is owed in the books' own
    currency, by the rate of the invoice's date."""

    customer: str
    customer_id: int
    mailed_to: str
    delivered_to: str = ""
    kind: str = ""
    credits: str = ""
    origin: str = ""
    reference: str = ""
    payment_reference: str = ""
    payment_term: str = ""
    invoice_on: date | None = None
    due_on: date | None = None
    journal: str = ""
    currency: str = ""
    bank_account: str = ""
    fiscal_position: str = ""
    note: str = ""
    lines: tuple[ContentLine, ...] = ()
    ledger: tuple[str, ...] = ()
    booked: Decimal = Decimal(0)
    totals: OdooTotals

    @property
    def undated(self) -> InvoiceContent:
        """Without what follows from the day it is posted, by a term and a currency that stay."""
        return self.replace(invoice_on=None, due_on=None, booked=Decimal(0))


class _Bound(Value):
    """What an approval is bound to: the proposal, the invoice's date if one was stated (else it is
    of the day it is posted), and what the draft says in Odoo."""

    proposal: str
    invoice_on: date | None
    content: InvoiceContent


def approval_hash(proposal: str, invoice_on: date | None, content: InvoiceContent) -> str:
    """SHA-256 over what an approval is bound to; `proposal` is the hash of the proposal."""
    return content_hash_of(
        _Bound(proposal=proposal, invoice_on=invoice_on, content=content.undated)
    )


# --- what differs -------------------------------------------------------------------------------


class Difference(NamedTuple):
    """One field whose value is not the one before; both as text, "" for none."""

    field: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before or '(none)'} -> {self.now or '(none)'}"


def differences(before: InvoiceContent, now: InvoiceContent) -> list[Difference]:
    """Every field that is another one now, the header first, then the lines in their order, and
    last what follows from them."""
    followed = {"lines", "ledger", "booked", "totals", "customer_id"}
    found = list(_fields(before, now, skipped=followed))
    if before.customer_id != now.customer_id and before.customer == now.customer:
        # Two customers of one name.
        ids = str(before.customer_id), str(now.customer_id)
        found.insert(0, Difference("customer_id", *ids))
    for index in range(max(len(before.lines), len(now.lines))):
        found += _line(before.lines, now.lines, index)
    header = type(before).model_fields.keys()
    found += _fields(before, now, skipped=header - {"ledger", "booked"})
    return found + list(_fields(before.totals, now.totals, "totals.", skipped={"taxes"}))


def posted_differences(approved: InvoiceContent, posted: InvoiceContent) -> list[Difference]:
    """The same for one that is posted by now: Odoo has given it a payment reference if it had
    none."""
    if not approved.payment_reference:
        posted = posted.replace(payment_reference="")
    return differences(approved, posted)


def in_words(found: Sequence[Difference]) -> str:
    """The differences in one sentence; of very many the first."""
    left = len(found) - _SHOWN_DIFFERENCES
    more = f"; and {left} more" if left > 0 else ""
    return "; ".join(map(str, found[:_SHOWN_DIFFERENCES])) + more


def _line(
    before: Sequence[ContentLine], now: Sequence[ContentLine], index: int
) -> Iterator[Difference]:
    path = f"lines.{index}"
    if index >= len(now):
        yield Difference(path, _line_text(before[index]), "")
    elif index >= len(before):
        yield Difference(path, "", _line_text(now[index]))
    else:
        yield from _fields(before[index], now[index], f"{path}.")


def _fields(
    before: Frozen, now: Frozen, prefix: str = "", skipped: Set[str] = frozenset()
) -> Iterator[Difference]:
    for name in type(before).model_fields:
        one, other = getattr(before, name), getattr(now, name)
        if name not in skipped and one != other:
            yield Difference(f"{prefix}{name}", _text(one), _text(other))


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _line_text(line: ContentLine) -> str:
    return f"{line.text}: {line.subtotal}"


# --- for those who approve it -------------------------------------------------------------------


def details(content: InvoiceContent) -> list[str]:
    """What approvers are shown of the invoice beside its amount, one line each."""
    sign = -1 if content.kind == "out_refund" else 1
    currency = content.totals.total.currency
    lines = [
        f"{line.text}: {Money.rounded(sign * line.subtotal, currency)}" for line in content.lines
    ]
    if len(lines) > _SHOWN_LINES:
        left = len(lines) - _SHOWN_LINES
        lines = [*lines[:_SHOWN_LINES], f"and {left} more lines"]
    lines.append(f"to {content.customer}, mailed to {content.mailed_to or 'nobody'}")
    for name, value in (
        ("payment term", content.payment_term),
        ("purchase order", content.reference),
        ("taxes", _of_lines(content, "taxes")),
        ("accounts", _of_lines(content, "account")),
        ("owed and taxed on", "; ".join(content.ledger)),
        ("analytic accounts", _of_lines(content, "analytic")),
        ("fiscal position", content.fiscal_position),
        ("journal", content.journal),
        ("bank account", content.bank_account),
    ):
        if value:
            lines.append(f"{name}: {value}")
    return lines


def _of_lines(content: InvoiceContent, name: str) -> str:
    """What the lines have there, each once, in the order of the lines."""
    return ", ".join(dict.fromkeys(filter(None, (_text(getattr(i, name)) for i in content.lines))))
