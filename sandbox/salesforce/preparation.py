"""What a firm's administrator prepares in its org: the fields that `c2c check` asks for."""

from __future__ import annotations

from collections.abc import Iterable

from gateways.crm.salesforce.setup import CustomField
from sandbox.salesforce.org import SalesforceOrg

_TYPES = {"Date": "date", "Long Text Area": "textarea"}


def add_fields(org: SalesforceOrg, fields: Iterable[CustomField]) -> None:
    """Create the fields as they are described; those of Salesforce's own are there."""
    for item in fields:
        if item.name.endswith("__c"):
            kind = _TYPES.get(item.kind, "string")
            length = 32_768 if kind == "textarea" else 255
            org.define(item.object_type, item.name, kind, item.label, length)
