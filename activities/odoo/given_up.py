"""Drafts in Odoo of what was to be booked on an invoice and is given up: they are cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from activities.failures import BusinessRefusal
from activities.odoo.buttons import press
from activities.odoo.needs import ACCOUNTING, Need
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient

_PAYMENT, _ENTRY = "account.payment", "account.move"
_BUTTONS = {_PAYMENT: "action_cancel", _ENTRY: "button_cancel"}
_CANCELLED = ("cancel", "canceled", "rejected")
_FIELDS = ("state", "name")

NEEDS = (
    Need(
        _PAYMENT,
        ("memo", "invoice_ids", "payment_type", *_FIELDS),
        access=ACCOUNTING,
        methods=(_BUTTONS[_PAYMENT],),
    ),
    Need(
        _ENTRY,
        ("invoice_origin", "move_type", "ref", *_FIELDS),
        access=ACCOUNTING,
        methods=(_BUTTONS[_ENTRY],),
    ),
)


def discard_payment(odoo: OdooClient, invoice: int, reference: str) -> None:
    """Cancel the draft of a payment of the invoice. See `_discard`."""
    domain = [("memo", "=", reference), ("invoice_ids", "in", [invoice])]
    _discard(odoo, _PAYMENT, domain, f"payment {reference}")


def discard_reversal(odoo: OdooClient, reference: str) -> None:
    """Cancel the draft of what was to undo a payment. What is posted is a person's, who has seen to
    it."""
    domain = [("memo", "=", reference), ("payment_type", "=", "outbound"), ("state", "=", "draft")]
    _discard(odoo, _PAYMENT, domain, f"what undoes a payment, {reference},")


def discard_write_off(odoo: OdooClient, origin: str, key: str) -> None:
    """Cancel the draft entry of a write-off of the invoice with this origin. See `_discard`."""
    domain = [
        ("invoice_origin", "=", origin),
        ("move_type", "=", "entry"),
        ("ref", "=like", f"{write_off_reference(key)}%"),
    ]
    _discard(odoo, _ENTRY, domain, f"write-off {key}")


def write_off_reference(key: str) -> str:
    """How the reference of a write-off's entry begins; its reason follows."""
    return f"Write-off {key}: "


def _discard(odoo: OdooClient, model: str, domain: Sequence[Any], what: str) -> None:
    """Cancel what is found as a draft; one that was never made or is cancelled is a success.

    Refuses `booking_left` where somebody has posted it meanwhile, or Odoo does not cancel it.
    """
    for row in odoo.search_read(model, domain, _FIELDS, order="id"):
        if row["state"] in _CANCELLED:
            continue
        if row["state"] != "draft":
            raise _left(what, model, row, "is posted in Odoo by now")
        try:
            is_pressed = partial(_is_cancelled, odoo, model, row["id"])
            press(odoo, model, _BUTTONS[model], row["id"], is_pressed=is_pressed)
        except GatewayError as refusal:
            if refusal.kind is not FailureKind.BUSINESS:
                raise
            why = f"stays a draft in Odoo, which does not cancel it: {refusal}"
            raise _left(what, model, row, why) from refusal


def _is_cancelled(odoo: OdooClient, model: str, record: int) -> bool:
    [row] = odoo.read(model, [record], ["state"])
    return row["state"] in _CANCELLED


def _left(what: str, model: str, row: dict[str, Any], why: str) -> BusinessRefusal:
    name = f"{row['name'] or 'no number'}, {model} {row['id']}"
    return BusinessRefusal(
        "booking_left",
        f"{what} was given up, and {why} ({name}); cancel it there and retry, or skip to leave it",
        field="state",
        value=row["state"],
    )
