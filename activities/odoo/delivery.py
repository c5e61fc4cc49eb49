"""What goes out about a posted invoice: the invoice itself, reminders, and to-dos for people."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.done import Done
from activities.failures import BusinessRefusal, after_effect
from activities.odoo import external_ids
from activities.odoo.chatter import mailed, post_once
from activities.odoo.needs import ACCOUNTING, CONTACTS, MAIL, UPSERT, Need
from activities.odoo.partner_search import ARCHIVED_TOO
from activities.odoo.partners import partner_of
from activities.odoo.people import users_by_email
from contracts.invoice.content import MAILED_TO, Difference, InvoiceContent, in_words
from contracts.processors import PaymentLink
from gateways.fields import names
from gateways.odoo import FAILED, SHOWN, OdooClient

_WIZARDS = {"account.move.send.wizard": "move_id", "account.move.send.batch.wizard": "move_ids"}
_BODY = {"account.move.send.wizard": ("body",)}
"""Only the wizard for one lets its text be written."""
_MAILS = (
    *(
        Need(
            wizard,
            (invoices, "create_date", *_BODY.get(wizard, ())),
            access=ACCOUNTING,
            rights=("create", *(("write",) if wizard in _BODY else ()), "unlink"),
            methods=("action_send_and_print",),
        )
        for wizard, invoices in _WIZARDS.items()
    ),
    Need(
        "account.move",
        tuple(dict.fromkeys(["company_id", "message_ids", *(name for name, _ in SHOWN.values())])),
        access=ACCOUNTING,
    ),
    Need("res.partner", ("email", "display_name"), access=CONTACTS),
    Need("account.payment.term", ("display_name",), access=ACCOUNTING),
    Need("res.partner.bank", ("display_name",), access=CONTACTS),
    Need("mail.message", ("notification_ids",), access=MAIL),
    Need(
        "mail.notification",
        names("notification_type notification_status failure_type failure_reason"),
        access=MAIL,
    ),
)
"""What `OdooClient.mail` takes."""

NEEDS = (
    *_MAILS,
    Need("account.move", (), access=ACCOUNTING, methods=("message_post",)),
    Need("mail.message", (), access=MAIL, rights=("create",)),
    Need("res.partner", ("email", "name", "active"), access=CONTACTS),
    Need(
        "mail.activity",
        names("res_model_id res_id activity_type_id summary note date_deadline user_id"),
        access=MAIL,
        rights=UPSERT,
    ),
)


class MailRequest(BaseModel):
    """A posted invoice to mail, and what was approved of it; its lines are Odoo's by now. `link` is
    where it can be paid, which only the mail says."""

    invoice_id: int
    approved: InvoiceContent
    link: PaymentLink | None = None


class ReminderRequest(BaseModel):
    """One reminder; `subject` and `text` are filled in, and the subject names invoice and level,
    so that no two reminders of an invoice share one."""

    invoice_id: int
    partner_id: int
    subject: str
    text: str


class TodoRequest(BaseModel):
    """A task for one of the people (by e-mail address; the first known to Odoo); `summary` is
    unique on the invoice."""

    invoice_id: int
    people: tuple[str, ...]
    summary: str
    text: str
    due_on: date


class OdooDelivery:
    """Activities on the `odoo-mail` task queue, and for to-dos on `odoo-finance`: one invoice
    each."""

    def __init__(self, odoo: OdooClient) -> None:
        self._odoo = odoo

    @activity.defn
    def send_invoice(self, request: MailRequest) -> Done:
        """Send the posted invoice by e-mail from Odoo, as PDF; one already sent is a success.

        Refuses `invoice_differs_from_approval` where Odoo would mail it to another address, or
        where its header was changed since it was posted.

        `is_move_sent` only says that it was tried: what the mail server said stands in the
        notifications of the invoice's messages.
        """
        again = activity.in_activity() and activity.info().attempt > 1
        expected = _expected(request.approved)
        added = _paragraph(request.link) if request.link else ""
        mailed = self._odoo.mail(request.invoice_id, expected, again=again, added=added)
        if mailed.instead:
            raise _differs(expected, mailed.instead)
        if not mailed.went_out:
            raise BusinessRefusal(
                "invoice_not_delivered",
                f"Odoo could not mail the invoice: {mailed.reason or 'no mail was made'}; "
                "check the customer's e-mail address and Odoo's mail server",
                field="customer.billing_email",
            )
        return Done()

    @activity.defn
    def send_reminder(self, request: ReminderRequest) -> Done:
        """Mail a reminder from the invoice's record; its subject is its key, so it goes once.

        Refuses `email_missing` and, where Odoo's mail server refused it, `reminder_not_delivered`;
        one that failed is sent again by a repeat.
        """
        partner = self._partner(request)
        if not partner["email"]:
            raise BusinessRefusal(
                "email_missing",
                f"{partner['name']} has no e-mail address in Odoo; add one there",
                field="customer.billing_email",
            )
        status, _ = self._reminded(request)
        if status and status not in FAILED:
            return Done()
        message: dict[str, Any] = {
            "subject": request.subject,
            "body": request.text,
            "partner_ids": [partner["id"]],
            "message_type": "comment",
            "subtype_xmlid": "mail.mt_comment",
        }
        if status:
            self._odoo.call("account.move", "message_post", [request.invoice_id], **message)
        else:
            post_once(self._odoo, "account.move", request.invoice_id, **message)
        with after_effect():
            status, reason = self._reminded(request)
        if status in FAILED:
            raise BusinessRefusal(
                "reminder_not_delivered",
                f"Odoo could not mail the reminder: {reason}; check the customer's e-mail "
                "address and Odoo's mail server",
                field="customer.billing_email",
                value=partner["email"],
            )
        metrics.reminders_sent.add(1)
        return Done()

    def _partner(self, request: ReminderRequest) -> dict[str, Any]:
        """The customer; one that was merged in Odoo since is whose the invoice is now."""
        fields = ["email", "name"]
        known = self._odoo.by_id("res.partner", [request.partner_id], fields, also=[ARCHIVED_TOO])
        if request.partner_id in known:
            return known[request.partner_id]
        now = partner_of(self._odoo, "account.move", request.invoice_id)
        [row] = self._odoo.read("res.partner", [now], fields)
        return row

    def _reminded(self, request: ReminderRequest) -> tuple[str, str]:
        return mailed(self._odoo, "account.move", request.invoice_id, request.subject)

    @activity.defn
    def create_todo(self, request: TodoRequest) -> Done:
        """Put a to-do on the invoice, for what only a person can do; once per summary."""
        row: dict[str, Any] = {
            "id": external_ids.todo_id(request.invoice_id, request.summary),
            "res_model_id/id": "account.model_account_move",
            "res_id": request.invoice_id,
            "activity_type_id/id": "mail.mail_activity_data_todo",
            "summary": request.summary,
            "note": f"<p>{html.escape(request.text)}</p>",
            "date_deadline": request.due_on.isoformat(),
            "user_id/.id": self._user(request.people),
        }
        # What a person did with it stays.
        self._odoo.load("mail.activity", [row], create_once=True)
        return Done()

    def _user(self, people: Sequence[str]) -> int | None:
        known = users_by_email(self._odoo, people)
        return next((known[item.lower()] for item in people if item.lower() in known), None)


def _paragraph(link: PaymentLink) -> str:
    return f'<p><a href="{html.escape(link.url)}">{html.escape(link.words)}</a></p>'


def _expected(approved: InvoiceContent) -> dict[str, str]:
    """What the invoice must say to be mailed. Odoo has given it a payment reference if it had
    none."""
    texts = {name: str(getattr(approved, name) or "") for name in SHOWN}
    if not approved.payment_reference:
        del texts["payment_reference"]
    return texts


def _differs(expected: Mapping[str, str], now: Mapping[str, str]) -> BusinessRefusal:
    others = [name for name in now if name != MAILED_TO]
    if not others:
        return BusinessRefusal(
            "invoice_differs_from_approval",
            f"approved was to mail it to {expected[MAILED_TO] or 'nobody'}, and its customer's "
            f"address in Odoo is {now[MAILED_TO] or '(none)'} now; correct it there, or retry, "
            "which mails it to that address",
            field=f"invoice.{MAILED_TO}",
            value=now[MAILED_TO],
        )
    found = in_words([Difference(name, expected[name], now[name]) for name in others])
    return BusinessRefusal(
        "invoice_differs_from_approval",
        "the invoice, which is posted, is not in Odoo what was approved (approved -> now): "
        f"{found}; correct it there, and retry",
        field=f"invoice.{others[0]}",
        value=now[others[0]],
    )
