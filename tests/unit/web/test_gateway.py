"""The gateway's door: who is let in, what is kept, and how each failure is answered."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from temporalio.service import RPCError, RPCStatusCode

from contracts.events import ForContract, ForDeal, ForOdoo, InboundEvent
from contracts.sweeps import Kind
from gateways.connectors import Webhook
from gateways.secrets import Secret
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import SignedRequest
from starters.web import serving
from starters.web.senders import Sender
from tests.unit.web.conftest import Door, opened
from tests.unit.web.signing import SECRET, hubspot_headers, standard_headers
from tests.webhooks import SETTINGS, deal_changed
from wiring.logs import formatter
from wiring.settings import ConfigurationError, WebSettings


def reached(**data: Any) -> bytes:
    event = {
        "type": "milestone.reached",
        "timestamp": datetime.now(UTC).isoformat(),
        "data": {"contract": "northwind/C-1001", "milestone": "design", **data},
    }
    return json.dumps(event).encode()


def signed(body: bytes, **more: Any) -> dict[str, str]:
    return standard_headers(body, datetime.now(UTC), **more)


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    return document


# --- events -------------------------------------------------------------------------------------


async def test_a_signed_event_is_kept_once_however_often_it_comes(gateway: Door) -> None:
    body = reached(on="2026-05-04")
    for new in (True, False, False):
        answer = await gateway.post("tickets", body, signed(body))
        assert answer.status_code == 202
        assert answer.json() == {"events": [{"id": "tickets/msg_1", "new": new}]}
    [(workflow_id, event)] = gateway.temporal.kept.items()
    assert workflow_id == "event/tickets/msg_1"
    assert event.kind == "milestone.reached"
    assert event.size == len(body)
    assert isinstance(event.task, ForContract)
    assert event.task.contract == "contract/northwind/C-1001"
    assert event.task.message["by"] == "tickets"
    assert event.task.message["on"] == "2026-05-04"


async def test_the_same_id_from_two_senders_is_two_events(gateway: Door) -> None:
    body = reached()
    await gateway.post("tickets", body, signed(body))
    await gateway.post("sla", body, signed(body))
    assert sorted(gateway.temporal.kept) == ["event/sla/msg_1", "event/tickets/msg_1"]


async def test_a_sender_of_one_legal_entity_names_its_contracts_shortly(gateway: Door) -> None:
    body = reached(contract="C-7")
    await gateway.post("sla", body, signed(body))
    [event] = gateway.temporal.kept.values()
    assert isinstance(event.task, ForContract)
    assert event.task.contract == "contract/northwind/C-7"


async def test_a_sender_of_one_legal_entity_reaches_no_other(gateway: Door) -> None:
    body = reached(contract="northwind-uk/C-7")
    document = problem(await gateway.post("sla", body, signed(body)), 422)
    assert document["problems"][0]["field"] == "data.contract"
    assert gateway.temporal.kept == {}


async def test_every_problem_of_a_payload_is_named_at_once(gateway: Door) -> None:
    event = {
        "type": "usage.recorded",
        "data": {
            "contract": "not a contract",
            "records": [{"id": "u1", "plan": "api", "on": "tomorrow", "quantity": "-1"}],
            "colour": "red",
        },
    }
    body = json.dumps(event).encode()
    document = problem(await gateway.post("tickets", body, signed(body)), 422)
    fields = {item["field"] for item in document["problems"]}
    assert fields == {
        "timestamp",
        "data.contract",
        "data.records.0.on",
        "data.records.0.quantity",
        "data.colour",
    }
    assert gateway.temporal.kept == {}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"type": "x"}', b"[" * 100_000, b"NaN"]
)
async def test_a_signed_body_that_is_no_event_is_a_problem_and_no_defect(
    gateway: Door, body: bytes
) -> None:
    problem(await gateway.post("tickets", body, signed(body)), 422)


async def test_an_event_of_the_future_is_refused(gateway: Door) -> None:
    event = json.loads(reached()) | {"timestamp": "2999-01-01T00:00:00Z"}
    body = json.dumps(event).encode()
    document = problem(await gateway.post("tickets", body, signed(body)), 422)
    assert [item["field"] for item in document["problems"]] == ["timestamp"]


async def test_numbers_keep_every_digit(gateway: Door) -> None:
    event = {
        "type": "usage.recorded",
        "timestamp": "2026-05-04T10:00:00Z",
        "data": {
            "contract": "northwind/C-1",
            "records": [{"id": "u1", "plan": "api", "on": "2026-05-04", "quantity": 0.1}],
        },
    }
    body = json.dumps(event).encode()
    answer = await gateway.post("tickets", body, signed(body))
    assert answer.status_code == 202, answer.text
    [kept] = gateway.temporal.kept.values()
    assert isinstance(kept.task, ForContract)
    assert kept.task.message["records"][0]["quantity"] == "0.1"


async def test_an_id_that_fits_no_workflow_is_replaced_by_its_digest(gateway: Door) -> None:
    body, odd = reached(), "a b/" + "c" * 500
    first = await gateway.post("tickets", body, signed(body, id=odd))
    again = await gateway.post("tickets", body, signed(body, id=odd))
    [kept] = gateway.temporal.kept
    assert len(kept) < 100
    assert (first.json()["events"][0]["new"], again.json()["events"][0]["new"]) == (True, False)


async def test_a_form_reaches_the_connector_as_it_came_and_is_answered_with_its_text() -> None:
    seen: list[tuple[bytes, str]] = []

    def verify(request: SignedRequest, secrets: Sequence[str], now: datetime) -> None:
        seen.append((request.body, request.header("content-type")))

    def parse(received: Received) -> list[InboundEvent]:
        seen.append((received.body, received.headers["content-type"]))
        return []

    webhook = Webhook(verify, parse, deadline_seconds=1, answer="Hello API Event Received")
    secrets = (Secret.of(SECRET),)
    forms = Sender("forms", "esign.forms", "forms", "forms", webhook, secrets, "northwind")
    form = b'--edge\r\nContent-Disposition: form-data; name="json"\r\n\r\n{}\r\n--edge--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    async with opened(SETTINGS, {"forms": forms}) as gateway:
        answer = await gateway.post("forms", form, headers)
    assert (answer.status_code, answer.text) == (200, "Hello API Event Received")
    assert answer.headers["content-type"].startswith("text/plain")
    assert seen == [(form, headers["content-type"])] * 2


# --- hubspot, odoo ------------------------------------------------------------------------------


async def test_each_deal_of_a_request_is_an_event_and_our_own_writes_are_none(
    gateway: Door,
) -> None:
    changes = [
        deal_changed("9001"),
        deal_changed("9002", 2),
        deal_changed("9001", 3, propertyName="c2c_stage"),
        deal_changed("9001", 4, subscriptionType="contact.creation", propertyName=None),
    ]
    body = json.dumps(changes).encode()
    headers = hubspot_headers(body, datetime.now(UTC))
    answer = await gateway.post("hubspot", body, headers)
    assert answer.status_code == 202, answer.text
    tasks = [event.task for event in gateway.temporal.kept.values()]
    assert tasks == [
        ForDeal(system="hubspot", deal_id="9001", legal_entity="northwind"),
        ForDeal(system="hubspot", deal_id="9002", legal_entity="northwind"),
    ]
    again = await gateway.post("hubspot", body, headers)
    assert [item["new"] for item in again.json()["events"]] == [False, False]


async def test_a_deal_that_is_tied_to_another_record_is_a_hint_too(gateway: Door) -> None:
    tied = deal_changed("9001", subscriptionType="deal.associationChange", toObjectId=5)
    tied["fromObjectId"] = tied.pop("objectId")
    answer = await gateway.deals(tied)
    assert answer.status_code == 202, answer.text
    [event] = gateway.temporal.kept.values()
    assert event.task == ForDeal(system="hubspot", deal_id="9001", legal_entity="northwind")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [1],
        [{**deal_changed("1"), "objectId": "x"}],
        [deal_changed("1", n) for n in range(101)],
        [deal_changed("1", eventId=None)],
    ],
)
async def test_what_cannot_come_from_hubspot_is_refused(gateway: Door, payload: Any) -> None:
    body = json.dumps(payload).encode()
    answer = await gateway.post("hubspot", body, hubspot_headers(body, datetime.now(UTC)))
    problem(answer, 422)


async def test_odoo_is_known_by_the_secret_in_the_address(gateway: Door) -> None:
    body = json.dumps({"_model": "account.move", "_id": 7, "payment_state": "paid"}).encode()
    answer = await gateway.http.post(f"/webhooks/odoo?secret={SECRET}", content=body)
    assert answer.status_code == 202, answer.text
    [event] = gateway.temporal.kept.values()
    assert event.task == ForOdoo(kind=Kind.INVOICES, id=7)
    for wrong in ("", "?secret=", "?secret=wrong", f"?key={SECRET}"):
        problem(await gateway.http.post(f"/webhooks/odoo{wrong}", content=body), 401)


@pytest.mark.parametrize(
    "payload", [[], {}, {"_model": "res.users", "_id": 1}, {"_model": "account.move", "_id": True}]
)
async def test_what_cannot_come_from_odoo_is_refused(gateway: Door, payload: Any) -> None:
    answer = await gateway.http.post(f"/webhooks/odoo?secret={SECRET}", json=payload)
    problem(answer, 422)


# --- who is not let in --------------------------------------------------------------------------


async def test_every_failure_of_verification_has_the_same_answer(gateway: Door) -> None:
    body = reached()
    good, old = signed(body), standard_headers(body, datetime.now(UTC) - timedelta(hours=1))
    new = standard_headers(body, datetime.now(UTC) + timedelta(hours=1))
    wrong = {**good, "webhook-signature": "v1,AAAA"}
    broken = {**good, "webhook-timestamp": "soon"}
    answers = [
        await gateway.post("tickets", body, headers)
        for headers in ({}, old, new, wrong, broken, {**good, "webhook-id": "msg_2"})
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert gateway.temporal.kept == {}


async def test_what_is_not_there_is_a_problem_too(gateway: Door) -> None:
    problem(await gateway.http.post("/webhooks/nobody", content=b"{}"), 404)
    problem(await gateway.http.get("/nowhere"), 404)
    problem(await gateway.http.get("/webhooks/tickets"), 405)


# --- limits -------------------------------------------------------------------------------------


async def test_a_body_is_counted_whatever_it_says_of_its_length(gateway: Door) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_000

    chunked = await gateway.http.post("/webhooks/tickets", content=parts())
    problem(chunked, 413)
    assert chunked.request.headers["transfer-encoding"] == "chunked"
    problem(await gateway.http.post("/webhooks/tickets", content=b"x" * 200_001), 413)
    lying = {"content-length": "9" * 30}
    problem(await gateway.http.post("/webhooks/tickets", content=b"x", headers=lying), 413)


async def test_one_address_is_limited_and_says_when_to_come_back() -> None:
    async with opened(SETTINGS.model_copy(update={"requests_per_minute": 3})) as gateway:
        body = reached()
        answers = [await gateway.post("tickets", body, signed(body)) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        problem(answers[-1], 429)
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        body = reached()
        assert (await gateway.post("sla", body, signed(body))).status_code == 202


# --- Temporal away ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        RPCError("down", RPCStatusCode.UNAVAILABLE, b""),
        RuntimeError("Failed client connect"),
        TimeoutError(),
    ],
)
async def test_without_temporal_the_sender_is_asked_to_repeat(
    gateway: Door, failure: Exception
) -> None:
    gateway.temporal.failure = failure
    body = reached()
    answer = await gateway.post("tickets", body, signed(body))
    problem(answer, 503)
    assert answer.headers["retry-after"] == "30"
    gateway.temporal.failure = None
    again = await gateway.post("tickets", body, signed(body))
    assert again.json()["events"] == [{"id": "tickets/msg_1", "new": True}]


async def test_a_slow_temporal_is_not_waited_for_beyond_the_senders_deadline(
    gateway: Door,
) -> None:
    gateway.temporal.delay_seconds = 5
    began = time.monotonic()
    payload = {"_model": "account.move", "_id": 7}
    answer = await gateway.http.post(f"/webhooks/odoo?secret={SECRET}", json=payload)
    problem(answer, 503)
    assert time.monotonic() - began < 1  # Odoo waits no longer, nor does whoever saved the record


async def test_health_is_ours_and_readiness_is_temporals(gateway: Door) -> None:
    assert (await gateway.http.get("/ready")).json() == {"status": "ok"}
    gateway.temporal.is_healthy = False
    problem(await gateway.http.get("/ready"), 503)
    gateway.temporal.failure = RPCError("down", RPCStatusCode.UNAVAILABLE, b"")
    problem(await gateway.http.get("/ready"), 503)
    assert (await gateway.http.get("/health")).status_code == 200


# --- what is shown, and what is not ---------------------------------------------------------------


async def test_a_defect_is_a_problem_without_a_word_about_our_insides(gateway: Door) -> None:
    gateway.temporal.failure = KeyError("a secret thing")
    body = reached()
    answer = await gateway.post("tickets", body, signed(body))
    document = problem(answer, 500)
    assert "secret" not in json.dumps(document)
    assert "Traceback" not in answer.text


async def test_answers_carry_the_security_headers(gateway: Door) -> None:
    answers = [await gateway.http.get("/health"), await gateway.http.get("/nowhere")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "strict-transport-security" not in answer.headers
    async with opened(SETTINGS.model_copy(update={"tls_in_front": True})) as behind_tls:
        answer = await behind_tls.http.get("/health")
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_the_log_says_what_happened_and_holds_no_secret(
    gateway: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "c2c.web")
    await gateway.http.post(f"/webhooks/odoo?secret={SECRET}", json={"_model": "account.move"})
    body = reached()
    headers = signed(body)
    await gateway.post("tickets", body, headers)
    as_json = formatter(redacts=True, as_json=True)
    lines = [json.loads(as_json.format(record)) for record in caplog.records]
    ours = [line for line in lines if line["logger"] == "c2c.web"]
    assert [(line["sender"], line["status"]) for line in ours] == [("odoo", 422), ("tickets", 202)]
    assert ours[0]["route"] == "/webhooks/{sender}"
    assert ours[1]["new"] == 1
    text = json.dumps(lines)
    assert SECRET not in text
    assert headers["webhook-signature"] not in text


async def test_the_schemas_are_published(gateway: Door) -> None:
    whole = (await gateway.http.get("/schemas")).json()
    assert set(whole["discriminator"]["mapping"]) == {
        "milestone.reached",
        "milestone.unreached",
        "usage.recorded",
        "service_credit.owed",
    }
    one = (await gateway.http.get("/schemas/milestone.reached")).json()
    assert one["properties"]["type"]["const"] == "milestone.reached"
    problem(await gateway.http.get("/schemas/unknown"), 404)


# --- where it listens -----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "c2c.example"])  # noqa: S104
def test_beyond_this_machine_tls_in_front_has_to_be_said(host: str) -> None:
    with pytest.raises(ConfigurationError, match="tls_in_front"):
        serving.check_address(WebSettings(host=host))
    serving.check_address(WebSettings(host=host, tls_in_front=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_it_may_listen_as_it_is(host: str) -> None:
    serving.check_address(WebSettings(host=host))
