"""Addresses of the web application's pages that are named elsewhere too: in mails and notes."""

from __future__ import annotations

from urllib.parse import quote

from contracts.identifiers import contract_of, invoice_number, is_invoice_workflow_id


def approval_path(workflow_id: str, content_hash: str) -> str:
    """The page of one content that is to be approved, in an invoice or a contract."""
    invoice = _number(workflow_id)
    place = f"{_contract(workflow_id)}/invoices/{invoice}" if invoice else _contract(workflow_id)
    return f"/c/{place}/approvals/{content_hash}"


def exception_path(workflow_id: str, step: str) -> str:
    """The page of a parked step of an invoice or a contract."""
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
    """A contract or an invoice as people write it: `northwind/C-1001`, `northwind/C-1001/3`."""
    invoice, contract = _number(workflow_id), contract_of(workflow_id).removeprefix("contract/")
    return f"{contract}/{invoice}" if invoice else contract


def _contract(workflow_id: str) -> str:
    return quote(contract_of(workflow_id).removeprefix("contract/"))


def _number(workflow_id: str) -> int:
    """The number of an invoice in its contract; 0 for a contract."""
    return invoice_number(workflow_id) if is_invoice_workflow_id(workflow_id) else 0
