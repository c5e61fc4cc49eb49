"""An org of the stand-in with our fields, deals in it, and connectors to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from joserfc.jwk import RSAKey

from contracts.policy import LegalEntity
from gateways.connectors import Surroundings
from gateways.crm.salesforce import CONNECTOR
from gateways.crm.salesforce.crm import SalesforceCrm
from gateways.crm.salesforce.ids import whole_id
from gateways.crm.salesforce.settings import FieldNames, SalesforceSettings
from gateways.crm.salesforce.setup import custom_fields
from gateways.odoo import OdooClient
from sandbox.accounts import add_fields
from sandbox.salesforce import ExternalClientApp, Features, SalesforceOrg, salesforce_app
from tests.standins.recorder import Recorded, Recorder

SYSTEM = "salesforce-emea"
MISSING = whole_id("006Hs00000ZZZZZ")
"""The id of no opportunity."""
KEY = RSAKey.generate_key(2048)
PRIVATE_PEM = KEY.as_pem(private=True).decode()
PUBLIC_PEM = KEY.as_pem(private=False).decode()

ACME = {
    "Name": "Acme NV",
    "BillingCountryCode": "BE",
    "BillingCountry": "Belgium",
    "c2c_vat_number__c": "BE0477472701",
    "BillingStreet": "Rue Haute 1\nBus 2",
    "BillingCity": "Brussels",
    "BillingPostalCode": "1000",
}
BUILD = {
    "name": "Build",
    "code": "BUILD",
    "Quantity": "2",
    "UnitPrice": "5000",
    "SortOrder": 1,
    "c2c_milestones__c": "Design 40% 2026-03-01; Go-live 60% 2026-06-30",
}
TRAINING = {"name": "Training", "code": "TRAINING", "UnitPrice": "500.50", "SortOrder": 2}


def new_org(*, features: Features | None = None, path: str = ":memory:") -> SalesforceOrg:
    """An org with our fields; its clock is a second further at each look."""
    moments = (datetime(2026, 1, 10, tzinfo=UTC) + timedelta(seconds=n) for n in range(1_000_000))
    org = SalesforceOrg(path, now=lambda: next(moments), features=features)
    add_fields(org, custom_fields(FieldNames(billing_frequency="c2c_billing_frequency__c")))
    return org


def new_app() -> ExternalClientApp:
    return ExternalClientApp(public_key=PUBLIC_PEM)


@dataclass
class Connected:
    """An org that is served, and what arrives there."""

    org: SalesforceOrg
    client: ExternalClientApp
    recorder: Recorder
    url: str

    def crm(self, **changes: Any) -> SalesforceCrm:
        """A connector made of settings, as the product makes it."""
        return crm_at(self.url, **changes)

    @property
    def calls(self) -> list[Recorded]:
        """The requests beside those to sign in."""
        return [item for item in self.recorder.requests if "oauth2" not in item.path]

    @property
    def soql(self) -> list[str]:
        """The queries that arrived."""
        return [dict(item.query)["q"] for item in self.calls if item.path.endswith("/query")]


def recorded(org: SalesforceOrg, client: ExternalClientApp) -> Recorder:
    return Recorder(salesforce_app(org, client))


def crm_at(url: str, **changes: Any) -> SalesforceCrm:
    settings = {
        "legal_entity": "be",
        "closed_since": date(2026, 1, 1),
        "url": url,
        "consumer_key": "3MVG9.consumer",
        "consumer_secret": "secret",
        **changes,
    }
    if settings.get("private_key"):
        settings.pop("consumer_secret")
    zone = settings.pop("time_zone", "Europe/Brussels")
    entity = cast(LegalEntity, SimpleNamespace(time_zone=zone))  # all that is asked of it
    around = Surroundings(name=SYSTEM, entity=entity, odoo=cast(OdooClient, None))
    assert CONNECTOR.build
    crm = CONNECTOR.build(SalesforceSettings.model_validate(settings), around)
    assert isinstance(crm, SalesforceCrm)
    return crm


def deal(org: SalesforceOrg, **changes: Any) -> str:
    return org.add_deal(
        **{
            "name": "Website",
            "amount": "10500.50",
            "closed_on": "2026-01-10",
            "account": ACME,
            "contacts": [{"Email": "boss@acme.example"}],
            "products": [TRAINING, BUILD],
            "owner_email": "sam@firm.example",
            **changes,
        }
    )
