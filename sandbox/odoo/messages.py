"""Chatter: messages on records, and the mails they send."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from sandbox.odoo.records import Env, Model, Row, Values, on_records

NOTE = "mail.mt_note"
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
NO_RECIPIENT = (
    "At least one valid recipient address should be specified for outgoing emails (To/Cc/Bcc)"
)
SCRIPT = re.compile(r"<(script|style)\b.*?</\1>", re.IGNORECASE | re.DOTALL)


class Thread(Model):
    """A model whose records have a chatter."""

    @on_records
    def message_post(
        self,
        ids: list[int],
        *,
        body: str = "",
        subject: str | None = None,
        message_type: str = "notification",
        subtype_xmlid: str | None = None,
        partner_ids: list[int] | None = None,
        attachment_ids: list[int] | None = None,
        body_is_html: bool = False,
        email_from: str | None = None,
    ) -> list[int]:
        self.check_access("write" if self.schema.model != "res.partner" else "read")
        record_id = self.single(ids)
        html = SCRIPT.sub("", body) if body_is_html else _as_html(body)
        message: Values = {
            "body": html,
            "subject": subject,
            "message_type": message_type,
            "subtype_id": self._subtype(subtype_xmlid),
            "model": self.schema.model,
            "res_id": record_id,
            "partner_ids": [(6, 0, partner_ids or [])],
            "attachment_ids": [(6, 0, attachment_ids or [])],
        }
        if email_from:
            message["email_from"] = email_from
        message_id = self.env["mail.message"].add(message)
        name = str(self.display_name(self.row(record_id)))
        send_mail(self.env, message_id, subject or f"Re: {name}", partner_ids or [])
        return [message_id]

    def _subtype(self, xid: str | None) -> int:
        found = self.env.xid(xid) if xid else None
        return found or self.env.required_xid(NOTE)


class Message(Model):
    rec_name = "subject"

    def defaults(self, values: Values) -> Values:
        author = self.env["res.users"].row(self.env.uid)
        return {
            "author_id": author["partner_id"],
            "email_from": f'"{author["name"]}" <{author["email"]}>',
            "date": self.env.timestamp[:19],
            "subtype_id": self.env.required_xid(NOTE),
        }

    def values(self, row: Row, field: Any, load: str = "_classic_read") -> Any:
        value = super().values(row, field, load)
        return value or "" if field.name == "body" else value


class Notification(Model):
    rec_name = "id"

    def values(self, row: Row, field: Any, load: str = "_classic_read") -> Any:
        """The reason is empty text once a mail went out, and missing where none is known."""
        value = super().values(row, field, load)
        if field.name == "failure_reason" and row["notification_status"] == "sent":
            return ""
        return value


def send_mail(
    env: Env, message_id: int, subject: str, partner_ids: list[int], attachment: str = ""
) -> None:
    """Mail a message to each of the partners but its author, and note how that went."""
    message = env["mail.message"].row(message_id)
    for partner in env["res.partner"].rows(env["res.partner"].existing(partner_ids)):
        if partner["id"] == message["author_id"]:
            continue
        outcome = _outcome(env, partner)
        notification = {"mail_message_id": message_id, "res_partner_id": partner["id"]}
        env["mail.notification"].add(notification | outcome)
        if outcome["notification_status"] == "sent":
            _put_into_outbox(env, message, partner["email"], subject, attachment)


def _outcome(env: Env, partner: Row) -> Values:
    if not ADDRESS.fullmatch(partner["email"] or ""):
        return {
            "notification_status": "exception",
            "failure_type": "mail_email_invalid",
            "failure_reason": NO_RECIPIENT,
        }
    if not env.mail_server_up:
        return {"notification_status": "exception", "failure_type": "mail_smtp"}
    return {"notification_status": "sent"}


def _put_into_outbox(env: Env, message: Row, to: str, subject: str, attachment: str) -> None:
    env.execute(
        "INSERT INTO sandbox_mail"
        " (sent_at, sender, recipient, subject, body, attachment, model, res_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            env.timestamp[:19],
            message["email_from"],
            to,
            subject,
            message["body"] or "",
            attachment,
            message["model"],
            message["res_id"],
        ),
    )


def _as_html(text: str) -> str:
    return f"<span>{escape(text, quote=False)}</span>" if text else ""


MODELS: dict[str, type[Model]] = {"mail.message": Message, "mail.notification": Notification}
