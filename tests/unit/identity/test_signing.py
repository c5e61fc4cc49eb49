"""Signatures of who sends a message: made, verified, and everything about them that is refused."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey, RSAKey

from contracts.access import Role
from contracts.actors import (
    AUDIENCE,
    SIGNAL_VALID_SECONDS,
    VALID_SECONDS,
    Actor,
    Claims,
    NotProven,
    Proof,
    claimed,
)
from contracts.approvals import ApprovalDecision, Decision
from contracts.contract.messages import (
    Hold,
    HoldKind,
    HoldRequest,
    MilestoneReached,
    UsageReport,
)
from contracts.money import Money
from gateways.errors import GatewayError
from gateways.identity import keys
from gateways.identity.senders import SenderSigning
from gateways.identity.signing import TYPE, Signer, Verifier
from gateways.secrets import Secret

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
INVOICE = "contract/northwind/C-1/invoice/1"
ANA = Actor(
    issuer="https://id.example",
    subject="0a1",
    person="ana@northwind.example",
    roles=(Role.FINANCE,),
    token_id="t1",
)
APPROVED = ApprovalDecision(
    by=ANA.person, content_hash="3f" * 32, amount=Money.parse("1000.00 EUR"), comment="seen"
)
RFC_8037: dict[str, Any] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
RFC_8037_ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
RFC_8037_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


def claims(**changes: Any) -> Claims:
    about = Claims.about(ANA, INVOICE, "decide_approval", APPROVED, "r1", NOW)
    return about.model_copy(update=changes)


def refusal(found: Claims, **changes: Any) -> str | None:
    asked = {"workflow_id": INVOICE, "name": "decide_approval", "request_id": "r1"}
    message = changes.pop("message", APPROVED)
    return found.refusal(**(asked | changes), message=message)


def verifier(files: Sequence[Path], own: Secret | None = None, at: datetime = NOW) -> Verifier:
    return Verifier(files, own, now=lambda: at)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "signing.jwk", tmp_path / "identity.jwks"
    keys.new_pair(private, public)
    return private, public


# --- claims -----------------------------------------------------------------------------------


def test_claims_come_back_as_they_were_signed(pair: tuple[Path, Path]) -> None:
    private, public = pair
    token = Signer(Secret.file(private)).sign(claims())
    assert verifier([public]).verify(token) == claims()
    assert claimed(token) == ANA
    assert refusal(verifier([public]).verify(token)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"by": "bob@northwind.example"},
        {"decision": Decision.REJECT},
        {"content_hash": "3e" * 32},
        {"amount": Money.parse("1000.01 EUR")},
        {"amount": None},
        {"comment": ""},
    ],
    ids=str,
)
def test_each_field_of_the_message_is_signed(changes: dict[str, Any]) -> None:
    other = APPROVED.model_copy(update=changes)
    assert refusal(claims(), message=other) == "its signature is for another message"


def test_a_part_of_a_message_is_by_who_signs_it_too() -> None:
    hold = Hold(by="bob@northwind.example", reason="unclear")
    message = HoldRequest(by=ANA.person, kind=HoldKind.BILLING, hold=hold)
    contract = "contract/northwind/C-1"
    found = Claims.about(ANA, contract, "set_hold", message, "r1", NOW)
    refused = found.refusal(contract, "set_hold", message, "r1")
    assert refused == f"it says that {hold.by} sends it, and is signed for {ANA.person}"
    own = message.model_copy(update={"hold": hold.model_copy(update={"by": ANA.person.upper()})})
    found = Claims.about(ANA, contract, "set_hold", own, "r1", NOW)
    assert found.refusal(contract, "set_hold", own, "r1") is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"workflow_id": "contract/northwind/C-1/invoice/2"}, "its signature is for decide_app"),
        ({"name": "approval_decided"}, "its signature is for decide_approval of"),
        ({"request_id": "r2"}, "its signature is for another message"),
    ],
    ids=str,
)
def test_a_signature_is_for_one_request(changes: dict[str, Any], why: str) -> None:
    assert why in str(refusal(claims(), **changes))


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (NOW - timedelta(seconds=11), "of another time"),
        (NOW - timedelta(seconds=9), ""),
        (NOW + timedelta(seconds=VALID_SECONDS + 9), ""),
        (NOW + timedelta(seconds=VALID_SECONDS + 11), "has expired: send it again"),
    ],
    ids=str,
)
def test_a_signature_is_for_one_time_and_clocks_may_differ_a_little(
    pair: tuple[Path, Path], at: datetime, why: str
) -> None:
    private, public = pair
    token = Signer(Secret.file(private)).sign(claims())
    if why:
        with pytest.raises(NotProven, match=why):
            verifier([public], at=at).verify(token)
    else:
        assert verifier([public], at=at).verify(token) == claims()


def test_nobody_signs_for_longer_than_a_signal_may_take() -> None:
    longest = NOW + timedelta(seconds=SIGNAL_VALID_SECONDS)
    assert claims(expires_at=longest).untimely(NOW) is None
    longer = longest + timedelta(seconds=1)
    assert "of another time" in str(claims(expires_at=longer).untimely(NOW))


def test_who_is_signed_is_who_it_says() -> None:
    bob = ANA.model_copy(update={"person": "bob@northwind.example"})
    assert "is signed for bob@northwind.example" in str(refusal(claims(actor=bob)))


def test_a_system_may_report_what_its_people_did_and_a_person_may_not(
    pair: tuple[Path, Path],
) -> None:
    private, public = pair
    reached = MilestoneReached(milestone="design", by="pia")
    sign = SenderSigning(Signer(Secret.file(private)), lambda: NOW).of("tickets")
    token = sign("contract/northwind/C-1", "reach_milestone", reached, "e/1")
    found = verifier([public]).verify(token)
    assert found.actor.subject == "sender/tickets"
    assert found.actor.roles == (Role.SENDER,)
    asked = ("contract/northwind/C-1", "reach_milestone", reached, "e/1")
    assert found.refusal(*asked) is None
    by_person = found.model_copy(update={"actor": ANA})
    assert by_person.refusal(*asked) is not None


def test_a_message_without_a_name_is_signed_all_the_same() -> None:
    record = {"id": "u1", "plan": "calls", "quantity": "5", "on": "2026-05-01"}
    report = UsageReport.model_validate({"records": [record]})
    other = UsageReport.model_validate({"records": [{**record, "quantity": "6"}]})
    about = ("contract/northwind/C-1", "record_usage")
    found = Claims.about(ANA, *about, report, "r", NOW)
    assert found.refusal(*about, report, "r") is None
    assert found.refusal(*about, other, "r") is not None


# --- signatures -------------------------------------------------------------------------------


def signed(key: Any, header: dict[str, Any], payload: Any) -> str:
    content = payload if isinstance(payload, str) else json.dumps(payload)
    return jws.serialize_compact(header, content, key, algorithms=[header["alg"]])


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_what_is_not_our_signature_is_refused_without_a_word_of_it(
    pair: tuple[Path, Path],
) -> None:
    private, public = pair
    key = keys.private_key(Secret.file(private))
    head: dict[str, Any] = {"alg": "Ed25519", "kid": keys.id_of(key), "typ": TYPE}
    good, payload = signed(key, head, claims().payload()), claims().payload()
    header, body, signature = good.split(".")
    stranger = OKPKey.generate_key("Ed25519")
    hmac = OctKey.import_key(public.read_bytes())
    bad = {
        "another key under this id": signed(stranger, head, payload),
        "a key that nobody knows": signed(stranger, {**head, "kid": "x"}, payload),
        "no id of a key": signed(key, {"alg": "Ed25519", "typ": TYPE}, payload),
        "an id that is no text": ".".join([_b64({**head, "kid": [1]}), body, signature]),
        "no signature": ".".join([_b64({**head, "alg": "none"}), body, ""]),
        "the public key as a secret": signed(hmac, {**head, "alg": "HS256"}, payload),
        "the older name of the algorithm": signed(key, {**head, "alg": "EdDSA"}, payload),
        "an RSA key": signed(RSAKey.generate_key(2048), {**head, "alg": "RS256"}, payload),
        "a critical extension": ".".join([_b64({**head, "crit": ["b64"]}), body, signature]),
        "another body": ".".join([header, _b64({**payload, "name": "bob"}), signature]),
        "another kind of token": signed(key, {**head, "typ": "JWT"}, payload),
        "another audience": signed(key, head, {**payload, "aud": "others"}),
        "no audience": signed(key, head, {k: v for k, v in payload.items() if k != "aud"}),
        "no role of ours": signed(key, head, {**payload, "roles": ["king"]}),
        "no person": signed(key, head, {**payload, "name": None}),
        "no time": signed(key, head, {**payload, "exp": "soon"}),
        "no object": signed(key, head, "[1]"),
        "no JSON": signed(key, head, "{"),
        "nested": signed(key, head, "[" * 5_000 + "]" * 5_000),
        "the vector of RFC 8037": RFC_8037_JWS,
        "nothing": "..",
        "words": "let.me.in",
        "huge": "a" * 200_000,
    }
    of_public = verifier([public])
    assert of_public.verify(good) == claims()
    for name, token in bad.items():
        with pytest.raises(NotProven) as caught:
            of_public.verify(token)
        text = str(caught.value)
        assert text.startswith("its signature is "), name
        assert not any(part in text for part in token.split(".") if part), name
        assert caught.value.__cause__ is None, name


def _b64(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_a_key_is_named_by_its_thumbprint_as_in_rfc_8037() -> None:
    key = keys.private_key(Secret.of(json.dumps(RFC_8037)))
    assert keys.id_of(key) == RFC_8037_ID
    assert AUDIENCE in str(claims().payload())


def test_keys_rotate_without_a_restart(tmp_path: Path) -> None:
    first, second, public = (tmp_path / name for name in ("a.jwk", "b.jwk", "all.jwks"))
    keys.new_pair(first, public)
    inside = tmp_path / "signing.jwk"
    inside.write_text(first.read_text())
    signer, of_public = Signer(Secret.file(inside)), verifier([public])
    old = signer.sign(claims())
    keys.new_pair(second, public)
    inside.write_text(second.read_text())
    new = signer.sign(claims())
    assert of_public.verify(old) == of_public.verify(new) == claims()
    [_, kept] = json.loads(public.read_text())["keys"]
    public.write_text(json.dumps(kept))
    assert of_public.verify(new) == claims()
    with pytest.raises(NotProven, match="not known here"):
        of_public.verify(old)


def test_what_cannot_be_read_now_is_as_it_was(pair: tuple[Path, Path]) -> None:
    private, public = pair
    of_public, token = verifier([public]), Signer(Secret.file(private)).sign(claims())
    of_public.verify(token)
    public.write_text("{")
    assert of_public.verify(token) == claims()
    with pytest.raises(NotProven, match="not known here"):
        verifier([public]).verify(token)


def test_who_signs_verifies_what_it_signed(pair: tuple[Path, Path]) -> None:
    secret = Secret.file(pair[0])
    assert verifier([], secret).verify(Signer(secret).sign(claims())) == claims()
    assert verifier([], secret).check() == verifier([pair[1]]).check()


# --- keys -------------------------------------------------------------------------------------


def test_a_private_key_is_for_its_owner_and_never_overwritten(pair: tuple[Path, Path]) -> None:
    private, public = pair
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_text(), public.read_text()
    with pytest.raises(FileExistsError):
        keys.new_pair(private, public)
    assert (private.read_text(), public.read_text()) == before
    assert '"d"' not in public.read_text()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        '{"keys": []}',
        '{"keys": 5}',
        '{"keys": ["x"]}',
        '{"kty": "RSA", "n": "AQAB", "e": "AQAB"}',
        '{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}',
        '{"kty": "OKP", "crv": "Ed448", "x": "AAAA"}',
        json.dumps(RFC_8037),
        json.dumps({"keys": [{**RFC_8037, "kid": "a"}] * 2}).replace('"d"', '"e"'),
    ],
)
def test_a_file_that_holds_no_public_keys_says_so_and_shows_nothing(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "identity.jwks"
    file.write_text(content)
    with pytest.raises(GatewayError) as caught:
        verifier([file]).check()
    assert str(RFC_8037["d"]) not in str(caught.value)
    assert "identity.jwks" in caught.value.message


@pytest.mark.parametrize(
    "content", ["{}", '{"kty": "OKP", "crv": "Ed25519", "d": "AA", "x": "AA"}']
)
def test_a_signing_key_that_is_none_says_so(content: str) -> None:
    with pytest.raises(GatewayError, match="signing key"):
        Signer(Secret.of(content)).check()


def test_without_keys_what_is_signed_is_refused_and_without_need_what_is_not_is_let_in() -> None:
    assert Proof().claims("") is None
    with pytest.raises(NotProven, match="has no key"):
        Proof().claims("a.b.c")
    with pytest.raises(NotProven, match="is not signed"):
        Proof(required=True).claims("")
