"""Prepares the accounts at the stand-ins, as a firm prepares its own at the vendors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from contracts.problems import Problem
from gateways.connectors import Preparable
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.salesforce.setup import CustomField, custom_fields
from sandbox.salesforce import SalesforceOrg
from sandbox.server import Sandbox
from wiring import remotes
from wiring.settings import Settings

_TYPES = {"Date": "date", "Long Text Area": "textarea"}


def prepare(settings: Settings, sandbox: Sandbox) -> list[Problem]:
    """Create what the configured accounts lack, as `c2c setup --connectors` and, in Salesforce, an
    administrator do. Returns what is left for a person."""
    add_fields(sandbox.salesforce, custom_fields(FieldNames()))
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        connectors: list[Preparable] = [
            connector
            for group in remotes.BUILT
            for connector in remotes.built(settings, group, odoo).values()
        ]
        return [problem for connector in connectors for problem in connector.ensure_setup()]


def add_fields(org: SalesforceOrg, fields: Iterable[CustomField]) -> None:
    """Create fields as they are described; those of Salesforce's own are there."""
    for item in fields:
        if item.name.endswith("__c"):
            kind = _TYPES.get(item.kind, "string")
            length = 32_768 if kind == "textarea" else 255
            org.define(item.object_type, item.name, kind, item.label, length)
