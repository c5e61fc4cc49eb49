"""What the tests of Dynamics 365 share: deals as people make them, and a CRM over the stand-in."""

from __future__ import annotations

from datetime import date
from typing import Any

from gateways.crm.dynamics.api import DynamicsApi
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.dynamics.entra import EntraToken
from gateways.http import pooled_client
from gateways.secrets import Secret
from tests.standins.dynamics import CLIENT_ID, SECRET, TENANT, Organisation

ACME = {
    "name": "Acme NV",
    "address1_country": "BE",
    "address1_line1": "Rue Haute 1",
    "address1_city": "Brussels",
    "address1_postalcode": "1000",
    "c2c_vat_number": "BE0477472701",
    "primary": {"emailaddress1": "boss@acme.example"},
}
BUILD = {
    "product": "BUILD",
    "productdescription": "Build",
    "extendedamount": "12100",
    "tax": "2100",
    "lineitemnumber": 1,
    "c2c_milestones": "Design 40% 2026-03-01; Go-live 60% 2026-06-30",
}
TRAINING = {
    "product": "TRAINING",
    "productdescription": "Training",
    "extendedamount": "500.50",
    "lineitemnumber": 2,
}


def deal(organisation: Organisation, **changes: Any) -> str:
    return organisation.add_deal(
        **{
            "account": ACME,
            "lines": [TRAINING, BUILD],
            "owner": "sam@firm.example",
            **changes,
        }
    )


def connect(url: str, *, secret: Secret | None = None, **options: Any) -> DynamicsCrm:
    """A CRM whose own limit does not slow a test down."""
    token = EntraToken(
        pooled_client(url),
        TENANT,
        CLIENT_ID,
        secret or Secret.of(SECRET),
        scope=f"{url}/.default",
        system="dynamics",
    )
    api = DynamicsApi(pooled_client(url), token, system="dynamics", calls_per_second=10_000)
    return DynamicsCrm(api, **{"closed_since": date(2026, 1, 1), **options})
