"""The columns of Dynamics 365 that a deal is read from, where firms differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from gateways.settings import Section

OURS = "c2c_"
"""Columns of this prefix are created by the setup; all others are the firm's own."""

Column = Annotated[str, StringConstraints(pattern=r"^([a-z_][a-z0-9_]{0,99})?$")]
"""A column's logical name; "": the firm has none, and nothing is read."""

TEXT, DATE = ("String", "Memo"), ("DateTime",)
CHOICE = (*TEXT, "Picklist")
TERM = (*CHOICE, "Lookup")


class Columns(Section):
    """Columns by what is read from them."""

    value: Column = Field(
        "totalamountlessfreight", description="what the opportunity is worth without tax"
    )
    terms: Column = Field(
        "c2c_terms", description="a text with terms that lines cannot say, on the opportunity"
    )
    starts_on: Column = Field("c2c_starts_on", description="a date on the opportunity")
    ends_on: Column = Field("c2c_ends_on", description="a date on the opportunity")
    payment_term: Column = Field(
        "c2c_payment_term",
        description="a text, choice or lookup on the opportunity: a payment term's name in Odoo",
    )
    purchase_order: Column = Field(
        "c2c_purchase_order", description="the customer's order number, on the opportunity"
    )
    country: Column = Field(
        "address1_country", description="an ISO code on the account, as text or choice"
    )
    vat_number: Column = Field("c2c_vat_number", description="on the account")
    milestones: Column = Field(
        "c2c_milestones", description="a text on the lines of opportunities and of quotes"
    )

    def used(self) -> Iterator[UsedColumn]:
        """Each that is read, with the types it may have."""
        amounts = ("Money", "Decimal")
        for table, name, label, types in (
            ("opportunity", self.value, "Value without tax", amounts),
            ("opportunity", self.terms, "Contract terms", ("Memo", "String")),
            ("opportunity", self.starts_on, "Contract starts on", DATE),
            ("opportunity", self.ends_on, "Contract ends on", DATE),
            ("opportunity", self.payment_term, "Payment term", TERM),
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

    @property
    def attribute(self) -> str:
        """Its name in Dataverse's metadata; a row has a lookup under `_<name>_value`."""
        is_lookup = self.name.startswith("_") and self.name.endswith("_value")
        return self.name[1 : -len("_value")] if is_lookup else self.name
