"""Masters in a key management service, judged by moto, which speaks the protocol of AWS KMS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from pydantic import ValidationError

from gateways.encryption.keys import KEEP_SECONDS, KeyRing
from gateways.encryption.kms import KmsMaster
from gateways.encryption.masters import LocalMaster, MasterSet
from gateways.encryption.settings import MasterSettings
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from gateways.secrets import Secret
from tests.amazon import served_services
from tests.unit.encryption.stores import CONTRACT, MASTERS, Clock
from wiring import encryption
from wiring.settings import ConfigurationError, Protection

REGION = "eu-west-1"
KEY_ID = f"{CONTRACT}/5f3c9a10"
CLEAR = b"k" * 32
NO_CREDENTIALS: Exception = NoCredentialsError()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served_services() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield url


def service(url: str) -> Any:
    return KmsMaster("any", "any", endpoint=url, region=REGION)._kms


@pytest.fixture
def key(url: str) -> str:
    """The id of a key of the service."""
    return str(service(url).create_key()["KeyMetadata"]["KeyId"])


@pytest.fixture
def master(url: str, key: str) -> KmsMaster:
    return KmsMaster("aws", key, endpoint=url, region=REGION)


def test_what_it_wraps_it_opens_and_the_store_has_nothing_in_clear(
    master: KmsMaster, tmp_path: Path
) -> None:
    made = KeyRing(FolderStore(tmp_path), MasterSet({"aws": master}, "aws")).key_for(CONTRACT)
    found = KeyRing(FolderStore(tmp_path), MasterSet({"aws": master}, "aws")).key(made.id)
    nonce = b"n" * 12
    assert found.cipher.decrypt(nonce, made.cipher.encrypt(nonce, b"text", None), None) == b"text"
    wrapped = master.wrap(KEY_ID, CLEAR)
    assert CLEAR not in wrapped
    assert master.unwrap(KEY_ID, wrapped) == CLEAR
    master.check()


def test_a_wrapped_key_opens_under_its_own_id_only(master: KmsMaster) -> None:
    wrapped = master.wrap(KEY_ID, CLEAR)
    with pytest.raises(GatewayError, match="does not open the key") as caught:
        master.unwrap("contract/northwind/C-2/5f3c9a10", wrapped)
    assert caught.value.kind is FailureKind.CREDENTIALS


def test_keys_go_from_a_file_to_the_service_and_on_to_another_key_of_it(
    master: KmsMaster, url: str, tmp_path: Path
) -> None:
    other = service(url).create_key()["KeyMetadata"]["Arn"]
    local = LocalMaster("file", Secret.of(MASTERS["old"]))
    following = KmsMaster("next", other, endpoint=url, region=REGION)
    made = KeyRing(FolderStore(tmp_path), MasterSet({"file": local}, "file")).key_for(CONTRACT)
    steps: list[dict[str, Any]] = [
        {"file": local, "aws": master},
        {"aws": master, "next": following},
    ]
    for masters in steps:
        ring = KeyRing(FolderStore(tmp_path), MasterSet(masters, list(masters)[-1]))
        assert [ring.rewrap(item) for item in list(ring.wrapped())] == [True]
    alone = KeyRing(FolderStore(tmp_path), MasterSet({"next": following}, "next"))
    assert alone.key(made.id).id == made.id
    assert {item.master for item in alone.wrapped()} == {"next"}


def test_a_key_that_is_not_there_is_for_a_person(url: str) -> None:
    missing = KmsMaster("aws", "00000000-0000-0000-0000-000000000000", endpoint=url, region=REGION)
    with pytest.raises(GatewayError, match=r"NotFoundException.*correct kms_key") as caught:
        missing.check()
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "key_unavailable")


def said(code: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "secret words"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Decrypt")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (said("AccessDeniedException"), FailureKind.CREDENTIALS, "allow kms:Encrypt and kms:Decr"),
        (said("DisabledException"), FailureKind.CREDENTIALS, "enable it"),
        (said("KMSInvalidStateException"), FailureKind.CREDENTIALS, "cancel its deletion"),
        (said("IncorrectKeyException"), FailureKind.CREDENTIALS, "does not open the key"),
        (said("ExpiredTokenException"), FailureKind.CREDENTIALS, "correct the keys of AWS's"),
        (NO_CREDENTIALS, FailureKind.CREDENTIALS, "correct the keys of AWS's"),
        (said("ThrottlingException"), FailureKind.TRANSIENT, "ThrottlingException"),
        (said("KeyUnavailableException", 500), FailureKind.TRANSIENT, "does not answer"),
        (said("Unknown", 503), FailureKind.TRANSIENT, "does not answer"),
    ],
    ids=str,
)
def test_what_the_service_says_is_said_for_people(
    error: Exception, kind: FailureKind, words: str
) -> None:
    master = KmsMaster("aws", "alias/c2c")
    vars(master)["_kms"] = Refusing(error)
    for act in (partial(master.wrap, KEY_ID, CLEAR), partial(master.unwrap, KEY_ID, b"wrapped")):
        with pytest.raises(GatewayError, match=words) as caught:
            act()
        assert caught.value.kind is kind
        assert KEY_ID in caught.value.message
        assert "secret words" not in caught.value.message


class Refusing:
    """A client of the service that answers every call by the same error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def encrypt(self, **_: Any) -> None:
        raise self._error

    def decrypt(self, **_: Any) -> None:
        raise self._error


def test_where_the_service_is_away_keys_in_memory_go_on(master: KmsMaster, tmp_path: Path) -> None:
    clock = Clock()
    ring = KeyRing(FolderStore(tmp_path), MasterSet({"aws": master}, "aws"), clock=clock)
    key = ring.key_for(CONTRACT)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"
        gone = KmsMaster("aws", "any", endpoint=away, region=REGION)
        with pytest.raises(GatewayError, match="does not answer") as caught:
            gone.unwrap(KEY_ID, b"wrapped")
    assert (caught.value.kind, caught.value.code) == (FailureKind.TRANSIENT, "kms_unavailable")
    vars(master)["_kms"] = gone._kms
    clock.now = 2 * KEEP_SECONDS
    assert ring.key(key.id).id == key.id
    assert ring.key_for(CONTRACT).id == key.id


def test_it_is_configured_like_a_file_and_checked_before_a_process_serves(
    url: str, key: str, tmp_path: Path
) -> None:
    place = {"kms_region": REGION, "kms_endpoint": url}

    def configured(kms_key: str) -> Protection:
        masters = {"aws": {"kms_key": kms_key, **place}, "2025": {"key": MASTERS["old"]}}
        return Protection.model_validate(
            {"records": {"folder": tmp_path}, "encryption": {"masters": masters, "active": "aws"}}
        )

    encryption.check_keys(configured(key))
    [wrapped] = encryption.key_ring(configured(key)).wrapped()
    assert (wrapped.scope, wrapped.master) == ("shared", "aws")
    with pytest.raises(ConfigurationError, match="AWS KMS refuses the master aws"):
        encryption.check_keys(configured("alias/unknown"))


@pytest.mark.parametrize(
    "given",
    [
        {"kms_key": "alias/c2c", "key": "k"},
        {"kms_region": REGION, "key": "k"},
        {"kms_key": "alias/c2c", "kms_endpoint": "http://kms.example"},
        {},
    ],
    ids=str,
)
def test_what_is_no_master_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        MasterSettings.model_validate(given)
