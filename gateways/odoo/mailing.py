"""Posted invoices that go out by e-mail, many of them in one call.

    look      the wizard is made for all, and answers which of them a mail went out about already
    press     one wizard per company, of those that are still to go; else nothing
    look      how their mails fared

Odoo mails after it has committed, so a call that it refuses has mailed nothing. One whose answer
was lost, or whose worker was killed, may still be at it, and nothing of it is to be seen before it
has committed: but its wizard is. So who comes again leaves alone for a while what a wizard of
somebody else's holds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.grouping import Call, Request, rows_of

FAILED = frozenset({"exception", "bounce", "canceled"})
"""What Odoo says of a mail that did not go out."""

MOST = 50
AT_FIRST = 4
"""How many invoices go in one call; so few until Odoo's speed is known, because a call that gets
no answer in time leaves open which of its invoices were mailed."""

_LASTS = timedelta(seconds=5)
_LASTS_AT_MOST = timedelta(seconds=120)
"""How long a call may be thought to be under way: so long, and as long again for each of its
invoices; Odoo itself ends what takes longer than the second."""

_KNOWN_WIZARDS = 1_000
_MOVE = "account.move"
_ONE, _MANY = "account.move.send.wizard", "account.move.send.batch.wizard"
_LOOK: dict[str, Any] = {
    "company_id": {},
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
    """How the newest e-mail about an invoice fared: Odoo's status of it ("" where none was made)
    and why it failed."""

    status: str = ""
    reason: str = ""

    @property
    def went_out(self) -> bool:
        """It did, or waits in Odoo's own queue."""
        return bool(self.status) and self.status not in FAILED


class Mailing:
    """What a client knows about the mails of its Odoo."""

    def __init__(self) -> None:
        self.one_by_one = False
        """Odoo refuses several PDFs in one run, as wkhtmltopdf does without its patched Qt."""
        self.idle: deque[tuple[str, int]] = deque(maxlen=_KNOWN_WIZARDS)
        """Wizards, by model and id, that certainly mail nothing: never pressed, or answered."""


class Mail(Request):
    """Sends one invoice, unless a mail about it went out already."""

    # While it makes a PDF Odoo asks itself for pictures and styles: as many calls at once as it
    # has workers would wait for each other.
    in_turn = True
    yields = True
    at_first = AT_FIRST

    def __init__(
        self, invoice: int, again: bool, context: Mapping[str, Any], mailing: Mailing
    ) -> None:
        """`again` says that a call for it may still be under way, whose end nobody was told."""
        super().__init__(_MANY, "action_send_and_print", {"context": context})
        self.invoice = invoice
        self.again = again
        self.records = frozenset({invoice})
        self.key = self._key()
        self._mailing = mailing

    @property
    def most(self) -> int:  # type: ignore[override]
        return 1 if self._mailing.one_by_one else MOST

    def carry_out(self, requests: Sequence[Mail], call: Call, until: float) -> list[Any]:
        invoices = [request.invoice for request in requests]
        wizard = self._made(invoices, call)
        rows = wizard.rows
        due = [row["id"] for row in rows if not _newest(row).went_out]
        doubtful = {request.invoice for request in requests if request.again}.intersection(due)
        under_way = self._under_way(sorted(doubtful), wizard, call) if doubtful else {}
        if under_way:
            # Else whoever looks next takes it for a call that is under way.
            self._drop(wizard, call)
        clear = [row for row in rows if row["id"] in due and row["id"] not in under_way]
        for together in _by_company(clear):
            if len(together) < len(invoices):
                wizard = self._made(together, call)
            if time.monotonic() > until:
                raise errors.client_busy()
            self._press(wizard, call)
        if due:
            body = invoices, {"specification": _LOOK, **self.arguments}
            rows = call(_MOVE, "web_read", body, rows_of)
        by_id = {row["id"]: row for row in rows}
        return [_outcome(invoice, by_id, under_way) for invoice in invoices]

    def _made(self, invoices: Sequence[int], call: Call) -> _Wizard:
        """A wizard for these invoices; Odoo's own for many fails with one."""
        model, field = (_MANY, "move_ids") if len(invoices) > 1 else (_ONE, "move_id")
        many = [[6, 0, list(invoices)]]
        arguments = {
            "vals": {field: many if len(invoices) > 1 else invoices[0]},
            "specification": {field: {"fields": _LOOK}, "create_date": {}},
            **self.arguments,
        }
        [made] = call(model, "web_save", ([], arguments), rows_of)
        held = made[field]
        self._mailing.idle.append((model, made["id"]))
        return _Wizard(model, made["id"], _moment(made), held if isinstance(held, list) else [held])

    def _under_way(self, invoices: list[int], own: _Wizard, call: Call) -> dict[int, timedelta]:
        """Those of the invoices that a call made just before may still be mailing, and for how
        long that is to be thought."""
        found: dict[int, timedelta] = {}
        for model, field in ((_MANY, "move_ids"), (_ONE, "move_id")):
            arguments = {
                "domain": [[field, "in", invoices]],
                "fields": [field, "create_date"],
                **self.arguments,
            }
            for row in call(model, "search_read", ([], arguments), rows_of):
                if (model, row["id"]) in self._mailing.idle:
                    continue
                held = row[field] if model == _MANY else row[field][:1]
                lasts = min(_LASTS + _LASTS * len(held), _LASTS_AT_MOST)
                left = _moment(row) + lasts - own.made_at
                if left > timedelta(0):
                    found |= dict.fromkeys(held, left)
        return {invoice: left for invoice, left in found.items() if invoice in invoices}

    def _drop(self, wizard: _Wizard, call: Call) -> None:
        """Take back a wizard; one that is gone is a success."""
        try:
            call(wizard.model, "unlink", ([wizard.id], dict(self.arguments)), _nothing)
        except GatewayError as refusal:
            if not errors.is_record_missing(refusal):
                raise

    def _press(self, wizard: _Wizard, call: Call) -> None:
        key = wizard.model, wizard.id
        arguments = dict(self.arguments)
        if wizard.model == _MANY:
            arguments["force_synchronous"] = True
        self._mailing.idle.remove(key)
        try:
            call(wizard.model, "action_send_and_print", ([wizard.id], arguments), _nothing)
        except GatewayError as refusal:
            if not refusal.maybe_done:
                self._mailing.idle.append(key)
            if wizard.model == _MANY and errors.is_one_pdf_at_a_time(refusal):
                self._mailing.one_by_one = True
            if errors.is_record_missing(refusal):
                raise errors.wizard_missing() from refusal
            raise
        self._mailing.idle.append(key)


@dataclass(frozen=True)
class _Wizard:
    """A wizard, when it was made by Odoo's clock, and how its invoices stood then."""

    model: str
    id: int
    made_at: datetime
    rows: list[dict[str, Any]]


def _by_company(rows: Sequence[Row]) -> list[list[int]]:
    """The invoices, those of one company together."""
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row["company_id"], []).append(row["id"])
    return list(found.values())


def _outcome(
    invoice: int, by_id: Mapping[int, dict[str, Any]], under_way: Mapping[int, timedelta]
) -> Mailed | GatewayError:
    if invoice not in by_id:
        return errors.record_missing(_MOVE, {invoice})
    mailed = _newest(by_id[invoice])
    if invoice in under_way and not mailed.went_out:
        return errors.under_way(min(under_way[invoice], _LASTS))
    return mailed


def _newest(row: Row) -> Mailed:
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


def _moment(row: Row) -> datetime:
    return datetime.fromisoformat(row["create_date"])


def _nothing(answer: Any) -> None:
    """Nobody wants the answer."""
