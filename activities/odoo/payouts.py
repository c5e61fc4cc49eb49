"""A processor's payouts in Odoo's books, and what its payments have to do with invoices there.

One entry a payout takes what was paid out, and the fees, off the clearing account:

    clearing  -97.10   transfer  97.10     what the bank line of the payout settles
    clearing   -2.90   fees       2.90
"""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.failures import BusinessRefusal
from activities.odoo import clearing, entries, external_ids
from activities.odoo.catalogue import Catalogue
from activities.odoo.needs import ACCOUNTING, UPSERT, Need
from contracts.identifiers import legal_entity_of, workflow_of_origin
from contracts.money import Money
from contracts.processors import Payout, PayoutStatus
from gateways.fields import names
from gateways.odoo import OdooClient

MAX_WORDS = 40
"""Of a payment's text, that are looked up as numbers of invoices."""

NEEDS = (
    Need(
        "account.move",
        names("""
            move_type company_id journal_id date ref currency_id line_ids name invoice_origin
        """),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
    Need(
        "account.move.line",
        names("account_id name currency_id amount_currency"),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
    Need("account.payment", ("memo", "state"), access=ACCOUNTING),
)


class PayoutBooks(BaseModel):
    """Where a processor's payouts are booked: the company by its name in Odoo, the code of the
    clearing journal, and those of the accounts for fees and for what is on its way to the bank."""

    company: str
    journal: str
    fee_account: str
    payout_account: str


class PayoutRequest(BaseModel):
    """A payout of the processor that is configured under this name."""

    system: str
    payout: Payout
    books: PayoutBooks


class NamedRequest(BaseModel):
    """A text in which the number of an invoice of this legal entity may stand."""

    legal_entity: str
    text: str


class Named(BaseModel):
    """The workflow of the invoice that is named; empty: none, or several."""

    workflow_id: str = ""


class BookedRequest(BaseModel):
    """References of payments."""

    references: list[str]


class Unbooked(BaseModel):
    """Those that Odoo has no posted payment of."""

    references: list[str]


class OdooPayouts:
    """Activities on the `odoo-finance` task queue, for what a processor says."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._catalogue = catalogue

    @activity.defn
    def book_payout(self, request: PayoutRequest) -> Done:
        """Book a payout that was paid, or paid and returned: once for each payout."""
        book_payout(self._odoo, request, self._company(request.books.company))
        return Done()

    @activity.defn
    def invoice_named(self, request: NamedRequest) -> Named:
        """The invoice of ours whose number is a word of the text, also one that was reset to draft
        or cancelled since: its workflow keeps the money, or a person hears of it."""
        words = [word.strip(".,;:()[]") for word in request.text.split()[:MAX_WORDS]]
        # A draft without a number is called "/".
        numbers = sorted({word for word in words if any(map(str.isdigit, word))})
        found = self._odoo.find(
            "account.move",
            "name",
            numbers,
            ["name", "invoice_origin"],
            also=[("move_type", "=", "out_invoice")],
            order="id",
        )
        ours = {workflow_of_origin(row["invoice_origin"] or "") for row in found}
        fitting = [item for item in ours if legal_entity_of(item) == request.legal_entity]
        return Named(workflow_id=fitting[0] if len(fitting) == 1 else "")

    @activity.defn
    def unbooked_payments(self, request: BookedRequest) -> Unbooked:
        """Those of the references that Odoo has no posted payment of."""
        found = self._odoo.find(
            "account.payment",
            "memo",
            request.references,
            ["memo"],
            also=[("state", "not in", ("canceled", "rejected", "draft"))],
            order="id",
        )
        booked = {row["memo"] for row in found}
        return Unbooked(references=[item for item in request.references if item not in booked])

    def _company(self, name: str) -> int:
        company = self._catalogue.company(name)
        if company is None:
            raise BusinessRefusal(
                "company_unknown",
                f"Odoo does not have exactly one company called {name}; correct odoo_company",
                field="odoo_company",
                value=name,
            )
        return company


def book_payout(odoo: OdooClient, request: PayoutRequest, company: int) -> None:
    """The entry of a payout, and that of its return: fees are not given back with that. One that
    was returned before anybody heard that it was paid has both: so has the bank statement."""
    payout = request.payout
    paid = f"Payout {payout.payout_id} of {request.system}"
    returned = f"Return of payout {payout.payout_id} of {request.system}"
    if payout.status in (PayoutStatus.PAID, PayoutStatus.FAILED):
        _book(odoo, request, company, paid, payout.net, payout.fees)
    if payout.status is PayoutStatus.FAILED:
        _book(odoo, request, company, returned, -payout.net, Money.zero(payout.net.currency))


def _book(
    odoo: OdooClient, request: PayoutRequest, company: int, ref: str, net: Money, fees: Money
) -> None:
    """Each amount is a pair of lines, so that both sides are the same in the company's own
    currency, too, however Odoo rounds."""
    rows = _rows(odoo, request, company, ref, net, fees)
    if not rows:
        return
    [entry] = odoo.with_company(company).load("account.move", rows, create_once=True)
    state = entries.state_of(odoo, entry)
    if state == "draft":
        entries.post(odoo, entry)
    elif state == "cancel":
        raise BusinessRefusal(
            "payout_cancelled",
            f"the entry of {ref} is cancelled in Odoo; reset it to draft there, or dismiss this",
            field="payout",
            value=request.payout.payout_id,
        )


def _rows(
    odoo: OdooClient, request: PayoutRequest, company: int, ref: str, net: Money, fees: Money
) -> list[dict[str, Any]]:
    books, keys = request.books, (request.system, request.payout.payout_id, ref)
    through = clearing.clearing(odoo, company, books.journal)
    label = " ".join(filter(None, (ref, request.payout.text)))
    pairs = (
        ("net", net, books.payout_account, "payout_account"),
        ("fees", fees, books.fee_account, "fee_account"),
    )
    lines = []
    for name, amount, code, field in pairs:
        if amount.is_zero:
            continue
        target = clearing.account(odoo, company, code, field)
        for side, account, signed in (("to", target, amount), ("from", through.account, -amount)):
            lines.append(
                {
                    "line_ids/id": external_ids.payout_line_id(*keys, name, side),
                    "line_ids/account_id/.id": account,
                    "line_ids/name": label,
                    "line_ids/currency_id/id": f"base.{amount.currency}",
                    "line_ids/amount_currency": signed.amount,
                }
            )
    header = _header(request, company, through.journal, ref, request.payout.on)
    return [{**header, **line} if not place else line for place, line in enumerate(lines)]


def _header(
    request: PayoutRequest, company: int, journal: int, ref: str, on: date
) -> dict[str, Any]:
    return {
        "id": external_ids.payout_id(request.system, request.payout.payout_id, ref),
        "move_type": "Journal Entry",
        "company_id/.id": company,
        "journal_id/.id": journal,
        "date": on.isoformat(),
        "ref": ref,
        "currency_id/id": f"base.{request.payout.net.currency}",
    }
