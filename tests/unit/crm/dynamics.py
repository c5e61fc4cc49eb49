"""What the tests of Dynamics 365 share: deals as people make them, and a CRM over the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.crm import ContractStatus, WonDeal
from contracts.model import JsonObject
from gateways.crm.dynamics.api import DynamicsApi
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.dynamics.entra import EntraToken
from gateways.errors import GatewayError
from gateways.http import pooled_client
from gateways.secrets import Secret
from tests.standins.dynamics import CLIENT_ID, SECRET, TENANT, Organisation

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
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


def complete(contract_data: JsonObject) -> JsonObject:
    return {"contract_id": "C-1", "legal_entity": "be", **contract_data}


def status(deal_id: str, **values: Any) -> ContractStatus:
    return ContractStatus(deal_id=deal_id, **{"stage": "billing", **values})


def refusal(call: Callable[[], object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value


def all_won(crm: DynamicsCrm, since: datetime = SINCE) -> list[WonDeal]:
    """The deals of all pages."""
    page = crm.won_deals(since)
    found = list(page.deals)
    while page.next:
        page = crm.won_deals(since, page.next)
        found += page.deals
    return found
