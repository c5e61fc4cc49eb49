"""What is lost of an invoice is written off in Odoo, by a journal entry."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.failures import BusinessRefusal, after_effect
from activities.odoo import entries, external_ids
from activities.odoo.balances import balance_of
from activities.odoo.clearing import account
from activities.odoo.given_up import write_off_reference
from activities.odoo.needs import ACCOUNTING, UPSERT, Need
from activities.odoo.reconciliation import receivable_line, reconcile
from contracts.identifiers import contract_workflow_id, invoice_origin, invoice_workflow_id
from contracts.invoice.messages import InvoiceBalance
from contracts.money import Money
from gateways.fields import names
from gateways.odoo import OdooClient

NEEDS = (
    Need(
        "account.move",
        names("move_type company_id journal_id date ref invoice_origin currency_id line_ids"),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
    Need(
        "account.move.line",
        names("move_id account_id partner_id name currency_id amount_currency"),
        access=ACCOUNTING,
        rights=UPSERT,
    ),
    Need("account.journal", ("type", "company_id", "sequence"), access=ACCOUNTING),
)


class WriteOffRequest(BaseModel):
    """`amount` (with tax) of invoice `number` is lost, for a `reason`, on a date of the legal
    entity. `account_code` is the account that bears the loss; `key` tells a second write-off of
    the same invoice apart."""

    legal_entity: str
    contract_id: str
    number: int
    key: str
    invoice_id: int
    company_id: int
    account_code: str
    amount: Money
    reason: str
    written_off_on: date


class OdooWriteOffs:
    """An activity on the `odoo-finance` task queue: the loss of one invoice."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def write_off(self, request: WriteOffRequest) -> InvoiceBalance:
        """Book the loss by a journal entry and reconcile it with the invoice: once per key.

        Refuses `write_off_too_large` (more than is open), before there is an entry, and
        `account_unknown`; and `write_off_changed` where the entry was cancelled in Odoo, or does
        not lose what was approved.
        """
        entry = self._found(request)
        if entry is None:
            self._refuse_to_lose_more_than_is_open(request)
            entry = self._created(request)
        state = entries.state_of(self._odoo, entry)
        self._refuse_if_changed(request, entry, state)
        if state == "draft":
            self._refuse_to_lose_more_than_is_open(request)
            entries.post(self._odoo, entry)
            currency = request.amount.currency
            metrics.amount_written_off.add(
                float(request.amount.amount),
                {"legal_entity": request.legal_entity, "currency": currency},
            )
        with after_effect():
            balance = balance_of(self._odoo, request.invoice_id)
            if balance.residual.is_positive:
                reconcile(self._odoo, request.invoice_id, entry)
                balance = balance_of(self._odoo, request.invoice_id)
            return balance

    def _refuse_to_lose_more_than_is_open(self, request: WriteOffRequest) -> None:
        residual = balance_of(self._odoo, request.invoice_id).residual
        if request.amount > residual or not request.amount.is_positive:
            raise BusinessRefusal(
                "write_off_too_large",
                f"{request.amount} cannot be written off: {residual} is open in Odoo",
                field="write_off.amount",
                value=str(request.amount),
            )

    def _refuse_if_changed(self, request: WriteOffRequest, entry: int, state: str) -> None:
        """Whatever people made of the entry: only what was approved is lost."""
        lines = self._odoo.search_read(
            "account.move.line",
            [("move_id", "=", entry), ("amount_currency", ">", 0)],
            ["amount_currency"],
        )
        currency = request.amount.currency
        lost = Money.total(
            (Money.rounded(line["amount_currency"], currency) for line in lines), currency
        )
        if state == "cancel" or lost != request.amount:
            now = "is cancelled" if state == "cancel" else f"loses {lost}, not {request.amount}"
            raise BusinessRefusal(
                "write_off_changed",
                f"the entry that writes the invoice off {now} in Odoo",
                field="write_off.amount",
                value=str(lost),
            )

    def _found(self, request: WriteOffRequest) -> int | None:
        """The entry of this key, if an earlier attempt has made it."""
        found = self._odoo.search_read(
            "account.move",
            [
                ("invoice_origin", "=", _origin(request)),
                ("move_type", "=", "entry"),
                ("ref", "=", _reference(request)),
            ],
            ["id"],
            order="id",
            limit=1,
        )
        return int(found[0]["id"]) if found else None

    def _created(self, request: WriteOffRequest) -> int:
        """The entry, created as a draft if it is not there: loss against receivable."""
        keys = (request.legal_entity, request.contract_id, request.number, request.key)
        currency = request.amount.currency
        receivable = receivable_line(self._odoo, request.invoice_id)
        header: dict[str, Any] = {
            "id": external_ids.write_off_id(*keys),
            "move_type": "Journal Entry",
            "company_id/.id": request.company_id,
            "journal_id/.id": self._general_journal(request.company_id),
            "date": request.written_off_on.isoformat(),
            "ref": _reference(request),
            "invoice_origin": _origin(request),
            "currency_id/id": f"base.{currency}",
        }
        loss = account(self._odoo, request.company_id, request.account_code, "write_off_account")
        sides = (
            ("loss", loss, request.amount),
            ("receivable", receivable["account_id"][0], -request.amount),
        )
        rows = []
        for index, (side, on_account, amount) in enumerate(sides):
            line = {
                "line_ids/id": external_ids.write_off_line_id(*keys, side),
                "line_ids/account_id/.id": on_account,
                "line_ids/partner_id/.id": receivable["partner_id"][0],
                "line_ids/name": request.reason,
                "line_ids/currency_id/id": f"base.{currency}",
                "line_ids/amount_currency": amount.amount,
            }
            rows.append({**header, **line} if index == 0 else line)
        # Posted it is Odoo's, and may not be written any more.
        [entry] = self._odoo.load("account.move", rows, create_once=True)
        return entry

    def _general_journal(self, company_id: int) -> int:
        found = self._odoo.search_read(
            "account.journal",
            [("type", "=", "general"), ("company_id", "=", company_id)],
            ["id"],
            order="sequence, id",
            limit=1,
        )
        if not found:
            raise BusinessRefusal(
                "journal_missing",
                "the company has no journal for miscellaneous entries in Odoo; add one",
                field="company_id",
                value=str(company_id),
            )
        return int(found[0]["id"])


def _origin(request: WriteOffRequest) -> str:
    """Leads from the entry to the invoice it takes from; see balances.py."""
    contract = contract_workflow_id(request.legal_entity, request.contract_id)
    return invoice_origin(invoice_workflow_id(contract, request.number))


def _reference(request: WriteOffRequest) -> str:
    return f"{write_off_reference(request.key)}{request.reason}"
