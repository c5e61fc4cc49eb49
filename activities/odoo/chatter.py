"""The chatter of Odoo's records: notes, mails and files, each there once under its subject."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities.done import Done
from activities.odoo import external_ids
from activities.odoo.needs import ACCOUNTING, CONTACTS, MAIL, SALES, UPSERT, USER, Need
from contracts.ownership import create_once
from gateways.fields import names
from gateways.odoo import OdooClient

_MAIL_FIELDS = ("notification_status", "failure_type", "failure_reason")

NEEDS = (
    Need("mail.message", ("model", "res_id", "subject"), access=MAIL, rights=("create",)),
    Need(
        "mail.notification",
        (*_MAIL_FIELDS, "mail_message_id", "notification_type"),
        access=MAIL,
    ),
    Need("sale.order", (), access=SALES, methods=("message_post",)),
    Need("account.move", (), access=ACCOUNTING, methods=("message_post",)),
    Need("res.partner", ("email",), access=CONTACTS, methods=("message_post",)),
    Need(
        "ir.attachment", names("name res_model res_id mimetype datas"), access=USER, rights=UPSERT
    ),
)


class Notification(BaseModel):
    """A note for people of the firm, by e-mail address; with none it is only noted. `subject` is
    unique on the order."""

    order_id: int
    people: tuple[str, ...] = ()
    subject: str
    text: str


@dataclass(frozen=True)
class ClosingRecord:
    """The closing record as text, its SHA-256, and what the note about it says."""

    legal_entity: str
    contract_id: str
    order_id: int
    file_name: str
    content: str
    sha256: str
    text: str


class OdooChatter:
    """An activity on the `odoo-finance` task queue: what is noted on the contract's order."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def notify(self, request: Notification) -> Done:
        """Leave a note on the order, mailed to those of the people who are known to Odoo."""
        people = [("email", "in", sorted(request.people))]
        known = self._odoo.search_read("res.partner", people, ["id"]) if request.people else []
        post_once(
            self._odoo,
            "sale.order",
            request.order_id,
            subject=request.subject,
            body=request.text,
            partner_ids=[row["id"] for row in known],
            message_type="comment",
            subtype_xmlid="mail.mt_note",
        )
        return Done()


def attach_closing_record(odoo: OdooClient, record: ClosingRecord) -> None:
    """Attach the closing record to the order as a file, and say so in the chatter, once."""
    row = {
        "id": external_ids.closing_record_id(record.legal_entity, record.contract_id),
        "name": record.file_name,
        "mimetype": "application/json",
    }
    attachment = _attached(odoo, record.order_id, row, record.content.encode(), "closing_record")
    note_file(odoo, record.order_id, attachment, record.file_name, record.sha256, record.text)


def find_file(odoo: OdooClient, order_id: int, name: str) -> tuple[int, bytes] | None:
    """The id and the content of the order's file of that name; None if there is none."""
    domain = [("res_model", "=", "sale.order"), ("res_id", "=", order_id), ("name", "=", name)]
    for row in odoo.search_read("ir.attachment", domain, ["datas"], order="id", limit=1):
        return row["id"], base64.b64decode(row["datas"] or "")
    return None


def attach_signed(
    odoo: OdooClient, legal_entity: str, contract_id: str, order_id: int, name: str, pdf: bytes
) -> None:
    """Attach the signed document to the order; one that is there already stays as it is."""
    row = {
        "id": external_ids.signed_id(legal_entity, contract_id),
        "name": name,
        "mimetype": "application/pdf",
    }
    _attached(odoo, order_id, row, pdf, "signed_document")


def _attached(
    odoo: OdooClient, order_id: int, row: dict[str, Any], content: bytes, owned: str
) -> int:
    """A file of the order, by its external id; its id in Odoo."""
    file = {
        **row,
        "res_model": "sale.order",
        "res_id": order_id,
        "datas": base64.b64encode(content).decode(),
    }
    [attachment] = odoo.load("ir.attachment", [file], create_once=create_once(owned))
    return attachment


def note_file(
    odoo: OdooClient, order_id: int, attachment: int, name: str, sha256: str, text: str
) -> None:
    """Say in the order's chatter what is attached, once."""
    post_once(
        odoo,
        "sale.order",
        order_id,
        subject=f"{name} (SHA-256 {sha256})",
        body=text,
        message_type="comment",
        subtype_xmlid="mail.mt_note",
        attachment_ids=[attachment],
    )


def post_once(odoo: OdooClient, model: str, record: int, *, subject: str, **message: Any) -> None:
    """Post a message unless one with this subject is there already: a retry is silent."""
    domain = [("model", "=", model), ("res_id", "=", record), ("subject", "=", subject)]
    if not odoo.search_read("mail.message", domain, ["id"], limit=1):
        odoo.call(model, "message_post", [record], subject=subject, **message)


def mailed(odoo: OdooClient, model: str, record: int, subject: str) -> tuple[str, str]:
    """How the newest mail about a record with this subject fared: its status in Odoo, and why it
    failed. The status is "" where no mail was made."""
    domain: list[Any] = [
        ("mail_message_id.model", "=", model),
        ("mail_message_id.res_id", "=", record),
        ("mail_message_id.subject", "=", subject),
        ("notification_type", "=", "email"),
    ]
    found = odoo.search_read("mail.notification", domain, _MAIL_FIELDS, order="id desc", limit=1)
    if not found:
        return "", ""
    row = found[0]
    return row["notification_status"], row["failure_reason"] or row["failure_type"] or ""
