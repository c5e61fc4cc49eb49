"""Addresses of the chains of the audit record, and the chains of addresses."""

from __future__ import annotations

import re
from urllib.parse import quote

from contracts.access import EVERYWHERE
from contracts.audit.records import entity_chain
from contracts.identifiers import (
    BANK_PREFIX,
    ENTITY_PREFIX,
    EVENT_PREFIX,
    KEY,
    bank_workflow_id,
    contract_of,
    contract_workflow_id,
    invoice_number,
    invoice_workflow_id,
    is_invoice_workflow_id,
    legal_entity_of,
)
from contracts.page_addresses import place_of

_HASH = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_BANK, _EVENTS, _INVOICES = "bank", "events", "invoices"
_REMOVALS = "entity/removals"
"""Of a legal entity's own chain: what was erased and removed."""


def chain_path(of: str) -> str:
    """The address of a chain."""
    if of.startswith(EVENT_PREFIX):
        return f"/audit/{EVERYWHERE}/{_EVENTS}/{of.removeprefix(EVENT_PREFIX)}"
    entity = quote(legal_entity_of(of), safe="")
    if of.startswith(BANK_PREFIX):
        return f"/audit/{entity}/{_BANK}/{of.rpartition('/')[2]}"
    if of.startswith(ENTITY_PREFIX):
        return f"/audit/{entity}/{_REMOVALS}"
    contract = quote(contract_of(of).rpartition("/")[2], safe="")
    number = f"/{_INVOICES}/{invoice_number(of)}" if is_invoice_workflow_id(of) else ""
    return f"/audit/{entity}/{contract}{number}"


def contract_or_file_path(of: str) -> str:
    """The address of what a chain is of; empty for an event, whose key is not known here, and for
    a legal entity."""
    return place_of(of) if is_of_workflow(of) else ""


def is_of_workflow(of: str) -> bool:
    """Whether a chain is of a workflow that is known by the chain's name."""
    return not of.startswith((EVENT_PREFIX, ENTITY_PREFIX))


def of_path(entity: str, path: str) -> str:
    """The chain of an address; empty for what is none."""
    match path.split("/"):
        case [contract] if KEY.match(entity) and KEY.match(contract):
            return contract_workflow_id(entity, contract)
        case [contract, "invoices", number] if KEY.match(entity) and KEY.match(contract):
            is_number = _NUMBER.fullmatch(number)
            of = contract_workflow_id(entity, contract)
            return invoice_workflow_id(of, int(number)) if is_number else ""
        case ["bank", sha256] if KEY.match(entity) and _HASH.fullmatch(sha256):
            return bank_workflow_id(entity, sha256)
        case ["entity", "removals"] if KEY.match(entity):
            return entity_chain(entity)
        case ["events", source, digest] if entity == EVERYWHERE:
            is_chain = KEY.match(source) and _HASH.fullmatch(digest)
            return f"{EVENT_PREFIX}{source}/{digest}" if is_chain else ""
    return ""
