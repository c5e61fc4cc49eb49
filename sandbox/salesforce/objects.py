"""What an org's objects look like: their fields, and how they refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.salesforce.errors import Json, SalesforceError

WON_STAGE = "Closed Won"


@dataclass(frozen=True)
class Features:
    """What an org has switched on; without it the fields are not there."""

    currencies: bool = True
    country_codes: bool = True
    quotes: bool = True
    schedules: bool = True


@dataclass(frozen=True)
class Field:
    """A field. `refers_to` is the object of a reference, whose record is read by `relationship`."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    updateable: bool = True
    refers_to: str = ""

    @property
    def relationship(self) -> str:
        return self.name.removesuffix("Id") if self.refers_to else ""

    @property
    def filterable(self) -> bool:
        return self.type != "textarea"

    def described(self) -> Json:
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "length": self.length,
            "updateable": self.updateable,
            "createable": self.updateable,
            "filterable": self.filterable,
            "custom": self.name.endswith("__c"),
            "referenceTo": [self.refers_to] if self.refers_to else [],
            "relationshipName": self.relationship or None,
        }


PREFIXES = {
    "Opportunity": "006",
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Product2": "01t",
    "OpportunityLineItem": "00k",
    "OpportunityContactRole": "00K",
    "Quote": "0Q0",
    "QuoteLineItem": "0QL",
    "OpportunityLineItemSchedule": "00o",
}
"""The first three characters of an object's ids."""

# Written as `name:type`, or `name>object` for a reference. A minus: the user cannot set it.
_OBJECTS = {
    "Opportunity": """Name:string Amount:currency CloseDate:date StageName:picklist -IsWon:boolean
        -IsClosed:boolean AccountId>Account OwnerId>User CurrencyIsoCode:picklist
        SyncedQuoteId>Quote""",
    "Account": """Name:string ParentId>Account BillingStreet:textarea BillingCity:string
        BillingPostalCode:string BillingCountry:string BillingCountryCode:picklist""",
    "Contact": "FirstName:string LastName:string Email:email AccountId>Account",
    "User": "Name:string Email:email",
    "Product2": "Name:string ProductCode:string",
    "OpportunityLineItem": """OpportunityId>Opportunity Product2Id>Product2 Description:string
        Quantity:double UnitPrice:currency Discount:percent TotalPrice:currency ServiceDate:date
        SortOrder:int -HasSchedule:boolean""",
    "OpportunityContactRole": """OpportunityId>Opportunity ContactId>Contact Role:picklist
        IsPrimary:boolean""",
    "Quote": "Name:string OpportunityId>Opportunity",
    "QuoteLineItem": """QuoteId>Quote OpportunityLineItemId>OpportunityLineItem Product2Id>Product2
        Description:string Quantity:double UnitPrice:currency Discount:percent TotalPrice:currency
        ServiceDate:date SortOrder:int""",
    "OpportunityLineItemSchedule": """OpportunityLineItemId>OpportunityLineItem Type:picklist
        Description:string Revenue:currency ScheduleDate:date""",
}
_OF_EVERY = """-Id:id -IsDeleted:boolean -CreatedDate:datetime -LastModifiedDate:datetime
    -SystemModstamp:datetime"""

CHILDREN = {
    ("Opportunity", "OpportunityLineItems"): ("OpportunityLineItem", "OpportunityId"),
    ("Opportunity", "OpportunityContactRoles"): ("OpportunityContactRole", "OpportunityId"),
    ("Opportunity", "Quotes"): ("Quote", "OpportunityId"),
    ("Quote", "QuoteLineItems"): ("QuoteLineItem", "QuoteId"),
}
"""A parent's relationship to its children: their object, and the reference by which they belong."""


class Catalogue:
    """An org's objects, as the integration user sees them."""

    def __init__(self, features: Features) -> None:
        self._objects = _standard_objects(features)

    def fields(self, kind: str) -> Mapping[str, Field]:
        """The fields of an object. Raises SalesforceError where the user sees no such object."""
        if kind not in self._objects:
            text = f"sObject type '{kind}' is not supported."
            raise SalesforceError(400, "INVALID_TYPE", text)
        return self._objects[kind]

    def described(self, kind: str) -> Json:
        fields = self.fields(kind).values()
        return {"name": kind, "queryable": True, "fields": [field.described() for field in fields]}

    def place(self, kind: str, field: Field) -> None:
        self._objects[kind][field.name] = field

    def hide(self, kind: str, name: str = "") -> None:
        """Take a field, or the whole object, from the user's sight: as if it did not exist."""
        if name:
            self._objects[kind].pop(name, None)
        else:
            self._objects.pop(kind, None)

    def make_read_only(self, kind: str, name: str) -> None:
        self.place(kind, replace(self._objects[kind][name], updateable=False))

    def check_columns(self, kind: str, names: Iterable[str]) -> None:
        """Raise SalesforceError for a field that is not there: it refuses a whole call."""
        known = self.fields(kind)
        for name in names:
            if name not in known:
                text = f"No such column '{name}' on sobject of type {kind}"
                raise SalesforceError(400, "INVALID_FIELD", text)

    def check_writable(self, kind: str, values: Mapping[str, Any]) -> None:
        known = self.fields(kind)
        barred = [name for name in values if not known[name].updateable]
        if barred:
            text = (
                f"Unable to create/update fields: {', '.join(barred)}. Please check the security "
                "settings of this field and verify that it is read/write for your profile or "
                "permission set."
            )
            raise SalesforceError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", text, barred)
        for name, value in values.items():
            field = known[name]
            if field.type == "string" and len(str(value or "")) > field.length:
                text = f"{field.label}: data value too large (max length={field.length})"
                raise SalesforceError(400, "STRING_TOO_LONG", text, [name])


def _standard_objects(features: Features) -> dict[str, dict[str, Field]]:
    """An org's objects with Salesforce's own fields."""
    objects = {
        kind: {field.name: field for field in _fields(f"{_OF_EVERY} {text}")}
        for kind, text in _OBJECTS.items()
    }
    if not features.currencies:
        del objects["Opportunity"]["CurrencyIsoCode"]
    if not features.country_codes:
        del objects["Account"]["BillingCountryCode"]
    if not features.quotes:
        del objects["Opportunity"]["SyncedQuoteId"], objects["Quote"], objects["QuoteLineItem"]
    if not features.schedules:
        del objects["OpportunityLineItem"]["HasSchedule"], objects["OpportunityLineItemSchedule"]
    return objects


def _fields(text: str) -> Iterator[Field]:
    for word in text.split():
        updateable, word = not word.startswith("-"), word.lstrip("-")
        name, _, refers_to = word.partition(">")
        name, _, type_ = name.partition(":")
        yield Field(
            name=name,
            type="reference" if refers_to else type_,
            length=255 if type_ in ("string", "textarea", "picklist") else 18,
            updateable=updateable,
            refers_to=refers_to,
        )
