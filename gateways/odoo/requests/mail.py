"""Sending posted invoices by e-mail, many of them in three calls.

1. Create Odoo's send wizard for all of them. The answer says which were mailed already.
2. Press it for those that were not: one wizard per company, and one for each that adds a text to
   Odoo's own.
3. Read how their e-mails fared.

The first answer also says what each invoice tells its customer, and where Odoo would mail it to:
its customer's address. Where that is not what is expected, nothing is mailed.

Odoo mails after it has committed, so a call that it refuses has mailed nothing. A call whose
answer was lost may still be mailing. Nothing of it is visible before it commits, except its wizard.
So a repeated request waits for a while where somebody else's wizard holds its invoice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.requests.request import MakeCall, Request, rows_of

FAILED = frozenset({"exception", "bounce", "canceled"})
"""Odoo's statuses of an e-mail that was not sent."""

MAX_MAILS = 50
FIRST_MAILS = 4
"""How many invoices one call mails: few until Odoo's speed is known, because a call without an
answer in time leaves open which of its invoices were mailed."""

_SECONDS_EACH = timedelta(seconds=5)
_SECONDS_AT_MOST = timedelta(seconds=120)
"""How long a call may still be mailing: five seconds, and five more for each of its invoices. Odoo
itself ends a call that takes longer than the second."""

_KNOWN_WIZARDS = 1_000
_MOVE = "account.move"
_ONE, _MANY = "account.move.send.wizard", "account.move.send.batch.wizard"
SHOWN: Mapping[str, tuple[str, str]] = {
    "mailed_to": ("partner_id", "email"),
    "customer": ("partner_id", "display_name"),
    "delivered_to": ("partner_shipping_id", "display_name"),
    "payment_term": ("invoice_payment_term_id", "display_name"),
    "bank_account": ("partner_bank_id", "display_name"),
    "reference": ("ref", ""),
    "payment_reference": ("payment_reference", ""),
    "note": ("narration", ""),
    "invoice_on": ("invoice_date", ""),
    "due_on": ("invoice_date_due", ""),
}
"""What a posted invoice says that people may still change: its field, and that of the record it
names."""

_INVOICE: dict[str, Any] = {
    "company_id": {},
    **{name: {} for name, related in SHOWN.values() if not related},
    **{
        name: {"fields": {read: {} for other, read in SHOWN.values() if other == name}}
        for name, related in SHOWN.values()
        if related
    },
    "message_ids": {
        "fields": {
            "notification_ids": {
                "fields": {
                    "notification_type": {},
                    "notification_status": {},
                    "failure_type": {},
                    "failure_reason": {},
                }
            }
        }
    },
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mailed:
    """How the newest e-mail about an invoice fared: Odoo's status of it ("" where there is none)
    and why it failed. `instead` is what the invoice says where that is not what was expected, by
    the names of SHOWN: then nothing was mailed."""

    status: str = ""
    reason: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)

    @property
    def went_out(self) -> bool:
        """It was sent, or waits in Odoo's own queue."""
        return not self.instead and bool(self.status) and self.status not in FAILED


class MailState:
    """What a client knows about the mailing of its Odoo. Calls that mail never overlap."""

    def __init__(self) -> None:
        self.one_at_a_time = False
        """Odoo refuses several PDFs in one run, as wkhtmltopdf without its patched Qt does."""
        self.idle_wizards: deque[tuple[str, int]] = deque(maxlen=_KNOWN_WIZARDS)
        """By model and id; they certainly mail nothing: never pressed, or answered."""


@dataclass(frozen=True)
class _Wizard:
    """A send wizard, when it was created by Odoo's clock, and how its invoices stood then."""

    model: str
    id: int
    created_at: datetime
    rows: list[dict[str, Any]]


class Mail(Request):
    """Mails one invoice, unless an e-mail about it was sent already."""

    # While it makes a PDF, Odoo calls itself for pictures and styles. As many calls at once as it
    # has processes would wait for each other.
    one_at_a_time = True
    low_priority = True
    first_batch_size = FIRST_MAILS

    def __init__(
        self,
        invoice: int,
        expected: Mapping[str, str],
        again: bool,
        context: Mapping[str, Any],
        state: MailState,
        added: str = "",
    ) -> None:
        """`expected` is what the invoice must say, by names of SHOWN; `again` says that an earlier
        call for it may still be mailing; `added` is HTML behind Odoo's own text of the mail."""
        super().__init__(_MANY, "action_send_and_print", {"context": context})
        self.invoice = invoice
        self.expected = expected
        self.again = again
        self.records = frozenset({invoice})
        self.key = self._key()
        self.added = added
        self._state = state

    @property
    def max_batch_size(self) -> int:  # type: ignore[override]
        return 1 if self._state.one_at_a_time else MAX_MAILS

    def send(self, requests: Sequence[Mail], call: MakeCall, deadline: float) -> list[Any]:
        invoices = [request.invoice for request in requests]
        wizard = self._create_wizard(invoices, call)
        rows = wizard.rows
        due = [row["id"] for row in rows if not _newest_mail(row).went_out]
        repeated = {request.invoice for request in requests if request.again}.intersection(due)
        in_progress = self._in_progress(sorted(repeated), wizard, call) if repeated else {}
        expected = {request.invoice: request.expected for request in requests}
        changed = {
            row["id"]: found
            for row in rows
            if row["id"] in due and (found := _changed(row, expected[row["id"]]))
        }
        if in_progress or changed:
            # The next repeat would take our wizard for a call that is still mailing.
            self._delete_wizard(wizard, call)
        held_back = {*in_progress, *changed}
        clear = [row for row in rows if row["id"] in due and row["id"] not in held_back]
        added = {request.invoice: request.added for request in requests if request.added}
        for together in _together(clear, added):
            if len(together) < len(invoices):
                wizard = self._create_wizard(together, call)
            if time.monotonic() > deadline:
                raise errors.client_busy()
            if together[0] in added:
                self._write_body(wizard, added[together[0]], call)
            self._press(wizard, call)
        if due:
            body = invoices, {"specification": _INVOICE, **self.arguments}
            rows = call(_MOVE, "web_read", body, rows_of)
        by_id = {row["id"]: row for row in rows}
        return [_outcome(invoice, by_id, in_progress, changed) for invoice in invoices]

    def _create_wizard(self, invoices: Sequence[int], call: MakeCall) -> _Wizard:
        """Odoo's wizard for many fails with a single invoice, so that has the wizard for one."""
        model, name = (_MANY, "move_ids") if len(invoices) > 1 else (_ONE, "move_id")
        value = [[6, 0, list(invoices)]] if len(invoices) > 1 else invoices[0]
        arguments = {
            "vals": {name: value},
            "specification": {name: {"fields": _INVOICE}, "create_date": {}},
            **self.arguments,
        }
        [created] = call(model, "web_save", ([], arguments), rows_of)
        held = created[name]
        self._state.idle_wizards.append((model, created["id"]))
        rows = held if isinstance(held, list) else [held]
        return _Wizard(model, created["id"], _created_at(created), rows)

    def _write_body(self, wizard: _Wizard, added: str, call: MakeCall) -> None:
        """Add to the text that Odoo made for this invoice, in its customer's language."""
        arguments = {"specification": {"body": {}}, **self.arguments}
        [found] = call(wizard.model, "web_read", ([wizard.id], arguments), rows_of)
        changed = {**arguments, "vals": {"body": f"{found['body'] or ''}{added}"}}
        call(wizard.model, "web_save", ([wizard.id], changed), rows_of)

    def _in_progress(
        self, invoices: list[int], own: _Wizard, call: MakeCall
    ) -> dict[int, timedelta]:
        """The invoices that an earlier call may still be mailing, and how much longer."""
        found: dict[int, timedelta] = {}
        for model, name in ((_MANY, "move_ids"), (_ONE, "move_id")):
            arguments = {
                "domain": [[name, "in", invoices]],
                "fields": [name, "create_date"],
                **self.arguments,
            }
            for row in call(model, "search_read", ([], arguments), rows_of):
                if (model, row["id"]) in self._state.idle_wizards:
                    continue
                held = row[name] if model == _MANY else row[name][:1]
                lasts = min(_SECONDS_EACH + _SECONDS_EACH * len(held), _SECONDS_AT_MOST)
                left = _created_at(row) + lasts - own.created_at
                if left > timedelta(0):
                    found |= dict.fromkeys(held, left)
        return {invoice: left for invoice, left in found.items() if invoice in invoices}

    def _delete_wizard(self, wizard: _Wizard, call: MakeCall) -> None:
        """A wizard that is gone already counts as deleted."""
        try:
            call(wizard.model, "unlink", ([wizard.id], dict(self.arguments)), _no_answer)
        except GatewayError as refusal:
            if not errors.is_record_missing(refusal):
                raise

    def _press(self, wizard: _Wizard, call: MakeCall) -> None:
        key = wizard.model, wizard.id
        arguments = dict(self.arguments)
        if wizard.model == _MANY:
            arguments["force_synchronous"] = True
        self._state.idle_wizards.remove(key)
        try:
            call(wizard.model, "action_send_and_print", ([wizard.id], arguments), _no_answer)
        except GatewayError as refusal:
            if not refusal.maybe_done:
                self._state.idle_wizards.append(key)
            if wizard.model == _MANY and errors.is_one_pdf_at_a_time(refusal):
                self._state.one_at_a_time = True
            if errors.is_record_missing(refusal):
                raise errors.wizard_missing() from refusal
            raise
        self._state.idle_wizards.append(key)


def _together(rows: Sequence[Row], alone: Collection[int]) -> list[list[int]]:
    """The invoices, those of one company together. What has a text of its own has a wizard of its
    own: that for many has none."""
    found: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        own = row["id"] if row["id"] in alone else 0
        found.setdefault((row["company_id"], own), []).append(row["id"])
    return list(found.values())


def _outcome(
    invoice: int,
    by_id: Mapping[int, dict[str, Any]],
    in_progress: Mapping[int, timedelta],
    changed: Mapping[int, Mapping[str, str]],
) -> Mailed | GatewayError:
    if invoice not in by_id:
        return errors.record_missing(_MOVE, {invoice})
    mailed = _newest_mail(by_id[invoice])
    if invoice in in_progress and not mailed.went_out:
        return errors.under_way(min(in_progress[invoice], _SECONDS_EACH))
    if invoice in changed and not mailed.went_out:
        return Mailed(mailed.status, mailed.reason, changed[invoice])
    return mailed


def _changed(row: Row, expected: Mapping[str, str]) -> dict[str, str]:
    """What the invoice says otherwise than expected."""
    said = {name: _said(row, *SHOWN[name]) for name in expected}
    return {name: text for name, text in said.items() if text != expected[name]}


def _said(row: Row, name: str, related: str) -> str:
    value = (row[name] or {}).get(related) if related else row[name]
    return str(value or "")


def _newest_mail(row: Row) -> Mailed:
    notifications = [
        item
        for message in row["message_ids"]
        for item in message["notification_ids"]
        if item["notification_type"] == "email"
    ]
    if not notifications:
        return Mailed()
    newest = max(notifications, key=lambda item: int(item["id"]))
    reason = newest["failure_reason"] or newest["failure_type"] or ""
    return Mailed(newest["notification_status"], reason)


def _created_at(row: Row) -> datetime:
    return datetime.fromisoformat(row["create_date"])


def _no_answer(answer: Any) -> None:
    """Nobody reads the answer."""
