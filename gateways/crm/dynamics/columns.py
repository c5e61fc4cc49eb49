"""The columns of Dynamics 365 that a deal is read from, where firms differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import StringConstraints

from gateways.settings import Section

OURS = "c2c_"
"""Columns of this prefix are created by the setup; all others are the firm's own."""

Column = Annotated[str, StringConstraints(pattern=r"^([a-z_][a-z0-9_]{0,99})?$")]
"""A column's logical name; "": the firm has none, and nothing is read."""

TEXT, DATE = ("String", "Memo"), ("DateTime",)
CHOICE = (*TEXT, "Picklist")


class Columns(Section):
    """`value` is the deal's worth without tax. `payment_term` may be a text or a choice. On an
    account `country` is an ISO code or the country's name; `milestones` is on the lines of deals
    and quotes."""

    value: Column = "totalamountlessfreight"
    terms: Column = "c2c_terms"
    starts_on: Column = "c2c_starts_on"
    ends_on: Column = "c2c_ends_on"
    payment_term: Column = "c2c_payment_term"
    purchase_order: Column = "c2c_purchase_order"
    country: Column = "address1_country"
    vat_number: Column = "c2c_vat_number"
    milestones: Column = "c2c_milestones"

    def used(self) -> Iterator[UsedColumn]:
        """Each that is read, with the types it may have."""
        amounts = ("Money", "Decimal")
        for table, name, label, types in (
            ("opportunity", self.value, "Value without tax", amounts),
            ("opportunity", self.terms, "Contract terms", ("Memo", "String")),
            ("opportunity", self.starts_on, "Contract starts on", DATE),
            ("opportunity", self.ends_on, "Contract ends on", DATE),
            ("opportunity", self.payment_term, "Payment term", CHOICE),
            ("opportunity", self.purchase_order, "Customer's order number", TEXT),
            ("account", self.country, "Country", CHOICE),
            ("account", self.vat_number, "VAT number", TEXT),
            ("opportunityproduct", self.milestones, "Milestones", ("Memo", "String")),
            ("quotedetail", self.milestones, "Milestones", ("Memo", "String")),
        ):
            if name:
                yield UsedColumn(table, name, label, types)


class UsedColumn(NamedTuple):
    """A column of a table. The first of its types is the one that the setup gives it."""

    table: str
    name: str
    label: str
    types: tuple[str, ...]
