"""Signatures: the vendors' vectors, the official libraries, and everything that must be refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gateways.webhooks import schemes
from gateways.webhooks.schemes import NotVerified, Scheme, SignedRequest
from tests.unit.web import signing
from tests.unit.web.signing import AT, BODY, SECRET, SENDERS, STANDARD_SECRET, Signed

SCHEMES: dict[str, Scheme] = {
    "standard_webhooks": schemes.standard_webhooks,
    "stripe": schemes.stripe,
    "gocardless": schemes.gocardless,
    "hubspot": schemes.hubspot,
    "docusign": schemes.docusign,
    "shared_token": schemes.shared_token("clockify-signature"),
    "secret_in_url": schemes.secret_in_url("secret"),
}
TIMED = ("standard_webhooks", "stripe", "hubspot")
SIGN_THE_BODY = ("standard_webhooks", "stripe", "gocardless", "hubspot", "docusign")
OTHER_STANDARD = "whsec_b3RoZXIgc2VjcmV0IG9mIDI0IGJ5dGU="

ANY_SCHEME = pytest.mark.parametrize("name", SCHEMES)


def request(headers: dict[str, str], body: bytes = BODY, url: str = "") -> SignedRequest:
    return SignedRequest("POST", url, headers, body)


def other_secret(name: str) -> str:
    return OTHER_STANDARD if name == "standard_webhooks" else "another_secret"


def verify(name: str, signed: SignedRequest, *secrets: str, at: datetime = AT) -> None:
    SCHEMES[name](signed, secrets or (SENDERS[name].secret,), at)


def refused(name: str, signed: SignedRequest, *secrets: str, at: datetime = AT) -> bool:
    try:
        verify(name, signed, *secrets, at=at)
    except NotVerified:
        return True
    return False


# --- vectors made by the official libraries -------------------------------------------------------


def test_the_vector_of_stripe() -> None:
    digest = "eb029ef3ac2ef073468b63689eb35156035d4ff4e56e547d99d6ddec20f85952"
    verify("stripe", request({"stripe-signature": f"t=1767225600,v1={digest}"}))


def test_the_vector_of_gocardless() -> None:
    digest = "cb25c3832617019bfee3fb04081bd1009bafbf574677d067c65bc8207edc5770"
    verify("gocardless", request({"webhook-signature": digest}))


def test_the_vector_of_docusign() -> None:
    signature = "yyXDgyYXAZv+4/sECBvRAJuvv1dGd9BnxlvIIH7cV3A="
    headers = {"x-docusign-signature-1": "no", "x-docusign-signature-2": signature}
    verify("docusign", request(headers))


def test_the_vector_of_hubspot() -> None:
    body = (
        b'[{"eventId":1,"subscriptionType":"deal.propertyChange","objectId":7,'
        b'"occurredAt":1767225600000,"attemptNumber":0}]'
    )
    headers = {
        "x-hubspot-request-timestamp": "1767225600000",
        "x-hubspot-signature-v3": "aTaFYOA8yfMn0plj+4uyNIYGoILUL/A/GoWGOcEbpfE=",
    }
    verify("hubspot", request(headers, body, "https://c2c.example/webhooks/hubspot"))


def test_the_vector_of_dropbox_sign() -> None:
    body = (
        b'{"event":{"event_time":"1767225600","event_type":"signature_request_all_signed",'
        b'"event_hash":"218ced05328a33ca3042391b59ea556267cfe1725cbbbb1471d303a91994a395"}}'
    )
    schemes.dropbox_sign(request({}, body), ["api_key_1"], AT)


def test_the_vector_of_the_standard_webhooks_specification() -> None:
    at = datetime.fromtimestamp(1614265330, AT.tzinfo)
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verify("standard_webhooks", request(headers, b'{"test": 2432232314}'), at=at)


# --- the official libraries as judges -------------------------------------------------------------


@given(body=st.text(), id=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_what_the_official_library_signs_is_accepted(body: str, id: str) -> None:
    signature = Webhook(STANDARD_SECRET).sign(id, AT, body)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(AT.timestamp())),
        "webhook-signature": signature,
    }
    verify("standard_webhooks", request(headers, body.encode()))


@given(body=st.text(st.characters(codec="utf-8")), is_ours=st.booleans())
def test_hubspots_library_agrees_with_us(body: str, is_ours: bool) -> None:
    sent, now = body.encode(), datetime.now(UTC)  # the library looks at this machine's clock
    headers = signing.hubspot_headers(sent, now, secret=SECRET if is_ours else "another")
    theirs = Signature.is_valid(
        signature=headers["x-hubspot-signature-v3"],
        client_secret=SECRET,
        request_body=body,
        http_uri=signing.URL,
        http_method="POST",
        signature_version="v3",
        timestamp=headers["x-hubspot-request-timestamp"],
    )
    assert theirs is is_ours
    assert refused("hubspot", request(headers, sent, signing.URL), at=now) is not is_ours


# --- what is accepted, and what is refused --------------------------------------------------------


@ANY_SCHEME
def test_any_of_several_secrets_is_accepted(name: str) -> None:
    signed = SENDERS[name].request()
    verify(name, signed, other_secret(name), SENDERS[name].secret)
    assert refused(name, signed, other_secret(name))


@ANY_SCHEME
def test_no_secret_lets_nobody_in(name: str) -> None:
    signed = SENDERS[name].request()
    with pytest.raises(NotVerified):
        SCHEMES[name](signed, (), AT)
    with pytest.raises(NotVerified):
        SCHEMES[name](signed, ("",), AT)


def test_an_empty_token_is_no_token() -> None:
    assert refused("shared_token", request({"clockify-signature": ""}), "")
    assert refused("secret_in_url", request({}, url="https://c2c.example/x?secret="), "")


def test_a_secret_that_cannot_be_read_leaves_the_others() -> None:
    signed = SENDERS["standard_webhooks"].request()
    verify("standard_webhooks", signed, "whsec_not base64!", STANDARD_SECRET)
    assert refused("standard_webhooks", signed, "whsec_", "whsec_not base64!")


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_time_too_far_away_is_refused_in_the_past_and_in_the_future(
    name: str, seconds: int
) -> None:
    signed = SENDERS[name].request(at=AT + timedelta(seconds=seconds))
    assert refused(name, signed)
    near = SENDERS[name].request(at=AT + timedelta(seconds=seconds // 2))
    verify(name, near)


def test_several_signatures_of_one_sender_need_one_that_is_right() -> None:
    right = SENDERS["standard_webhooks"].request()
    good = right.headers["webhook-signature"]
    for given_ in (f"v1,AAAA {good}", f"v1a,xyz {good}", f"{good} v1,AAAA"):
        verify("standard_webhooks", _with(right, "webhook-signature", given_))
    assert refused(
        "standard_webhooks", _with(right, "webhook-signature", good.replace("v1,", "v2,"))
    )
    stripes = SENDERS["stripe"].request()
    two = stripes.headers["stripe-signature"].replace("v1=", "v1=00,v0=11,v1=")
    verify("stripe", _with(stripes, "stripe-signature", two))


@pytest.mark.parametrize("name", SIGN_THE_BODY)
@given(place=st.integers(min_value=0), flip=st.integers(1, 255))
def test_a_changed_body_is_refused(name: str, place: int, flip: int) -> None:
    signed = SENDERS[name].request()
    body = bytearray(signed.body)
    body[place % len(body)] ^= flip
    assert refused(name, replace(signed, body=bytes(body)))


@ANY_SCHEME
@given(data=st.data())
def test_a_changed_header_is_refused(name: str, data: st.DataObject) -> None:
    signed = SENDERS[name].request()
    if not signed.headers:
        return
    header = data.draw(st.sampled_from(sorted(signed.headers)))
    # Of any length: digits that are no number, base64 that is none, and text that no header holds.
    value = data.draw(st.text(max_size=80).filter(lambda text: _differs(text, signed, header)))
    assert refused(name, _with(signed, header, value))


def _differs(text: str, signed: SignedRequest, header: str) -> bool:
    return text.strip() != signed.headers[header]


@ANY_SCHEME
def test_a_missing_header_is_refused(name: str) -> None:
    signed = SENDERS[name].request()
    for header in signed.headers:
        rest = {key: value for key, value in signed.headers.items() if key != header}
        assert refused(name, replace(signed, headers=rest))


@ANY_SCHEME
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                "webhook-id",
                "webhook-timestamp",
                "webhook-signature",
                "stripe-signature",
                "x-hubspot-request-timestamp",
                "x-hubspot-signature-v3",
                "x-docusign-signature-1",
                "clockify-signature",
            ]
        ),
        st.text(),
    ),
    body=st.binary(),
    url=st.text(),
    secret=st.text(min_size=1),
)
def test_nothing_but_not_verified_ever_escapes(
    name: str, headers: dict[str, str], body: bytes, url: str, secret: str
) -> None:
    refused(name, SignedRequest("POST", url, headers, body), secret)


@given(body=st.binary() | st.text().map(str.encode) | st.just(b"[" * 100_000))
def test_dropbox_sign_refuses_what_it_cannot_read(body: bytes) -> None:
    with pytest.raises(NotVerified):
        schemes.dropbox_sign(request({}, body), ["api_key_1"], AT)


def test_dropbox_sign_refuses_another_time_type_or_key() -> None:
    body = signing.dropbox_body("api_key_1")
    schemes.dropbox_sign(request({}, body), ["another", "api_key_1"], AT)
    for wrong in (
        body.replace(b"1767225600", b"1767225601"),
        body.replace(b"all_signed", b"viewed"),
    ):
        with pytest.raises(NotVerified):
            schemes.dropbox_sign(request({}, wrong), ["api_key_1"], AT)


def test_hubspots_address_is_signed_too() -> None:
    signed = SENDERS["hubspot"].request()
    assert refused("hubspot", replace(signed, url="https://c2c.example/webhooks/other"))


def _with(signed: SignedRequest, header: str, value: str) -> SignedRequest:
    return replace(signed, headers={**signed.headers, header: value})


def test_every_sender_of_these_tests_is_accepted_as_it_signs() -> None:
    assert SENDERS.keys() == SCHEMES.keys()
    signed: Signed
    for name, signed in SENDERS.items():
        verify(name, signed.request())
