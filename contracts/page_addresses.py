"""Addresses of the web application's pages that are named elsewhere too: in mails and notes."""

from __future__ import annotations

from urllib.parse import quote

from contracts.identifiers import (
    BANK_PREFIX,
    EVENT_PREFIX,
    contract_of,
    invoice_number,
    is_invoice_workflow_id,
)

_SHOWN_HASH = 12


def place_of(workflow_id: str) -> str:
    """The page of a contract, an invoice, a bank's file or an event."""
    if workflow_id.startswith(BANK_PREFIX):
        return f"/bank/{quote(workflow_id.removeprefix(BANK_PREFIX))}"
    if workflow_id.startswith(EVENT_PREFIX):
        return f"/events/{quote(workflow_id.removeprefix(EVENT_PREFIX))}"
    invoice = _number(workflow_id)
    return f"/c/{_contract(workflow_id)}" + (f"/invoices/{invoice}" if invoice else "")


def approval_path(workflow_id: str, content_hash: str) -> str:
    """The page of one content that is to be approved, in an invoice or a contract."""
    return f"{place_of(workflow_id)}/approvals/{content_hash}"


def exception_path(workflow_id: str, step: str) -> str:
    """The page of a parked step; a bank's file and an event have one page each."""
    if workflow_id.startswith(BANK_PREFIX):
        return f"{place_of(workflow_id)}#{step}"
    if workflow_id.startswith(EVENT_PREFIX):
        return place_of(workflow_id)
    invoice = _number(workflow_id)
    place = f"{_contract(workflow_id)}/{invoice}" if invoice else _contract(workflow_id)
    return f"/exceptions/{place}/{step_part(step)}"


def step_part(step: str) -> str:
    """A step's name as one part of an address: it may have slashes of its own."""
    return quote(step.replace("~", "~0").replace("/", "~1"), safe="")


def step_of(part: str) -> str:
    """The name of a step from its part of an address."""
    return part.replace("~1", "/").replace("~0", "~")


def reference(workflow_id: str) -> str:
    """A contract or an invoice as people write it: `northwind/C-1001`, `northwind/C-1001/3`; a
    bank's file by the beginning of its hash."""
    if workflow_id.startswith(BANK_PREFIX):
        place, _, sha256 = workflow_id.rpartition("/")
        return f"{place}/{sha256[:_SHOWN_HASH]}"
    if workflow_id.startswith(EVENT_PREFIX):
        return workflow_id
    invoice, contract = _number(workflow_id), contract_of(workflow_id).removeprefix("contract/")
    return f"{contract}/{invoice}" if invoice else contract


def _contract(workflow_id: str) -> str:
    return quote(contract_of(workflow_id).removeprefix("contract/"))


def _number(workflow_id: str) -> int:
    """The number of an invoice in its contract; 0 for a contract."""
    return invoice_number(workflow_id) if is_invoice_workflow_id(workflow_id) else 0
