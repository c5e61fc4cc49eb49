"""Notes and mails in the chatter of Odoo's records, each posted once under its subject."""

from __future__ import annotations

from typing import Any

from gateways.odoo import OdooClient


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
    found = odoo.search_read(
        "mail.notification",
        domain,
        ["notification_status", "failure_type", "failure_reason"],
        order="id desc",
        limit=1,
    )
    if not found:
        return "", ""
    row = found[0]
    return row["notification_status"], row["failure_reason"] or row["failure_type"] or ""
