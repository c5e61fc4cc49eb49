"""Dropbox Sign: our gateway against the stand-in, the stand-in against Dropbox Sign's own client,
and our requests against those that it sends. None of it has met a live account."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
import respx
from pydantic import SecretStr

from contracts.events import ForEnvelope
from contracts.model import Source
from contracts.problems import InvalidContract
from contracts.signatures import EnvelopeStatus
from gateways.errors import FailureKind, GatewayError
from gateways.esign.dropbox_sign import CONNECTOR, DropboxSignSettings
from gateways.esign.dropbox_sign.api import DropboxSignApi
from gateways.esign.dropbox_sign.esign import OPEN_FOR, DropboxSign
from gateways.esign.dropbox_sign.webhook import parse, verify
from gateways.esign.envelopes import MAX_DOCUMENT_BYTES
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import NotVerified, SignedRequest
from sandbox.conformance.serving import served
from sandbox.dropbox_sign import DropboxSignStore, dropbox_sign_app, form
from tests.unit.test_docusign import Recorder

DEAL = "hubspot/9001"
KEY = "api_key_1"


class Clock:
    """The present, and later: a minute at each look."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


@pytest.fixture
def store() -> DropboxSignStore:
    return DropboxSignStore(KEY, now=Clock())


@pytest.fixture
def recorder(store: DropboxSignStore) -> Recorder:
    return Recorder(dropbox_sign_app(store))


@pytest.fixture
def url(recorder: Recorder) -> Iterator[str]:
    with served(recorder) as address:
        yield address


def gateway(url: str, key: str = KEY, *, counts_tests: bool = False) -> DropboxSign:
    http = pooled_client(url, max_body_bytes=MAX_DOCUMENT_BYTES)
    api = DropboxSignApi(http, Secret.of(key), system="dropbox-sign", calls_per_second=1_000)
    return DropboxSign(api, system="dropbox-sign", counts_tests=counts_tests)


def refused(esign: DropboxSign, request_id: str = "x") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        esign.read_envelope(request_id)
    return caught.value


# --- signature requests ---------------------------------------------------------------------------


def test_a_signed_request_says_who_signed_which_deal_when(
    store: DropboxSignStore, url: str
) -> None:
    people = [("Ada", "ada@client.example"), ("Bo", "bo@client.example")]
    request_id, esign = store.send(DEAL, signers=people), gateway(url)
    assert esign.read_envelope(request_id).status is EnvelopeStatus.SENT
    store.sign(request_id)
    found = esign.read_envelope(request_id)
    assert found.status is EnvelopeStatus.COMPLETED
    assert found.deal == Source(system="hubspot", id="9001")
    assert found.signers == ("Ada <ada@client.example>", "Bo <bo@client.example>")
    assert found.completed_at == found.changed_at == store.now() - timedelta(minutes=1)


def test_a_request_in_test_mode_binds_nobody_and_signs_no_deal(
    store: DropboxSignStore, url: str
) -> None:
    request_id = store.send(DEAL, is_test=True)
    store.sign(request_id)
    assert gateway(url).read_envelope(request_id).deal is None
    trial = gateway(url, counts_tests=True).read_envelope(request_id)
    assert trial.deal == Source(system="hubspot", id="9001")


def test_a_declined_and_an_expired_request(store: DropboxSignStore, url: str) -> None:
    declined, expired = store.send(DEAL), store.send(DEAL)
    store.decline(declined, "too expensive")
    store.expire(expired)
    esign = gateway(url)
    found = [esign.read_envelope(item) for item in (declined, expired)]
    assert [(item.status, item.reason, item.completed_at) for item in found] == [
        (EnvelopeStatus.DECLINED, "too expensive", None),
        (EnvelopeStatus.VOIDED, "", None),
    ]


def test_a_request_that_was_cancelled_is_gone(store: DropboxSignStore, url: str) -> None:
    request_id = store.send(DEAL)
    store.cancel(request_id)
    error = refused(gateway(url), request_id)
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "envelope_not_found")


def test_the_document_is_waited_for_while_it_is_made(store: DropboxSignStore, url: str) -> None:
    request_id, esign = store.send(DEAL), gateway(url)
    store.sign(request_id)
    store.preparing.add(request_id)
    with pytest.raises(GatewayError) as caught:
        esign.signed_document(request_id)
    assert caught.value.kind is FailureKind.TRANSIENT
    assert caught.value.retry_after == timedelta(seconds=30)
    store.preparing.clear()
    found = esign.signed_document(request_id)
    assert b"Audit trail" in found.content
    assert found.sha256 == hashlib.sha256(found.content).hexdigest()


def test_the_sweep_reads_in_pages_what_ended_since(
    store: DropboxSignStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.esign.dropbox_sign.api.PAGE", 2)
    before = store.send(DEAL)
    store.sign(before)
    ended = [store.send(f"hubspot/{number}") for number in range(5)]
    store.send(DEAL)  # not signed
    since = store.now()
    for request_id in ended:
        store.sign(request_id)
    esign, found, after, pages = gateway(url), set(), "", 0
    while True:
        page = esign.changed(since, after)
        found |= {item.envelope_id for item in page.envelopes}
        pages, after = pages + 1, page.next
        if not after:
            break
    assert (found, pages) == (set(ended), 4)


def test_the_sweep_asks_for_what_was_created_as_long_ago_as_a_request_is_open(
    recorder: Recorder, url: str
) -> None:
    since = datetime(2026, 6, 1, 12, tzinfo=UTC)
    gateway(url).changed(since)
    _, path, query = recorder.sent[-1]
    assert path == "/v3/signature_request/list"
    assert query["query"].startswith(f"created:[{(since - OPEN_FOR).date()} TO ")
    assert (query["page"], query["page_size"]) == ("1", "100")


def test_a_list_without_an_end_is_not_read(url: str) -> None:
    with respx.mock() as router:
        answer = {"list_info": {"num_pages": 10_000}, "signature_requests": [{}]}
        router.get(url__regex=r".*/list").respond(200, json=answer)
        with pytest.raises(GatewayError, match="10000 pages") as caught:
            gateway(url).changed(datetime.now(UTC))
    assert caught.value.kind is FailureKind.DEFECT


# --- limits, errors, settings ---------------------------------------------------------------------


def test_a_wrong_key_is_a_matter_of_credentials(url: str) -> None:
    error = refused(gateway(url, "other"))
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "credentials_refused")
    assert "other" not in str(error)


def test_a_limit_says_when_it_ends(store: DropboxSignStore, url: str) -> None:
    store.calls_left = 0
    error = refused(gateway(url))
    assert (error.kind, error.code) == (FailureKind.TRANSIENT, "rate_limited")
    assert error.retry_after is not None
    assert timedelta(seconds=50) < error.retry_after <= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (402, FailureKind.BUSINESS, "access_denied"),
        (403, FailureKind.BUSINESS, "access_denied"),
        (410, FailureKind.BUSINESS, "envelope_not_found"),
        (400, FailureKind.BUSINESS, "esign_refused"),
        (409, FailureKind.TRANSIENT, "unavailable"),
        (502, FailureKind.TRANSIENT, "unavailable"),
        (302, FailureKind.DEFECT, "unexpected_answer"),
    ],
)
def test_each_refusal_has_its_kind(url: str, status: int, kind: FailureKind, code: str) -> None:
    with respx.mock() as router:
        detail = {"error": {"error_name": "some", "error_msg": "no"}}
        router.get(url__regex=r".*/x").respond(status, json=detail)
        error = refused(gateway(url))
    assert (error.kind, error.code) == (kind, code)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"signature_request": []}', b'{"signature_request": {}}']
)
def test_an_answer_that_cannot_be_read_is_a_defect(url: str, body: bytes) -> None:
    with respx.mock() as router:
        router.get(url__regex=r".*/x").respond(200, content=body)
        assert refused(gateway(url)).code == "unexpected_answer"


def test_a_call_that_gets_no_answer_passes(url: str) -> None:
    with respx.mock() as router:
        router.get(url__regex=r".*/x").mock(side_effect=httpx.ReadTimeout("late"))
        assert refused(gateway(url)).kind is FailureKind.TRANSIENT


def test_its_webhooks_are_signed_by_its_own_key() -> None:
    settings = DropboxSignSettings(legal_entity="northwind", api_key=SecretStr(KEY))
    assert [secret.reveal() for secret in settings.all_webhook_secrets] == [KEY]
    assert KEY not in repr(settings)


# --- events ---------------------------------------------------------------------------------------


def received(body: bytes, headers: dict[str, str]) -> Received:
    lower = {name.lower(): value for name, value in headers.items()}
    return Received("dropbox-sign", "northwind", lower, body, datetime.now(UTC))


def signed_request(body: bytes, headers: dict[str, str]) -> SignedRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return SignedRequest("POST", "https://c2c.example/webhooks/dropbox-sign", lower, body)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("signature_request_sent", "sent"),
        ("signature_request_downloadable", "completed"),
        ("signature_request_declined", "declined"),
        ("signature_request_canceled", "voided"),
        ("signature_request_expired", "voided"),
    ],
)
def test_events_are_of_the_request(store: DropboxSignStore, kind: str, status: str) -> None:
    request_id = store.send(DEAL)
    body, headers = form(store.event(request_id, kind))
    verify(signed_request(body, headers), ["another", KEY], datetime.now(UTC))
    [event] = parse(received(body, headers))
    assert event.task == ForEnvelope(
        system="dropbox-sign", envelope_id=request_id, status=EnvelopeStatus(status)
    )
    assert (event.key, event.kind) == (f"{request_id}-{status}", kind)


@pytest.mark.parametrize("kind", ["signature_request_all_signed", "signature_request_viewed"])
def test_what_a_contract_need_not_know_is_no_event(store: DropboxSignStore, kind: str) -> None:
    assert parse(received(*form(store.event(store.send(DEAL), kind)))) == []


def test_the_test_of_an_address_is_answered_as_it_insists(store: DropboxSignStore) -> None:
    body, headers = form(store.test_event())
    assert CONNECTOR.webhook is not None
    CONNECTOR.webhook.verify(signed_request(body, headers), [KEY], datetime.now(UTC))
    assert CONNECTOR.webhook.parse(received(body, headers)) == []
    assert CONNECTOR.webhook.answer == "Hello API Event Received"


def test_an_event_of_another_key_or_another_form_is_not_verified(store: DropboxSignStore) -> None:
    body, headers = form(store.event(store.send(DEAL)))
    now = datetime.now(UTC)
    other = {"Content-Type": "multipart/form-data; boundary=other"}
    for wrong_body, wrong_headers, key in (
        (body, headers, "another"),
        (body, other, KEY),
        (body, {}, KEY),
        (body.replace(b'name="json"', b'name="text"'), headers, KEY),
        (b"", headers, KEY),
        (body[:50], headers, KEY),
    ):
        with pytest.raises(NotVerified):
            verify(signed_request(wrong_body, wrong_headers), [key], now)


@pytest.mark.parametrize("content", [{}, [], {"signature_request_id": "../x"}])
def test_a_request_that_cannot_be_is_refused(store: DropboxSignStore, content: object) -> None:
    event = {**store.event(store.send(DEAL)), "signature_request": content}
    with pytest.raises(InvalidContract):
        parse(received(*form(event)))


def test_the_vector_of_dropbox_sign() -> None:
    kind = "signature_request_all_signed"
    digest = "218ced05328a33ca3042391b59ea556267cfe1725cbbbb1471d303a91994a395"
    event = {"event_time": "1767225600", "event_type": kind, "event_hash": digest}
    verify(signed_request(*form({"event": event})), [KEY], datetime.now(UTC))


# --- Dropbox Sign's own client --------------------------------------------------------------------


@pytest.fixture
def vendor() -> ModuleType:
    """Their package, imported late: it takes a second, of every process that collects tests."""
    return importlib.import_module("dropbox_sign")


@pytest.fixture
def official(vendor: ModuleType, url: str) -> Iterator[Any]:
    """Its API for signature requests, at the stand-in."""
    configuration = vendor.Configuration(username=KEY, host=f"{url}/v3")
    with vendor.ApiClient(configuration) as client:
        yield vendor.apis.SignatureRequestApi(client)


def test_the_official_client_sends_and_reads_at_the_stand_in(
    vendor: ModuleType, official: Any, store: DropboxSignStore, url: str
) -> None:
    signer = vendor.models.SubSignatureRequestSigner(name="Ada", email_address="ada@client.example")
    request = vendor.models.SignatureRequestSendRequest(
        title="Contract", signers=[signer], metadata={"c2c_deal": DEAL}, file_urls=["https://x/y"]
    )
    request_id = official.signature_request_send(request).signature_request.signature_request_id
    assert request_id is not None
    ours = gateway(url).read_envelope(request_id)
    assert ours.deal == Source(system="hubspot", id="9001")
    assert ours.signers == ("Ada <ada@client.example>",)
    store.sign(request_id)
    read = official.signature_request_get(request_id).signature_request
    assert (read.is_complete, read.metadata) == (True, {"c2c_deal": DEAL})


def test_the_official_client_accepts_the_signature_of_our_events(
    vendor: ModuleType, store: DropboxSignStore
) -> None:
    event = json.dumps(store.event(store.send(DEAL)))
    callback = vendor.models.EventCallbackRequest.init(json.loads(event))
    assert vendor.EventCallbackHelper.is_valid(KEY, callback)


def test_our_requests_are_those_of_the_official_client(
    official: Any, recorder: Recorder, store: DropboxSignStore, url: str
) -> None:
    request_id = store.send(DEAL)
    store.sign(request_id)
    esign = gateway(url)
    esign.changed(datetime(2026, 6, 1, tzinfo=UTC))
    query = recorder.sent[-1][2]["query"]
    pairs: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (
            lambda: official.signature_request_get(request_id),
            lambda: esign.read_envelope(request_id),
        ),
        (
            lambda: official.signature_request_files(request_id, file_type="pdf"),
            lambda: esign.signed_document(request_id),
        ),
        (
            lambda: official.signature_request_list(page=1, page_size=100, query=query),
            lambda: esign.changed(datetime(2026, 6, 1, tzinfo=UTC)),
        ),
    ]
    for theirs, ours in pairs:
        theirs()
        by_them = recorder.sent[-1]
        ours()
        assert recorder.sent[-1] == by_them
