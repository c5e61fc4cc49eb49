"""Talk to contracts and invoices from Python.

    c2c = C2C(await wiring.client.connect())
    contract = c2c.contract("northwind/C-1001")
    await contract.reach_milestone("design", by="pia@northwind.example")
    await contract.invoice(1).approve(by="ana@northwind.example")

`C2C` finds and lists, `ContractClient` and `InvoiceClient` speak to one workflow; every message
that people send has one method there. The command line is a layer over this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.problems import InvalidContract
    from starters.client.approvals import Awaiting, Found, Outcome
    from starters.client.auditing import Audit
    from starters.client.c2c import C2C
    from starters.client.calls import Attempt
    from starters.client.changing import ChangePreview
    from starters.client.contracts import ContractClient
    from starters.client.errors import NoAnswer, NotFound, Refused
    from starters.client.invoices import InvoiceClient
    from starters.client.listing import ContractRow, InvoiceRow
    from starters.client.names import MAX_LISTED
    from starters.client.parked import ParkedStep, ParkedSteps
    from starters.client.references import BadReference, Entities
    from starters.client.starting import Started

_PLACES = {
    "InvalidContract": "contracts.problems",
    "Audit": "starters.client.auditing",
    "Awaiting": "starters.client.approvals",
    "BadReference": "starters.client.references",
    "C2C": "starters.client.c2c",
    "ChangePreview": "starters.client.changing",
    "ContractClient": "starters.client.contracts",
    "ContractRow": "starters.client.listing",
    "Entities": "starters.client.references",
    "Found": "starters.client.approvals",
    "InvoiceClient": "starters.client.invoices",
    "InvoiceRow": "starters.client.listing",
    "MAX_LISTED": "starters.client.names",
    "NoAnswer": "starters.client.errors",
    "NotFound": "starters.client.errors",
    "Outcome": "starters.client.approvals",
    "Attempt": "starters.client.calls",
    "ParkedStep": "starters.client.parked",
    "ParkedSteps": "starters.client.parked",
    "Refused": "starters.client.errors",
    "Started": "starters.client.starting",
}

__all__ = [
    "C2C",
    "MAX_LISTED",
    "Attempt",
    "Audit",
    "Awaiting",
    "BadReference",
    "ChangePreview",
    "ContractClient",
    "ContractRow",
    "Entities",
    "Found",
    "InvalidContract",
    "InvoiceClient",
    "InvoiceRow",
    "NoAnswer",
    "NotFound",
    "Outcome",
    "ParkedStep",
    "ParkedSteps",
    "Refused",
    "Started",
]


def __getattr__(name: str) -> object:
    """Each part is imported once it is used: the command line needs few of them at a time."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
