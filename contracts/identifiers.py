"""Business keys. Every id this system gives away derives from the contract, never from a run."""

from __future__ import annotations

import hashlib
import re

KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
"""What a contract id, a legal entity or a milestone key may look like: it becomes part of a
workflow id, a path and an Odoo external id."""

_PREFIX = "contract/"
BANK_PREFIX = "bank/"
EVENT_PREFIX = "event/"
ENTITY_PREFIX = "entity/"
"""Of the chain of the audit record that is a legal entity's own, and no workflow's."""
_INVOICE = re.compile(rf"{_PREFIX}([^/]+)/([^/]+)/invoice/([0-9]+)")
_OF_CONTRACT = re.compile(
    rf"({_PREFIX}[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}/[A-Za-z0-9][A-Za-z0-9_-]{{0,63}})(?:/|\Z)"
)
_ORIGIN = re.compile(r"Contract ([A-Za-z0-9_-]+) no\. ([0-9]+) \(([A-Za-z0-9_-]+)\)")
INVOICE_ORIGINS = "Contract % no. % (%)"
"""What the origins of invoices are like, as Odoo searches with `=like`."""


def contract_workflow_id(legal_entity: str, contract_id: str) -> str:
    """`contract/<legal entity>/<contract id>`: starting the same contract twice is one contract."""
    return f"{_PREFIX}{legal_entity}/{contract_id}"


def invoice_workflow_id(contract_workflow_id: str, number: int) -> str:
    """`<contract workflow id>/invoice/<n>`."""
    return f"{contract_workflow_id}/invoice/{number}"


def invoice_number(invoice_workflow_id: str) -> int:
    """The number of the invoice in its contract."""
    return int(invoice_workflow_id.rpartition("/")[2])


def invoice_origin(invoice_workflow_id: str) -> str:
    """What an invoice in Odoo names as its origin, such as `Contract C-1001 no. 3 (northwind)`.

    Customers read it on the PDF, and a change in Odoo leads back to the invoice's workflow by it.
    Raises ValueError for what is not the id of an invoice's workflow.
    """
    found = _INVOICE.fullmatch(invoice_workflow_id)
    if found is None:
        raise ValueError(f"{invoice_workflow_id!r} is not the workflow id of an invoice")
    legal_entity, contract_id, number = found.groups()
    return f"Contract {contract_id} no. {number} ({legal_entity})"


def workflow_of_origin(origin: str) -> str:
    """The workflow id of the invoice that has this origin in Odoo; empty for any other text."""
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return ""
    contract_id, number, legal_entity = found.groups()
    return invoice_workflow_id(contract_workflow_id(legal_entity, contract_id), int(number))


def origins_of_contract(contract_workflow_id: str) -> str:
    """What the origins of one contract's invoices are like, as Odoo searches with `=like`; an
    underscore in a key stands for any letter there."""
    legal_entity, contract_id = contract_workflow_id.removeprefix(_PREFIX).split("/")
    return f"Contract {contract_id} no. % ({legal_entity})"


def origins_of_entity(legal_entity: str) -> str:
    """The same of all invoices of a legal entity."""
    return f"Contract % no. % ({legal_entity})"


def contract_of(workflow_id: str) -> str:
    """The workflow id of the contract that a workflow belongs to: an invoice's, or its own."""
    return workflow_id.partition("/invoice/")[0]


def contract_scope(workflow_id: str) -> str:
    """The workflow id of the contract that a workflow belongs to; empty for one of no contract."""
    found = _OF_CONTRACT.match(workflow_id)
    return found[1] if found else ""


def legal_entity_of(workflow_id: str) -> str:
    """The legal entity that the workflow of a contract, an invoice or a bank's file belongs to, or
    whose own chain of the audit record it is; empty for any other."""
    kind, _, rest = workflow_id.partition("/")
    of_entities = (_PREFIX, BANK_PREFIX, ENTITY_PREFIX)
    return rest.partition("/")[0] if f"{kind}/" in of_entities else ""


def bank_workflow_id(legal_entity: str, sha256: str) -> str:
    """`bank/<legal entity>/<hash of the file>`: the same bytes twice are one file."""
    return f"{BANK_PREFIX}{legal_entity}/{sha256}"


def deal_contract_id(system: str, deal_id: str) -> str:
    """The contract id of a CRM's deal, such as `hubspot-9001`."""
    return f"{system}-{deal_id}"


def is_invoice_workflow_id(text: str) -> bool:
    return _INVOICE.fullmatch(text) is not None


def external_id(kind: str, *keys: object) -> str:
    """An Odoo external id, `c2c.<kind>_<keys>`.

    Odoo allows neither spaces nor dots in the name; characters of a key beyond letters, digits
    and dashes are replaced and a short digest keeps two different keys apart.
    """
    text = "_".join(str(key) for key in keys)
    safe = re.sub(r"[^A-Za-z0-9-]", "-", text)[:80]
    digest = hashlib.sha256("\0".join(str(key) for key in keys).encode()).hexdigest()[:8]
    return f"c2c.{kind}_{safe}_{digest}"
