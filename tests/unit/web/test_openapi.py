"""The gateway keeps to its OpenAPI document, whatever it is sent: schemathesis says what."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks

from contracts.problems import InvalidContract
from gateways.senders.events import events
from gateways.webhooks.received import Received
from tests.unit.web.conftest import FakeTemporal
from tests.unit.web.signing import standard_headers
from tests.webhooks import SENDERS, SETTINGS, application_over

BOUNDED = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def gateway() -> FastAPI:
    many = SETTINGS.model_copy(update={"requests_per_minute": 1_000_000})
    return application_over(FakeTemporal(), many)


APP = gateway()
schema = schemathesis.openapi.from_asgi("/openapi.json", APP)
load_all_checks()


@schema.parametrize()
@BOUNDED
def test_answers_are_as_the_document_says(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()


@schema.include(path_regex="^/webhooks").parametrize()
@BOUNDED
def test_signed_requests_are_answered_as_the_document_says(case: schemathesis.Case[Any]) -> None:
    case.path_parameters["sender"] = "tickets"
    body = json.dumps(case.body).encode() if isinstance(case.body, dict | list) else b"null"
    headers = standard_headers(body, datetime.now(UTC))

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.post("/webhooks/tickets", content=body, headers=headers)

    answer = asyncio.run(post())
    assert answer.status_code in {202, 422}, answer.text
    if answer.status_code == 422:
        assert answer.json()["problems"]


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_of_any_sender_is_a_defect(body: bytes) -> None:
    """Of whatever is signed, either events are made, or it is said what is wrong."""
    for sender in SENDERS.values():
        received = Received(sender.name, "northwind", {"webhook-id": "m"}, body, datetime.now(UTC))
        with contextlib.suppress(InvalidContract):
            found = sender.webhook.parse(received)
            assert all(event.sha256 == received.sha256 for event in found)


def test_what_the_published_schema_refuses_is_refused() -> None:
    import jsonschema_rs

    good = {
        "type": "service_credit.owed",
        "timestamp": "2026-05-04T10:00:00Z",
        "data": {
            "contract": "northwind/C-1",
            "retainer": "desk",
            "reference": "SLA-1",
            "amount": "100.00 EUR",
            "reason": "late",
        },
    }
    validator = jsonschema_rs.validator_for(events.schema("service_credit.owed"))
    assert validator.is_valid(good)
    assert accepted(good)
    for name, value in (
        ("contract", "a b"),
        ("retainer", ""),
        ("amount", "100 euros"),
        ("reason", ""),
        ("more", 1),
    ):
        wrong = {**good, "data": {**good["data"], name: value}}  # type: ignore[dict-item]
        assert not validator.is_valid(wrong), name
        assert not accepted(wrong), name


def accepted(event: object) -> bool:
    body = json.dumps(event).encode()
    received = Received("tickets", "", {"webhook-id": "m"}, body, datetime.now(UTC))
    try:
        return len(events.parse(received)) == 1
    except InvalidContract:
        return False
