"""What an org must have for us: objects and fields that the integration user sees.

Salesforce hides a field from whoever lacks the right to it as if it did not exist, and then refuses
a whole query that names it. So everything we read is asked for, Salesforce's own fields included.

Nothing is created: a field needs the right to change the org's metadata, which the user of an
integration should not have, and is invisible until a permission set names it. A person is told what
to create, with its type and place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from contracts.validation import Problem
from gateways.crm import terms
from gateways.crm.salesforce.api import FieldInfo
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.status import STATUS_LABELS
from gateways.fields import names

STATUS_LENGTH = 255
"""Characters of a text field; the most that Salesforce lets a query filter by."""

STATUS_FIELDS = {name: f"{name}__c" for name in STATUS_LABELS}
"""A status's texts and the fields of the opportunity that hold them."""

Described = Callable[[str], Mapping[str, FieldInfo] | None]
"""The fields of an object, as `SalesforceApi.fields` gives them."""

_TEXT_TYPES = frozenset(names("string textarea picklist combobox phone"))
_DATE_TYPES = frozenset(names("date datetime"))

_OWN = {
    "Opportunity": names("Id Name Amount CloseDate IsWon SystemModstamp AccountId OwnerId"),
    "Account": names("Id Name ParentId BillingStreet BillingCity BillingPostalCode BillingCountry"),
    "OpportunityLineItem": names("Id Description Product2Id ServiceDate SortOrder TotalPrice"),
    "OpportunityContactRole": names("Id ContactId IsPrimary Role"),
    "Contact": names("Email"),
    "Product2": names("Name ProductCode"),
    "User": names("Email"),
}
"""Salesforce's own fields that we read, in every org."""

_BY_FEATURE = {
    "QuoteLineItem": names("Id Description Product2Id QuoteId ServiceDate SortOrder TotalPrice"),
    "OpportunityLineItemSchedule": names(
        "Id Description OpportunityLineItemId Revenue ScheduleDate Type"
    ),
}
"""The same, where the org has switched the feature on and the user sees the object."""


class CustomField(NamedTuple):
    """A field that the firm adds. `kind` is what the set-up page calls its type."""

    object_type: str
    name: str
    label: str
    kind: str
    types: frozenset[str]
    is_written: bool = False

    def problem(self, found: FieldInfo | None) -> Problem | None:
        if found is None:
            code, value = "crm_property_missing", ""
        elif found.type not in self.types:
            code, value = "crm_property_wrong", found.type
        elif self.is_written and found.length < STATUS_LENGTH:
            code, value = "crm_property_wrong", f"{found.type} of {found.length}"
        elif self.is_written and not found.updateable:
            code, value = "crm_property_wrong", "read-only for the user"
        else:
            return None
        right = "edit" if self.is_written else "read"
        expected = (
            f"a custom field {self.label!r} of type {self.kind} on {self.object_type}, which the "
            f"integration user may {right} (by a permission set)"
        )
        return Problem(
            code=code, field=f"{self.object_type}.{self.name}", value=value, expected=expected
        )


def custom_fields(fields: FieldNames) -> list[CustomField]:
    """The fields of a firm's own that we read and write."""
    day, short = ("Date", _DATE_TYPES), ("Text(255)", _TEXT_TYPES)
    long = ("Long Text Area", _TEXT_TYPES)
    deal, account, line = "Opportunity", "Account", "OpportunityLineItem"
    written = [
        CustomField(deal, STATUS_FIELDS[name], label, *short, is_written=True)
        for name, label in STATUS_LABELS.items()
    ]
    read = [
        CustomField(deal, fields.signed_on, "Signed on", *day),
        CustomField(deal, fields.starts_on, "Contract starts on", *day),
        CustomField(deal, fields.ends_on, "Contract ends on", *day),
        CustomField(deal, fields.payment_term, "Payment term", *short),
        CustomField(deal, fields.purchase_order, "Customer's order number", *short),
        CustomField(deal, fields.terms, terms.LABEL, *long),
        CustomField(account, fields.vat_number, "VAT number", *short),
        CustomField(account, fields.country, "Country code", *short),
        CustomField(line, fields.milestones, "Milestones", *long),
        CustomField(line, fields.billing_frequency, "Billing frequency", *short),
    ]
    return [*written, *(item for item in read if item.name)]


def missing(fields: FieldNames, described: Described) -> list[Problem]:
    """What the org lacks, or the user does not see. An object is described once."""
    return list(_missing(custom_fields(fields), described))


def _missing(custom: list[CustomField], described: Described) -> Iterator[Problem]:
    for kind, own in (_OWN | _BY_FEATURE).items():
        there = described(kind)
        if there is not None:
            yield from _hidden(kind, own, there)
            for item in custom:
                if item.object_type == kind and (found := item.problem(there.get(item.name))):
                    yield found
        elif kind in _OWN:
            yield Problem(
                code="crm_property_missing",
                field=kind,
                expected=f"the right to read objects of type {kind}, for the integration user",
            )


def _hidden(kind: str, own: tuple[str, ...], there: Mapping[str, FieldInfo]) -> Iterator[Problem]:
    for name in own:
        if name not in there:
            yield Problem(
                code="crm_property_missing",
                field=f"{kind}.{name}",
                expected="the right to read this field of Salesforce's, for the integration user "
                "(by a permission set)",
            )
