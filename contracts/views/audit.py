"""Entries of the audit record in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.audit.entries import ENDED, LEFT_OUT, STARTED, Entry, Who
from contracts.model import JsonObject

_WORDS: Mapping[str, str] = {
    STARTED: "began it",
    ENDED: "ended it",
    LEFT_OUT: "did more than could be kept",
    "approval_decision": "decided about an approval",
    "resolution": "decided about an exception",
    "milestone_reached": "reported a milestone reached",
    "milestone_unreached": "reported a milestone not reached",
    "milestone_reached_in_odoo": "marked a milestone reached in Odoo",
    "milestone_unreached_in_odoo": "took a mark from a milestone in Odoo",
    "usage_report": "reported usage",
    "service_credit": "granted a service credit",
    "credit_request": "asked for a credit",
    "credit_requested": "asked for a credit, as a dispute was accepted",
    "hold_request": "changed a hold",
    "hold_change": "changed a hold on reminders",
    "termination_request": "ended the contract early",
    "termination_withdrawn": "withdrew the early end",
    "notice_given": "gave notice",
    "retainage_release": "released the retainage",
    "customer_refresh": "had the deal read again",
    "signature_reported": "reported how the signature stands",
    "signature_confirmed": "confirmed the signature",
    "cancel_request": "cancelled the contract",
    "change_order": "proposed a change order",
    "payment_received": "reported a payment",
    "dispute_opened": "opened a dispute",
    "dispute_resolved": "resolved a dispute",
    "payment_promised": "noted a promise to pay",
    "write_off_asked": "asked for a write-off",
    "provision": "set up customer, order and project",
    "attach_signed": "attached the signed document",
    "amend_order": "brought the order to the new version",
    "hand_over": "handed the project over",
    "close_out": "closed the contract out",
    "cancel_order": "cancelled the order",
    "archive_project": "archived the project",
    "post_invoice": "posted the invoice",
    "discard": "cancelled the draft",
    "deliver": "sent the invoice",
    "register_payment": "booked a payment",
    "reverse_payment": "booked that a payment was undone",
    "take_back": "cancelled the draft of what is not booked",
    "reconcile": "set the credit note off",
    "remind": "sent a reminder",
    "write_off": "wrote off what was open",
    "settlement": "decided about a line of a bank's file",
    "file_decided": "decided about a bank's file as a whole",
    "redelivery": "had an event delivered again",
    "dismissal": "dismissed an event",
    "contract_erased": "destroyed the keys of a contract",
    "customer_erased": "erased a customer",
    "retention": "removed records that are not kept any longer",
    "audit_removed": "removed the audit record of a contract or an invoice",
}


WHATS = tuple(_WORDS)
"""What entries are of, for whoever looks for some."""


def sentence(entry: Entry) -> str:
    """An entry in words: who did what, why, and what changed by it."""
    parts = [f"{name(entry.actor)} {words(entry.what)}"]
    if entry.details:
        parts.append(details(entry))
    if entry.why:
        parts.append(f"because: {entry.why}")
    changes = changed(entry)
    if changes:
        parts.append("; ".join(changes))
    if entry.remote_id:
        parts.append(f"[{entry.remote_id}]")
    return " – ".join(parts)


def words(what: str) -> str:
    """What was done, behind the name of who did it."""
    return _WORDS.get(what, what.replace("_", " "))


def details(entry: Entry) -> str:
    """What was said with it, in one line."""
    return _pairs(entry.details)


def name(who: Who) -> str:
    """Whoever did something, as people call them."""
    roles = f" ({', '.join(who.roles).replace('_', ' ')})" if who.roles else ""
    return f"{who.person}{roles}" if who.person else who.system


def changed(entry: Entry) -> list[str]:
    """What an entry changed, each as `name: before -> after`."""
    keys = sorted(entry.before.keys() | entry.after.keys())
    return [
        f"{key}: {_text(entry.before.get(key))} → {_text(entry.after.get(key))}" for key in keys
    ]


def _pairs(content: JsonObject) -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in content.items())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return f"({_pairs(value)})"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "–" if value is None or value == "" else str(value)
