"""What Dynamics 365 declares: its settings, how it is built, and what its webhooks mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from pydantic import ValidationError

from contracts.events import ForDeal
from contracts.problems import InvalidContract
from gateways.connectors import Surroundings
from gateways.crm.dynamics import CONNECTOR, HEADER, DynamicsSettings
from gateways.crm.dynamics.columns import Columns
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.dynamics.webhook import parse
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import NotVerified, SignedRequest

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DEAL = "6de09109-dcc6-4961-b8af-31049b1e099a"
REQUEST = "2f3d8b1c-0000-4000-8000-000000000001"
GIVEN: dict[str, Any] = {
    "legal_entity": "be",
    "closed_since": "2026-01-01",
    "url": "https://contoso.crm4.dynamics.com",
    "tenant": "contoso.onmicrosoft.com",
    "client_id": "11111111-2222-3333-4444-555555555555",
    "client_secret": "s3cr3t",
}
CONTEXT = {
    "PrimaryEntityName": "opportunity",
    "PrimaryEntityId": DEAL.upper(),
    "RequestId": REQUEST,
    "MessageName": "Update",
    "InputParameters": [{"key": "Target", "value": {"Attributes": []}}],
}


class Entity:
    """Of a legal entity, what a CRM is built from."""

    time_zone = "Europe/Brussels"


def received(payload: object) -> Received:
    body = json.dumps(payload).encode()
    return Received(source="dyn-be", legal_entity="be", headers={}, body=body, at=NOW)


def test_it_is_built_under_its_configured_name_and_sends_nothing_yet() -> None:
    settings = DynamicsSettings.model_validate(GIVEN)
    around = Surroundings(name="dyn-be", entity=cast(Any, Entity()), odoo=cast(Any, None))
    assert CONNECTOR.build is not None
    crm = CONNECTOR.build(settings, around)
    assert isinstance(crm, DynamicsCrm)
    assert crm.system == "dyn-be"
    crm.close()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "https://contoso.crm4.dynamics.com/main.aspx"}, "path"),
        ({"url": "contoso"}, "url"),
        ({"login_url": "https://login.microsoftonline.us/x"}, "path"),
        ({"tenant": "../other"}, "tenant"),
        ({"client_secret": None}, "client_secret"),
        ({"client_secret_file": "secret"}, "client_secret"),
        ({"columns": {"terms": "name,statecode"}}, "columns"),
        ({"columns": {"nope": "x"}}, "columns"),
        ({"calls_per_second": 0}, "calls_per_second"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DynamicsSettings.model_validate(GIVEN | changes)
    assert field in str(caught.value)
    assert "s3cr3t" not in str(caught.value.errors(include_input=False))


def test_the_secret_is_in_no_repr() -> None:
    assert "s3cr3t" not in repr(DynamicsSettings.model_validate(GIVEN))


def test_an_empty_column_is_not_used() -> None:
    used = {item.name for item in Columns(terms="", milestones="").used()}
    assert "c2c_terms" not in used
    assert "" not in used


# Webhooks


def test_a_change_of_a_deal_is_an_event_about_it() -> None:
    [event] = parse(received(CONTEXT))
    assert event.task == ForDeal(system="dyn-be", deal_id=DEAL, legal_entity="be")
    assert (event.key, event.kind) == (f"{REQUEST}-{DEAL}", "opportunity.Update")


def test_a_trimmed_request_says_as_much() -> None:
    trimmed = {key: value for key, value in CONTEXT.items() if key != "InputParameters"}
    [whole], [less] = parse(received(CONTEXT)), parse(received(trimmed))
    assert (whole.key, whole.task) == (less.key, less.task)


def test_a_change_of_another_table_is_no_event() -> None:
    assert parse(received(CONTEXT | {"PrimaryEntityName": "account"})) == []


@pytest.mark.parametrize(
    "payload",
    [
        [],
        CONTEXT | {"PrimaryEntityId": "x"},
        CONTEXT | {"PrimaryEntityId": "00000000-0000-0000-0000-000000000000"},
        CONTEXT | {"PrimaryEntityId": None},
        CONTEXT | {"RequestId": 7},
    ],
)
def test_what_dataverse_never_sends_is_refused(payload: object) -> None:
    with pytest.raises(InvalidContract):
        parse(received(payload))


def test_the_shared_header_proves_the_sender() -> None:
    webhook = CONNECTOR.webhook
    assert webhook is not None

    def verify(headers: dict[str, str]) -> None:
        request = SignedRequest("POST", "https://c2c.example/webhooks/dyn-be", headers, b"{}")
        webhook.verify(request, ["old", "n3w"], NOW)

    verify({HEADER: "old"})
    verify({HEADER: "n3w"})
    for headers in ({HEADER: "other"}, {HEADER: ""}, {}):
        with pytest.raises(NotVerified):
            verify(headers)
