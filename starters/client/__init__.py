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
    from contracts.problems import InvalidContract as InvalidContract
    from starters.client.approvals import Awaiting as Awaiting
    from starters.client.approvals import Outcome as Outcome
    from starters.client.c2c import C2C as C2C
    from starters.client.changing import ChangePreview as ChangePreview
    from starters.client.closing import CloseOut as CloseOut
    from starters.client.connection import Attempt as Attempt
    from starters.client.contracts import ContractClient as ContractClient
    from starters.client.errors import NoAnswer as NoAnswer
    from starters.client.errors import NotFound as NotFound
    from starters.client.errors import Refused as Refused
    from starters.client.invoices import InvoiceClient as InvoiceClient
    from starters.client.listing import ContractRow as ContractRow
    from starters.client.listing import Listed as Listed
    from starters.client.names import MAX_LISTED as MAX_LISTED
    from starters.client.parked import ParkedStep as ParkedStep
    from starters.client.references import BadReference as BadReference
    from starters.client.references import Entities as Entities
    from starters.client.starting import Started as Started

_MODULES = {
    "contracts.problems": ("InvalidContract",),
    "starters.client.approvals": ("Awaiting", "Outcome"),
    "starters.client.closing": ("CloseOut",),
    "starters.client.c2c": ("C2C",),
    "starters.client.connection": ("Attempt",),
    "starters.client.changing": ("ChangePreview",),
    "starters.client.contracts": ("ContractClient",),
    "starters.client.errors": ("NoAnswer", "NotFound", "Refused"),
    "starters.client.invoices": ("InvoiceClient",),
    "starters.client.listing": ("ContractRow", "Listed"),
    "starters.client.names": ("MAX_LISTED",),
    "starters.client.parked": ("ParkedStep",),
    "starters.client.references": ("BadReference", "Entities"),
    "starters.client.starting": ("Started",),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Each part is imported once it is used: the command line needs few of them at a time."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
