"""Posted documents that go out by e-mail, many of them in one call.

    look      the wizard is made for all, and answers which of them a mail went out about already
    press     one wizard per company, of those that are still to go; else nothing
    look      how their mails fared

Odoo mails after it has committed, so a call that it refuses has mailed nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateways.errors import GatewayError
from gateways.odoo import errors
from gateways.odoo.grouping import Call, Request, own_rows, rows_of

FAILED = frozenset({"exception", "bounce", "canceled"})
"""What Odoo says of a mail that did not go out."""

MOST = 50
AT_FIRST = 4
"""How many documents go in one call; so few until Odoo's speed is known, because a call that gets
no answer in time leaves open which of its documents were mailed."""

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
    """How the newest e-mail about a document fared: Odoo's status of it ("" where none was made)
    and why it failed."""

    status: str = ""
    reason: str = ""

    @property
    def went_out(self) -> bool:
        """It did, or waits in Odoo's own queue."""
        return bool(self.status) and self.status not in FAILED


class Renderer:
    """What is known of the program that makes an Odoo's PDFs."""

    def __init__(self) -> None:
        self.one_by_one = False
        """It refuses several documents in one run, as wkhtmltopdf does without its patched Qt."""


class Mail(Request):
    """Sends one document, unless a mail about it went out already."""

    # While it makes a PDF Odoo asks itself for pictures and styles: as many calls at once as it
    # has workers would wait for each other.
    in_turn = True
    at_first = AT_FIRST

    def __init__(self, document: int, context: Mapping[str, Any], renderer: Renderer) -> None:
        super().__init__(_MANY, "action_send_and_print", {"context": context})
        self.document = document
        self.records = frozenset({document})
        self.key = self._key()
        self._renderer = renderer

    @property
    def most(self) -> int:  # type: ignore[override]
        return 1 if self._renderer.one_by_one else MOST

    def carry_out(self, requests: Sequence[Mail], call: Call, until: float) -> list[Any]:
        documents = [request.document for request in requests]
        wizard, rows = self._made(documents, call)
        for due in _by_company(rows):
            if len(due) < len(documents):
                wizard, _ = self._made(due, call)
            if time.monotonic() > until:
                raise errors.client_busy()
            self._pressed(wizard, due, call)
            rows = []
        if not rows:
            body = documents, {"specification": _LOOK, **self.arguments}
            rows = call(_MOVE, "web_read", body, rows_of)
        by_id = {row["id"]: row for row in rows}
        found = [own_rows(_MOVE, [document], by_id) for document in documents]
        return [own if isinstance(own, GatewayError) else _newest(own[0]) for own in found]

    def _made(self, documents: Sequence[int], call: Call) -> tuple[int, list[dict[str, Any]]]:
        """The id of a wizard for these documents, and how they stand.

        Odoo's wizard for many fails with one.
        """
        model, field = (_MANY, "move_ids") if len(documents) > 1 else (_ONE, "move_id")
        many = [[6, 0, list(documents)]]
        arguments = {
            "vals": {field: many if len(documents) > 1 else documents[0]},
            "specification": {field: {"fields": _LOOK}},
            **self.arguments,
        }
        [made] = call(model, "web_save", ([], arguments), rows_of)
        held = made[field]
        return made["id"], held if isinstance(held, list) else [held]

    def _pressed(self, wizard: int, documents: Sequence[int], call: Call) -> None:
        many = len(documents) > 1
        arguments = dict(self.arguments) | ({"force_synchronous": True} if many else {})
        try:
            call(
                _MANY if many else _ONE,
                "action_send_and_print",
                ([wizard], arguments),
                lambda answer: None,
            )
        except GatewayError as refusal:
            if many and errors.is_one_pdf_at_a_time(refusal):
                self._renderer.one_by_one = True
            raise


def _by_company(rows: Sequence[Row]) -> list[list[int]]:
    """The documents that are still to go; those of one company can go together."""
    due: dict[int, list[int]] = {}
    for row in rows:
        if not _newest(row).went_out:
            due.setdefault(row["company_id"], []).append(row["id"])
    return list(due.values())


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
