"""Business keys. Every id this system gives away derives from the contract, never from a run."""

from __future__ import annotations

import hashlib
import re

KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
"""What a contract id, a legal entity or a milestone key may look like: it becomes part of a
workflow id, a path and an Odoo external id."""

_PREFIX = "contract/"
_INVOICE = re.compile(rf"{_PREFIX}[^/]+/[^/]+/invoice/[0-9]+")


def contract_workflow_id(legal_entity: str, contract_id: str) -> str:
    """`contract/<legal entity>/<contract id>`: starting the same contract twice is one contract."""
    return f"{_PREFIX}{legal_entity}/{contract_id}"


def invoice_workflow_id(contract_workflow_id: str, number: int) -> str:
    """`<contract workflow id>/invoice/<n>`; also the invoice's origin in Odoo, so that a change
    there leads back to its workflow."""
    return f"{contract_workflow_id}/invoice/{number}"


def contract_of(workflow_id: str) -> str:
    """The workflow id of the contract that a workflow belongs to: an invoice's, or its own."""
    return workflow_id.partition("/invoice/")[0]


def legal_entity_of(workflow_id: str) -> str:
    """The legal entity a contract's or an invoice's workflow belongs to; empty for any other."""
    if not workflow_id.startswith(_PREFIX):
        return ""
    return workflow_id.removeprefix(_PREFIX).partition("/")[0]


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
