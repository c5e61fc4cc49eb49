"""The webhooks of every connector that declares one: signed or not, nothing sent is a defect."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.connectors import Connector, Group, connector, kinds
from gateways.crm.dynamics import HEADER
from gateways.timesheets.clockify import SIGNATURE
from sandbox.clockify import ClockifyStore
from sandbox.docusign import DocuSignStore
from sandbox.gocardless import GoCardlessStore
from sandbox.stripe import StripeStore
from tests.unit.web.conftest import FakeTemporal
from tests.unit.web.signing import (
    SECRET,
    STANDARD_SECRET,
    b64,
    hubspot_headers,
    mac,
    standard_headers,
)
from tests.webhooks import SETTINGS, application_over, deal_changed, sender

BOUNDED = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
DECLARED: dict[str, Connector[Any, Any]] = {
    kind: declared
    for group in Group
    for kind in kinds(group)
    if (declared := connector(group, kind)).webhook is not None
}
BOUNDARY = "between-the-parts"
GUID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Sent:
    """A request as a sender would make it."""

    body: bytes
    headers: dict[str, str]
    query: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of sender: a payload that it sends, and how it sends a payload, signed."""

    payload: Callable[[], Any]
    signed: Callable[[bytes, datetime], Sent]
    secret: str = SECRET


def _milestone() -> Any:
    data = {"contract": "northwind/C-1", "milestone": "design"}
    return {"type": "milestone.reached", "timestamp": datetime.now(UTC).isoformat(), "data": data}


def _envelope() -> Any:
    store = DocuSignStore()
    envelope_id = store.send("hubspot/1")
    store.complete(envelope_id)
    message = json.loads(store.message(envelope_id))
    store.close()
    return message


def _signature_request() -> Any:
    kind = "signature_request_downloadable"
    event = {"event_time": "1767225600", "event_type": kind}
    return {"event": event, "signature_request": {"signature_request_id": "a" * 40}}


def _dropbox_sign(text: bytes, at: datetime) -> Sent:
    """The event in the form's field `json`, with its own hash where it is one."""
    try:
        payload = json.loads(text)
        event = payload["event"]
        event["event_hash"] = mac(
            SECRET, f"{event['event_time']}{event['event_type']}".encode()
        ).hex()
        text = json.dumps(payload).encode()
    except (ValueError, KeyError, TypeError):
        pass
    disposition = b'Content-Disposition: form-data; name="json"'
    mark = BOUNDARY.encode()
    body = b"--%s\r\n%s\r\n\r\n%s\r\n--%s--\r\n" % (mark, disposition, text, mark)
    return Sent(body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"})


def _stripe() -> Any:
    store = StripeStore()
    return store.event(store.charge(12100, "eur"))


def _stripe_signed(body: bytes, at: datetime) -> Sent:
    seconds = int(at.timestamp())
    digest = mac(SECRET, f"{seconds}.".encode() + body).hex()
    return Sent(body, {"stripe-signature": f"t={seconds},v1={digest}"})


def _gocardless() -> Any:
    store = GoCardlessStore()
    payment_id = store.charge(12100, "EUR")
    store.set_status(payment_id, "confirmed")
    return {"events": [store.event(payment_id)], "meta": {"webhook_id": "WB1"}}


def _odoo() -> Any:
    return {
        "_model": "account.move",
        "_id": 7,
        "payment_state": "paid",
        "write_date": "2026-05-04 10:00:00",
    }


def _clockify() -> Any:
    store = ClockifyStore()
    entry = store.log(store.add_person("Petra", "petra@northwind.example"), "8", "2026-10-05")
    return json.loads(store.webhook(store.approve(entry)))


def _dynamics() -> Any:
    changed = {"PrimaryEntityName": "opportunity", "PrimaryEntityId": GUID}
    return {**changed, "RequestId": GUID, "MessageName": "Update"}


KINDS = {
    "events": Kind(
        _milestone, lambda body, at: Sent(body, standard_headers(body, at)), STANDARD_SECRET
    ),
    "hubspot": Kind(
        lambda: [deal_changed("9001")],
        lambda body, at: Sent(body, hubspot_headers(body, at)),
    ),
    "dynamics": Kind(_dynamics, lambda body, at: Sent(body, {HEADER: SECRET})),
    "docusign": Kind(
        _envelope,
        lambda body, at: Sent(body, {"x-docusign-signature-1": b64(mac(SECRET, body))}),
    ),
    "dropbox-sign": Kind(_signature_request, _dropbox_sign),
    "clockify": Kind(_clockify, lambda body, at: Sent(body, {SIGNATURE: SECRET})),
    "stripe": Kind(_stripe, _stripe_signed),
    "gocardless": Kind(
        _gocardless, lambda body, at: Sent(body, {"webhook-signature": mac(SECRET, body).hex()})
    ),
    "odoo": Kind(_odoo, lambda body, at: Sent(body, {}, f"?secret={SECRET}")),
}

each_kind = pytest.mark.parametrize("kind", KINDS)


def gateway() -> FastAPI:
    many = SETTINGS.model_copy(update={"requests_per_minute": 1_000_000})
    senders = {
        kind: sender(kind, DECLARED[kind], known.secret, "northwind")
        for kind, known in KINDS.items()
    }
    return application_over(FakeTemporal(), many, senders)


APP = gateway()

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@functools.cache
def requests() -> st.SearchStrategy[schemathesis.Case[Any]]:
    """What the gateway's document says may be posted: read late, as that takes a second."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", APP)
    return schema["/webhooks/{sender}"]["POST"].as_strategy()


@functools.cache
def client() -> tuple[asyncio.Runner, httpx.AsyncClient]:
    """One for thousands of requests."""
    transport = httpx.ASGITransport(APP)
    return asyncio.Runner(), httpx.AsyncClient(transport=transport, base_url="http://gateway")


def post(kind: str, sent: Sent) -> httpx.Response:
    runner, http = client()
    address = f"/webhooks/{kind}{sent.query}"
    return runner.run(http.post(address, content=sent.body, headers=sent.headers))


def places(payload: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be put into a payload."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(payload, dict):
        inner = list(payload.items())
    elif isinstance(payload, list):
        inner = list(enumerate(payload))
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


def with_junk(payload: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = dict(payload) if isinstance(payload, dict) else list(payload)
    copy[path[0]] = with_junk(copy[path[0]], path[1:], junk)
    return copy


def check(kind: str, sent: Sent) -> None:
    """A signed request is taken, or refused with what is wrong with it."""
    webhook = DECLARED[kind].webhook
    assert webhook is not None
    answer = post(kind, sent)
    # The hash of Dropbox Sign is in the payload: where that is spoilt, it proves nothing.
    unproven = {webhook.unverified_status} if kind == "dropbox-sign" else set()
    assert answer.status_code in {200 if webhook.answer else 202, 422} | unproven, answer.text
    if answer.status_code == 422:
        assert answer.json()["problems"]
    elif webhook.answer and answer.status_code == 200:
        assert answer.text == webhook.answer


def test_every_declared_webhook_is_tried_here() -> None:
    assert set(DECLARED) == set(KINDS)


@each_kind
def test_what_a_sender_sends_is_taken(kind: str) -> None:
    known, webhook = KINDS[kind], DECLARED[kind].webhook
    assert webhook is not None
    temporal: FakeTemporal = APP.state.temporal
    before = len(temporal.kept)
    body = json.dumps(known.payload()).encode()
    answer = post(kind, known.signed(body, datetime.now(UTC)))
    assert answer.status_code == (200 if webhook.answer else 202), answer.text
    assert len(temporal.kept) == before + 1


@each_kind
@settings(BOUNDED, max_examples=120)
@given(data=st.data())
def test_a_payload_with_anything_in_any_place_is_taken_or_refused(
    kind: str, data: st.DataObject
) -> None:
    payload = KINDS[kind].payload()
    place = data.draw(st.sampled_from(places(payload)))
    body = json.dumps(with_junk(payload, place, data.draw(JUNK))).encode()
    check(kind, KINDS[kind].signed(body, datetime.now(UTC)))


@pytest.mark.parametrize(
    ("kind", "place"), [("hubspot", (0, "propertyName")), ("events", ("type",))]
)
@pytest.mark.parametrize("junk", [[], {}])
def test_what_cannot_be_hashed_is_compared_all_the_same(
    kind: str, place: tuple[Any, ...], junk: Any
) -> None:
    body = json.dumps(with_junk(KINDS[kind].payload(), place, junk)).encode()
    check(kind, KINDS[kind].signed(body, datetime.now(UTC)))


@each_kind
@BOUNDED
@given(body=st.binary(max_size=300) | JUNK.map(lambda value: json.dumps(value).encode()))
def test_any_signed_body_is_taken_or_refused(kind: str, body: bytes) -> None:
    check(kind, KINDS[kind].signed(body, datetime.now(UTC)))


@each_kind
@BOUNDED
@given(
    body=st.binary(max_size=300),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "content-type",
                "webhook-id",
                "webhook-timestamp",
                "webhook-signature",
                "x-hubspot-request-timestamp",
                "x-hubspot-signature-v3",
                "x-docusign-signature-1",
                "stripe-signature",
                HEADER,
            ]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
        | st.sampled_from(["multipart/form-data", "multipart/form-data; boundary=x", "1e400"])
        | st.binary(max_size=32).map(lambda digest: base64.b64encode(digest).decode()),
    ),
    query=st.sampled_from(["", "?secret=", "?secret=wrong", "?secret", "?%ff=%00&secret=%zz"]),
)
def test_what_proves_nothing_is_answered_alike_whatever_it_holds(
    kind: str, body: bytes, headers: dict[str, str], query: str
) -> None:
    webhook = DECLARED[kind].webhook
    assert webhook is not None
    answer = post(kind, Sent(body, headers, query))
    assert answer.status_code == webhook.unverified_status
    assert answer.json()["detail"] == "the signature is not right"


@BOUNDED
@given(data=st.data())
def test_generated_requests_are_taken_or_refused_when_they_are_signed(data: st.DataObject) -> None:
    case = data.draw(requests())
    body = json.dumps(case.body).encode() if isinstance(case.body, dict | list) else b"null"
    for kind, known in KINDS.items():  # to make a request takes longer than all its answers
        check(kind, known.signed(body, datetime.now(UTC)))
