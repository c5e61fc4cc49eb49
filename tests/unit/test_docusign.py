"""DocuSign: our gateway against the stand-in, the stand-in against DocuSign's own client, and our
requests against those that it sends. None of it has met a live account."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import docusign_esign
import httpx
import pytest
import respx
from docusign_esign.client.api_response import RESTClientObject
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.events import ForEnvelope
from contracts.model import Source
from contracts.problems import InvalidContract
from contracts.signatures import EnvelopeStatus
from gateways.errors import FailureKind, GatewayError
from gateways.esign.docusign import CONNECTOR, DocuSignSettings
from gateways.esign.docusign.api import DocuSignApi
from gateways.esign.docusign.esign import DocuSign
from gateways.esign.docusign.login import Login
from gateways.esign.docusign.webhook import parse
from gateways.esign.envelopes import MAX_DOCUMENT_BYTES
from gateways.http import pooled_client
from gateways.secrets import Secret
from gateways.webhooks.received import Received
from gateways.webhooks.schemes import NotVerified, SignedRequest
from sandbox.conformance.serving import served
from sandbox.docusign import (
    ACCOUNT,
    INTEGRATION_KEY,
    USER,
    DocuSignStore,
    docusign_app,
    pdf,
    signed,
)
from tests.standins.serving import tls_of_localhost

DEAL = "hubspot/9001"
BASE = f"/restapi/v2.1/accounts/{ACCOUNT}"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@functools.cache
def key(*, private: bool) -> str:
    """A pair of keys for the tests of this file."""
    return _pair().as_pem(private=private).decode()


@functools.cache
def _pair() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


@dataclass
class Recorder:
    """Passes requests on, and keeps their methods, paths and queries."""

    app: ASGIApp
    sent: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = dict(parse_qsl(scope["query_string"].decode()))
        self.sent.append((scope["method"], scope["path"], query))
        await self.app(scope, receive, send)


@pytest.fixture
def store() -> Iterator[DocuSignStore]:
    """An account whose clock is a minute further at each look."""
    moments = (START + timedelta(minutes=n) for n in range(1_000_000))
    store = DocuSignStore(public_key=key(private=False), now=lambda: next(moments))
    yield store
    store.close()


@pytest.fixture
def recorder(store: DocuSignStore) -> Recorder:
    return Recorder(docusign_app(store))


@pytest.fixture
def url(recorder: Recorder) -> Iterator[str]:
    with served(recorder) as address:
        yield address


def gateway(url: str, *, signs_by: str = "", user: str = USER, account: str = "") -> DocuSign:
    http = pooled_client(url, max_body_bytes=MAX_DOCUMENT_BYTES)
    secret = Secret.of(signs_by or key(private=True))
    login = Login(http, INTEGRATION_KEY, user, secret, account_id=account, system="docusign")
    return DocuSign(
        DocuSignApi(http, login, system="docusign", calls_per_second=1_000), system="docusign"
    )


def refused(esign: DocuSign, envelope_id: str = "x") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        esign.read_envelope(envelope_id)
    return caught.value


# --- envelopes ------------------------------------------------------------------------------------


def test_a_completed_envelope_says_who_signed_which_deal_when(
    store: DocuSignStore, url: str
) -> None:
    people = [("Ada", "ada@client.example"), ("Bo", "bo@client.example")]
    envelope_id = store.send(DEAL, signers=people)
    esign = gateway(url)
    assert esign.read_envelope(envelope_id).status is EnvelopeStatus.SENT
    store.complete(envelope_id)
    found = esign.read_envelope(envelope_id)
    assert found.status is EnvelopeStatus.COMPLETED
    assert found.deal == Source(system="hubspot", id="9001")
    assert found.signers == ("Ada <ada@client.example>", "Bo <bo@client.example>")
    assert found.completed_at == found.changed_at
    assert found.completed_at is not None
    assert START < found.completed_at < START + timedelta(hours=1)


def test_a_declined_and_a_voided_envelope_say_why(store: DocuSignStore, url: str) -> None:
    declined, voided = store.send(DEAL), store.send(DEAL)
    store.decline(declined, "too expensive")
    store.void(voided, "wrong version")
    esign = gateway(url)
    found = [esign.read_envelope(item) for item in (declined, voided)]
    assert [(item.status, item.reason, item.completed_at) for item in found] == [
        (EnvelopeStatus.DECLINED, "too expensive", None),
        (EnvelopeStatus.VOIDED, "wrong version", None),
    ]


@pytest.mark.parametrize("deal", ["", "hubspot", "hubspot/", "/9001", "no such name!/1"])
def test_an_envelope_that_names_no_deal_has_none(store: DocuSignStore, url: str, deal: str) -> None:
    assert gateway(url).read_envelope(store.send(deal)).deal is None


def test_the_document_is_the_pdf_with_its_certificate(
    store: DocuSignStore, recorder: Recorder, url: str
) -> None:
    envelope_id = store.send(DEAL)
    store.complete(envelope_id)
    found = gateway(url).signed_document(envelope_id)
    assert b"Certificate of completion" in found.content
    assert found.sha256 == hashlib.sha256(found.content).hexdigest()
    path = f"{BASE}/envelopes/{envelope_id}/documents/combined"
    assert recorder.sent[-1] == ("GET", path, {"certificate": "true"})


def test_what_is_no_pdf_or_too_large_is_not_attached(
    store: DocuSignStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope_id = store.send(DEAL)
    esign = gateway(url)
    large = b"%PDF-" + b" " * MAX_DOCUMENT_BYTES
    for content, code in ((b"<html>", "unexpected_answer"), (large, "signed_document_too_large")):
        monkeypatch.setattr(store, "document", lambda _, found=content: found)
        with pytest.raises(GatewayError) as caught:
            esign.signed_document(envelope_id)
        assert caught.value.code == code


def test_a_list_of_too_many_bytes_is_told_as_what_it_is(store: DocuSignStore, url: str) -> None:
    http = pooled_client(url, max_body_bytes=1_000)
    login = Login(
        http, INTEGRATION_KEY, USER, Secret.of(key(private=True)), account_id="", system="docusign"
    )
    esign = DocuSign(DocuSignApi(http, login, system="docusign"), system="docusign")
    for _ in range(9):
        store.complete(store.send(DEAL))
    with pytest.raises(GatewayError) as caught:
        esign.changed(START)
    assert (caught.value.kind, caught.value.code) == (FailureKind.DEFECT, "unexpected_answer")


def test_the_sweep_reads_in_pages_what_ended_since(
    store: DocuSignStore, recorder: Recorder, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.esign.docusign.api.PAGE", 2)
    before = store.send(DEAL)
    store.complete(before)
    since = store.now()
    store.send(DEAL)  # not signed
    ended = [store.send(f"hubspot/{number}") for number in range(5)]
    for envelope_id in ended:
        store.complete(envelope_id)
    esign, found, after, pages = gateway(url), [], "", 0
    while True:
        page = esign.changed(since, after)
        found += [item.envelope_id for item in page.envelopes]
        pages, after = pages + 1, page.next
        if not after:
            break
    assert (found, pages) == (ended, 3)
    assert [item.deal.id for item in page.envelopes if item.deal] == ["4"]
    assert abs(page.as_of - datetime.now(UTC)) < timedelta(minutes=1)
    _, path, query = recorder.sent[-1]
    assert path == f"{BASE}/envelopes"
    assert query["status"] == "completed,declined,voided"
    assert (query["from_to_status"], query["include"]) == ("changed", "custom_fields,recipients")


def test_nothing_that_ended_is_an_empty_page(url: str) -> None:
    page = gateway(url).changed(START)
    assert (page.envelopes, page.next) == ([], "")


def test_the_field_for_the_deal_is_set_up_once(store: DocuSignStore, url: str) -> None:
    esign = gateway(url)
    [problem] = esign.missing_setup()
    assert (problem.code, problem.field) == ("esign_field_missing", "c2c_deal")
    assert esign.ensure_setup() == esign.ensure_setup() == []
    assert store.fields() == ["c2c_deal"]


# --- signing in, limits, errors -------------------------------------------------------------------


def test_one_token_serves_many_calls_and_a_refused_one_is_renewed(
    store: DocuSignStore, recorder: Recorder, url: str
) -> None:
    envelope_id, esign = store.send(DEAL), gateway(url)
    for _ in range(3):
        esign.read_envelope(envelope_id)
    asked = [path for _, path, _ in recorder.sent]
    assert (asked.count("/oauth/token"), asked.count("/oauth/userinfo")) == (1, 1)
    store.expire_tokens()
    esign.read_envelope(envelope_id)
    assert [path for _, path, _ in recorder.sent].count("/oauth/token") == 2


def test_consent_is_for_a_person_who_is_told_where(store: DocuSignStore, url: str) -> None:
    store.has_consent = False
    error = refused(gateway(url))
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, "consent_required")
    assert f"{url}/oauth/auth?response_type=code" in error.message
    assert INTEGRATION_KEY in error.message


def test_a_wrong_key_user_or_account_is_a_matter_of_credentials(url: str) -> None:
    other = RSAKey.generate_key(2048, private=True).as_pem(private=True).decode()
    for esign, code in (
        (gateway(url, signs_by=other), "credentials_refused"),
        (gateway(url, signs_by="no key"), "secret_unreadable"),
        (gateway(url, user="somebody"), "credentials_refused"),
        (gateway(url, account="other"), "credentials_refused"),
    ):
        error = refused(esign)
        assert (error.kind, error.code) == (FailureKind.CREDENTIALS, code)
        assert other not in str(error)


def test_the_hourly_limit_says_when_it_ends(store: DocuSignStore, url: str) -> None:
    store.calls_left = 0
    error = refused(gateway(url))
    assert (error.kind, error.code) == (FailureKind.TRANSIENT, "rate_limited")
    assert error.retry_after is not None
    assert timedelta(minutes=58) < error.retry_after <= timedelta(hours=1)


def test_an_envelope_that_there_is_not(url: str) -> None:
    error = refused(gateway(url))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "envelope_not_found")


@pytest.mark.parametrize(
    ("status", "code", "kind", "ours"),
    [
        (400, "BURST_APIINVOCATION_LIMIT_EXCEEDED", FailureKind.TRANSIENT, "rate_limited"),
        (429, "", FailureKind.TRANSIENT, "rate_limited"),
        (400, "Hourly_Envelope_Polling_Limit_Exceeded", FailureKind.TRANSIENT, "rate_limited"),
        (400, "ENVELOPE_DOES_NOT_EXIST", FailureKind.BUSINESS, "envelope_not_found"),
        (400, "USER_LACKS_PERMISSIONS", FailureKind.BUSINESS, "access_denied"),
        (403, "", FailureKind.BUSINESS, "access_denied"),
        (400, "INVALID_REQUEST_PARAMETER", FailureKind.BUSINESS, "esign_refused"),
        (503, "", FailureKind.TRANSIENT, "unavailable"),
        (302, "", FailureKind.DEFECT, "unexpected_answer"),
    ],
)
def test_each_refusal_has_its_kind(
    url: str, status: int, code: str, kind: FailureKind, ours: str
) -> None:
    esign = gateway(url)
    esign.changed(START)  # signed in
    with respx.mock() as router:
        router.get(url__regex=r".*/envelopes/x").respond(
            status, json={"errorCode": code, "message": "no"}
        )
        error = refused(esign)
    assert (error.kind, error.code) == (kind, ours)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"envelopeId": ""}', b'{"status": 1}'])
def test_an_answer_that_cannot_be_read_is_a_defect(url: str, body: bytes) -> None:
    esign = gateway(url)
    esign.changed(START)
    with respx.mock() as router:
        router.get(url__regex=r".*/envelopes/x").respond(200, content=body)
        assert refused(esign).code == "unexpected_answer"


def test_a_call_that_gets_no_answer_passes(url: str) -> None:
    esign = gateway(url)
    esign.changed(START)
    with respx.mock() as router:
        router.get(url__regex=r".*/envelopes/x").mock(side_effect=httpx.ReadTimeout("late"))
        assert refused(esign).kind is FailureKind.TRANSIENT


def test_settings_want_one_key_and_build_sends_nothing(store: DocuSignStore) -> None:
    both: dict[str, Any] = {"legal_entity": "northwind", "user_id": USER}
    with pytest.raises(ValueError, match="private_key_file"):
        DocuSignSettings(integration_key=INTEGRATION_KEY, **both)
    known = DocuSignSettings(
        integration_key=INTEGRATION_KEY, private_key=SecretStr(key(private=True)), **both
    )
    assert key(private=True) not in repr(known)
    assert known.url == "https://account.docusign.com"


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://elsewhere.example", "x"])
def test_the_token_goes_to_no_address_that_a_live_account_cannot_have(address: str) -> None:
    account = {"account_id": ACCOUNT, "is_default": True, "base_uri": address}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token":
            return httpx.Response(200, json={"access_token": "t", "expires_in": 3600})
        return httpx.Response(200, json={"accounts": [account]})

    http = pooled_client("https://account.docusign.com", transport=httpx.MockTransport(answer))
    login = Login(
        http, INTEGRATION_KEY, USER, Secret.of(key(private=True)), account_id="", system="docusign"
    )
    with pytest.raises(GatewayError) as caught:
        login.session()
    assert caught.value.code == "unexpected_answer"


# --- Connect --------------------------------------------------------------------------------------


def received(body: bytes) -> Received:
    return Received("docusign", "northwind", {}, body, START)


def test_connects_messages_are_events_of_the_envelope(store: DocuSignStore) -> None:
    envelope_id = store.send(DEAL)
    store.complete(envelope_id)
    [event] = parse(received(store.message(envelope_id)))
    assert event.task == ForEnvelope(
        system="docusign", envelope_id=envelope_id, status=EnvelopeStatus.COMPLETED
    )
    assert (event.key, event.kind) == (f"{envelope_id}-completed", "envelope-completed")
    assert parse(received(store.message(envelope_id, "recipient-completed"))) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"event": "envelope-completed"}',
        b'{"event": "envelope-completed", "data": {"envelopeId": "../x"}}',
        b'{"event": "envelope-completed", "data": {"envelopeId": 5}}',
    ],
)
def test_what_cannot_come_from_connect_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidContract):
        parse(received(body))


def test_a_message_is_signed_by_any_of_connects_keys(store: DocuSignStore) -> None:
    body = store.message(store.send(DEAL))
    headers = {name.lower(): value for name, value in signed(body, "old", "new").items()}
    request = SignedRequest("POST", "https://c2c.example/webhooks/docusign", headers, body)
    assert CONNECTOR.webhook is not None
    CONNECTOR.webhook.verify(request, ["another", "new"], START)
    with pytest.raises(NotVerified):
        CONNECTOR.webhook.verify(request, ["another"], START)


def test_the_stand_in_signs_as_docusign_does() -> None:
    headers = signed(b'{"id":"evt_1","type":"invoice.paid"}', "test_secret_123")
    assert headers["X-DocuSign-Signature-1"] == "yyXDgyYXAZv+4/sECBvRAJuvv1dGd9BnxlvIIH7cV3A="


# --- DocuSign's own client ------------------------------------------------------------------------


@pytest.fixture
def official(recorder: Recorder) -> Iterator[docusign_esign.ApiClient]:
    """Signed in by JWT, for which it insists on https."""
    with tls_of_localhost() as (tls, authority), served(recorder, tls=tls) as address:
        configuration = docusign_esign.Configuration()
        configuration.ssl_ca_cert = str(authority)
        client = docusign_esign.ApiClient(host=f"{address}/restapi")
        host = address.removeprefix("https://")
        client.set_oauth_host_name(host)
        client.rest_client = RESTClientObject(configuration=configuration)
        token = client.request_jwt_user_token(
            INTEGRATION_KEY,
            USER,
            host,
            key(private=True).encode(),
            600,
            ["signature", "impersonation"],
        )
        user = client.get_user_info(token.access_token)
        assert user.accounts[0].base_uri == address
        yield client


def test_the_official_client_sends_reads_and_voids_at_the_stand_in(
    official: docusign_esign.ApiClient, store: DocuSignStore, url: str
) -> None:
    api = docusign_esign.EnvelopesApi(official)
    text = docusign_esign.TextCustomField(name="c2c_deal", value=DEAL)
    signer = docusign_esign.Signer(name="Ada", email="ada@client.example", recipient_id="1")
    made = api.create_envelope(
        ACCOUNT,
        envelope_definition=docusign_esign.EnvelopeDefinition(
            status="sent",
            email_subject="Please sign",
            custom_fields=docusign_esign.CustomFields(text_custom_fields=[text]),
            recipients=docusign_esign.Recipients(signers=[signer]),
        ),
    )
    ours = gateway(url).read_envelope(made.envelope_id)
    assert ours.deal == Source(system="hubspot", id="9001")
    assert ours.signers == ("Ada <ada@client.example>",)
    change = docusign_esign.Envelope(status="voided", voided_reason="wrong version")
    api.update(ACCOUNT, made.envelope_id, envelope=change)
    read = api.get_envelope(ACCOUNT, made.envelope_id, include="custom_fields,recipients")
    assert (read.status, read.voided_reason) == ("voided", "wrong version")
    assert read.custom_fields.text_custom_fields[0].value == DEAL
    assert gateway(url).read_envelope(made.envelope_id).reason == "wrong version"


def test_our_requests_are_those_of_the_official_client(
    official: docusign_esign.ApiClient, recorder: Recorder, store: DocuSignStore, url: str
) -> None:
    envelope_id = store.send(DEAL)
    store.complete(envelope_id)
    api, accounts = docusign_esign.EnvelopesApi(official), docusign_esign.AccountsApi(official)
    esign = gateway(url)
    esign.changed(START)  # signed in
    pairs: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (
            lambda: api.get_envelope(ACCOUNT, envelope_id, include="custom_fields,recipients"),
            lambda: esign.read_envelope(envelope_id),
        ),
        (
            lambda: api.get_document(ACCOUNT, "combined", envelope_id, certificate="true"),
            lambda: esign.signed_document(envelope_id),
        ),
        (
            lambda: api.list_status_changes(
                ACCOUNT,
                from_date="2026-03-01T12:00:00Z",
                from_to_status="changed",
                status="completed,declined,voided",
                include="custom_fields,recipients",
                order_by="status_changed",
                order="asc",
                count="100",
                start_position="0",
            ),
            lambda: esign.changed(START),
        ),
        (lambda: accounts.list_custom_fields(ACCOUNT), lambda: esign.missing_setup()),
    ]
    for theirs, ours in pairs:
        theirs()
        by_them = recorder.sent[-1]
        ours()
        assert recorder.sent[-1] == by_them


def test_the_official_client_reads_pages_of_the_stand_in(
    official: docusign_esign.ApiClient, store: DocuSignStore
) -> None:
    ids = [store.send(DEAL) for _ in range(3)]
    for envelope_id in ids:
        store.complete(envelope_id)
    api = docusign_esign.EnvelopesApi(official)
    found = api.list_status_changes(ACCOUNT, from_date="2026-01-01T00:00:00Z", count="2")
    assert [item.envelope_id for item in found.envelopes] == ids[:2]
    assert (found.result_set_size, found.total_set_size, bool(found.next_uri)) == ("2", "3", True)


def test_the_pdf_of_the_stand_in_has_its_lines_and_its_table() -> None:
    content = pdf("One (1)", "Two")
    place = int(content.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert content[place:].startswith(b"xref\n0 6\n")
    assert b"(One 1) Tj" in content
