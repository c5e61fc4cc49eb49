"""Talk to contracts and invoices from Python.

    c2c = C2C(await wiring.client.connect())
    contract = c2c.contract("northwind/C-1001")
    await contract.reach_milestone("design", by="pia@northwind.example")
    await contract.invoice(1).approve(by="ana@northwind.example")

`C2C` finds and lists, `ContractClient` and `InvoiceClient` speak to one workflow; every message
that people send has one method there. The command line is a layer over this package.
"""

from contracts.problems import InvalidContract
from starters.client.approvals import Awaiting, Found, Outcome
from starters.client.auditing import Audit
from starters.client.c2c import C2C, ParkedStep
from starters.client.changing import ChangePreview
from starters.client.contracts import ContractClient
from starters.client.errors import NoAnswer, NotFound, Refused
from starters.client.invoices import InvoiceClient
from starters.client.listing import MAX_LISTED, ContractRow, InvoiceRow
from starters.client.references import BadReference, Entities
from starters.client.starting import Started

__all__ = [
    "C2C",
    "MAX_LISTED",
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
    "Refused",
    "Started",
]
