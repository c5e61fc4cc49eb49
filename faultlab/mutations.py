"""Ways to break the product on purpose, so that a campaign can show that it would notice.

Each takes one safeguard away, in the worker process that is asked to, and nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from temporalio import activity

from activities.odoo import external_ids
from contracts.approvals import ApprovalRound
from contracts.invoice.messages import PaymentNotice, PaymentReceived
from contracts.invoice.rules import AGENDA
from contracts.invoice.state import InvoiceState
from gateways.odoo import OdooClient

_CREATED = frozenset({"res.partner", "project.project", "account.move"})
"""Models whose records no other record names by its external id."""
_PRESSING = frozenset({"provision", "post_invoice"})


def create_for_load() -> None:
    """Records are created, not upserted: a repeat makes another one."""
    load = OdooClient.load

    def create(
        self: OdooClient, model: str, rows: Sequence[Mapping[str, Any]], **options: Any
    ) -> list[int]:
        if model in _CREATED:
            rows = [_renamed(row) for row in rows]
        return load(self, model, rows, **options)

    OdooClient.load = create  # type: ignore[method-assign]


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    own = ("id", "invoice_line_ids/id")
    return {
        column: f"{value}_{uuid.uuid4().hex[:8]}" if column in own and value else value
        for column, value in row.items()
    }


def press_without_looking() -> None:
    """Buttons are pressed without reading first whether they were pressed already."""
    read, press = OdooClient.read, OdooClient.press
    pressed: set[bytes] = set()

    def blind(
        self: OdooClient, model: str, ids: Sequence[int], fields: Sequence[str], **options: Any
    ) -> list[dict[str, Any]]:
        rows = read(self, model, ids, fields, **options)
        if "state" not in fields or not activity.in_activity():
            return rows
        info = activity.info()
        if info.activity_type not in _PRESSING or info.task_token in pressed:
            return rows
        return [row | {"state": "draft"} for row in rows]

    def pressing(self: OdooClient, model: str, method: str, *arguments: Any, **named: Any) -> None:
        press(self, model, method, *arguments, **named)
        if method in ("action_confirm", "action_post") and activity.in_activity():
            pressed.add(activity.info().task_token)

    OdooClient.read = blind  # type: ignore[method-assign]
    OdooClient.press = pressing  # type: ignore[method-assign]


def count_events_again() -> None:
    """A payment that is reported twice is accepted twice, and registered twice."""
    messages: dict[type, Any] = AGENDA.messages  # type: ignore[assignment]
    take, search = messages[PaymentReceived].take, OdooClient.search_read

    def retake(state: InvoiceState, payment: Any) -> InvoiceState:
        known = {
            reference: amount
            for reference, amount in state.known_payments.items()
            if reference != payment.reference
        }
        taken: InvoiceState = take(state.replace(known_payments=known), payment)
        return taken

    def forgetful(self: OdooClient, model: str, domain: Any, fields: Any, **more: Any) -> Any:
        asked = any(isinstance(part, tuple) and part[0] == "memo" for part in domain)
        if model == "account.payment" and asked:
            return []
        return search(self, model, domain, fields, **more)

    def another(invoice: int, reference: str) -> str:
        return f"{identified(invoice, reference)}_{uuid.uuid4().hex[:8]}"

    identified = external_ids.payment_id
    external_ids.payment_id = another  # type: ignore[assignment]
    for kind in (PaymentReceived, PaymentNotice):
        messages[kind] = replace(messages[kind], take=retake)
    OdooClient.search_read = forgetful  # type: ignore[method-assign]


def approve_anything() -> None:
    """An approval counts whatever content and amount it names."""
    refusal, decide = ApprovalRound.refusal, ApprovalRound.decided

    def bound(self: ApprovalRound, decision: Any) -> Any:
        subject = self.subject
        return decision.model_copy(
            update={"content_hash": subject.content_hash, "amount": subject.amount}
        )

    def unchecked(self: ApprovalRound, decision: Any, *more: Any) -> Any:
        return refusal(self, bound(self, decision), *more)

    def decided(self: ApprovalRound, decision: Any, *more: Any) -> Any:
        return decide(self, bound(self, decision), *more)

    ApprovalRound.refusal = unchecked  # type: ignore[method-assign, assignment]
    ApprovalRound.decided = decided  # type: ignore[method-assign, assignment]


MUTATIONS: dict[str, Callable[[], None]] = {
    "create-for-load": create_for_load,
    "no-read-before-button": press_without_looking,
    "no-event-deduplication": count_events_again,
    "no-content-hash": approve_anything,
}
