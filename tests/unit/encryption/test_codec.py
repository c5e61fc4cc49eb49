"""The codec: sealed under the contract's key, opened by the key's id alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    ActivitySerializationContext,
    SerializationContext,
    WorkflowSerializationContext,
)

from gateways.encryption import large_payloads, sealing
from gateways.encryption.masters import unavailable
from gateways.errors import FailureKind, GatewayError
from gateways.record_store.folder import FolderStore
from tests.unit.encryption.stores import CONTRACT, key_ring, sealing_codec
from wiring.codec import SealedFailures
from wiring.sealed import ALGORITHM, KEY_ID, RECORD, NoKeysCodec, is_sealed, key_id_of, key_ids

SMALL = Payload(metadata={"encoding": b"json/plain"}, data=b'"Acme Industries"')
LARGE = Payload(metadata={"encoding": b"json/plain"}, data=b'"Acme Industries"' * 1_000)
INVOICE = WorkflowSerializationContext(namespace="default", workflow_id=f"{CONTRACT}/invoice/1")
SWEEP = WorkflowSerializationContext(namespace="default", workflow_id="sweep")
ACTIVITY = ActivitySerializationContext(
    namespace="default",
    activity_id="1",
    activity_type="post_invoice",
    activity_task_queue="odoo",
    workflow_id=CONTRACT,
    workflow_type="ContractWorkflow",
    is_local=False,
)


@pytest.mark.parametrize("payload", [SMALL, LARGE], ids=["small", "large"])
async def test_what_is_sealed_is_opened_elsewhere(tmp_path: Path, payload: Payload) -> None:
    [sealed] = await sealing_codec(tmp_path).with_context(INVOICE).encode([payload])
    assert is_sealed(sealed)
    assert b"Acme" not in sealed.SerializeToString()
    assert await sealing_codec(tmp_path).decode([sealed]) == [payload]


async def test_large_payloads_become_small(tmp_path: Path) -> None:
    small, large = await sealing_codec(tmp_path).encode([SMALL, LARGE])
    assert small.metadata[ALGORITHM] == b"A256GCM"
    assert large.metadata[ALGORITHM] == b"zlib+A256GCM"
    assert large.ByteSize() < LARGE.ByteSize() / 20


@pytest.mark.parametrize(
    ("context", "scope"), [(INVOICE, CONTRACT), (ACTIVITY, CONTRACT), (SWEEP, "shared")]
)
async def test_the_key_is_the_contracts(
    tmp_path: Path, context: SerializationContext, scope: str
) -> None:
    [sealed] = await sealing_codec(tmp_path).with_context(context).encode([SMALL])
    assert key_id_of(sealed).rpartition("/")[0] == scope
    assert key_ids([sealed, SMALL, sealed]) == [key_id_of(sealed)]


async def test_the_same_twice_is_not_the_same_bytes(tmp_path: Path) -> None:
    one, two = await sealing_codec(tmp_path).encode([SMALL, SMALL])
    assert one.data != two.data


async def test_what_is_clear_is_passed_on(tmp_path: Path) -> None:
    codec = sealing_codec(tmp_path)
    [sealed] = await codec.encode([SMALL])
    assert await codec.decode([LARGE, sealed, SMALL]) == [LARGE, SMALL, SMALL]


async def test_what_is_for_an_erased_contract_is_under_the_shared_key(tmp_path: Path) -> None:
    """A sweep that has news for it goes on with the others."""
    ring = key_ring(tmp_path)
    [before] = await sealing_codec(tmp_path, ring).with_context(INVOICE).encode([SMALL])
    key_ring(tmp_path).erase(CONTRACT, by="ana", reason="asked", at=datetime.now(UTC))
    codec = sealing_codec(tmp_path).with_context(INVOICE)
    [after] = await codec.encode([SMALL])
    assert key_id_of(after).startswith("shared/")
    with pytest.raises(GatewayError, match="erased"):
        await codec.decode([before])


def test_failures_are_sealed_but_for_those_of_keys() -> None:
    converter, values = SealedFailures(), pydantic_data_converter.payload_converter
    secret, key = Failure(), Failure()
    converter.to_failure(ValueError("Acme Industries"), values, secret)
    converter.to_failure(unavailable("the key shared/5f3c9a10 is gone"), values, key)
    assert "Acme" not in secret.message + secret.stack_trace
    assert "shared/5f3c9a10" in key.message


async def test_nothing_to_seal_makes_no_key(tmp_path: Path) -> None:
    codec = sealing_codec(tmp_path)
    assert await codec.encode([]) == []
    assert await codec.decode([]) == []
    assert list(tmp_path.iterdir()) == []


async def test_turned_off_it_still_opens(tmp_path: Path) -> None:
    [sealed] = await sealing_codec(tmp_path).encode([SMALL])
    off = sealing_codec(tmp_path, seals=False).with_context(INVOICE)
    assert await off.encode([SMALL]) == [SMALL]
    assert await off.decode([sealed]) == [SMALL]


@pytest.mark.parametrize("where", ["data", KEY_ID, ALGORITHM])
async def test_whatever_is_changed_is_found_out(tmp_path: Path, where: str) -> None:
    codec = sealing_codec(tmp_path)
    [sealed] = await codec.encode([LARGE])
    [other] = await codec.with_context(INVOICE).encode([LARGE])
    if where == "data":
        sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    elif where == KEY_ID:
        sealed.metadata[KEY_ID] = other.metadata[KEY_ID]
    else:
        sealed.metadata[ALGORITHM] = b"A256GCM"
    with pytest.raises(GatewayError) as caught:
        await codec.decode([sealed])
    assert caught.value.code == "payload_unreadable"


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 500])
async def test_what_is_no_sealed_payload_is_an_error_for_people(
    tmp_path: Path, data: bytes
) -> None:
    codec = sealing_codec(tmp_path)
    [sealed] = await codec.encode([SMALL])
    sealed.data = data
    with pytest.raises(GatewayError, match=key_id_of(sealed)):
        await codec.decode([sealed])


async def test_a_payload_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = sealing_codec(tmp_path)
    [sealed] = await codec.encode([LARGE])
    monkeypatch.setattr(sealing, "MAX_OPENED_BYTES", 1_000)
    with pytest.raises(GatewayError, match="larger than 1000 bytes"):
        await codec.decode([sealed])


async def test_without_keys_sealed_payloads_say_what_is_lacking(tmp_path: Path) -> None:
    [sealed] = await sealing_codec(tmp_path).encode([SMALL])
    assert await NoKeysCodec().decode([SMALL]) == [SMALL]
    assert await NoKeysCodec().encode([SMALL]) == [SMALL]
    with pytest.raises(GatewayError, match=f"key {key_id_of(sealed)} is needed, and no master"):
        await NoKeysCodec().decode([SMALL, sealed])


# --- large payloads -----------------------------------------------------------------------------

HUGE = Payload(metadata={"encoding": b"binary/plain"}, data=os.urandom(3_000_000))


async def test_what_is_too_large_for_temporal_is_kept_in_the_record_store(tmp_path: Path) -> None:
    codec = sealing_codec(tmp_path).with_context(INVOICE)
    small, huge = await codec.encode([SMALL, HUGE])
    assert RECORD not in small.metadata
    assert is_sealed(huge)
    assert huge.ByteSize() < 1_000
    name = huge.metadata[RECORD].decode()
    assert name.startswith(f"payloads/{CONTRACT}/")
    stored = FolderStore(tmp_path).read(name)
    assert stored is not None
    assert HUGE.data[:50] not in stored
    assert await sealing_codec(tmp_path).decode([huge, small]) == [HUGE, SMALL]


async def test_how_large_is_as_configured(tmp_path: Path) -> None:
    many = Payload(metadata={"encoding": b"json/plain"}, data=HUGE.data[:1_500])
    for larger_than, is_kept in ((1_000, True), (2_000, False)):
        codec = sealing_codec(tmp_path, larger_than=larger_than)
        [sealed] = await codec.encode([many])
        assert (RECORD in sealed.metadata) == is_kept
        assert await sealing_codec(tmp_path).decode([sealed]) == [many]


async def test_a_process_without_the_record_says_which_one_is_missing(tmp_path: Path) -> None:
    [sealed] = await sealing_codec(tmp_path).encode([HUGE])
    name = sealed.metadata[RECORD].decode()
    FolderStore(tmp_path).delete(name)
    with pytest.raises(GatewayError, match=f"{name} is not in the record store") as caught:
        await sealing_codec(tmp_path).decode([sealed])
    assert (caught.value.kind, caught.value.code) == (FailureKind.CREDENTIALS, "payload_missing")


async def test_a_record_that_was_changed_is_found_out(tmp_path: Path) -> None:
    [sealed] = await sealing_codec(tmp_path).encode([HUGE])
    [file] = tmp_path.rglob("payloads/**/*.record")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(GatewayError, match="was changed in the record store") as caught:
        await sealing_codec(tmp_path).decode([sealed])
    assert caught.value.code == "payload_unreadable"


async def test_a_payload_leads_to_no_record_but_one_under_its_own_key(tmp_path: Path) -> None:
    [ours] = await sealing_codec(tmp_path).with_context(INVOICE).encode([HUGE])
    [shared] = await sealing_codec(tmp_path).encode([HUGE])
    key = FolderStore(tmp_path).names("keys/shared/")[0]
    digest = ours.metadata[RECORD].decode()[-64:]
    for name in (shared.metadata[RECORD].decode(), key, "", f"payloads/x/2026-13-45/{digest}"):
        ours.metadata[RECORD] = name.encode()
        with pytest.raises(GatewayError, match="is no large payload") as caught:
            await sealing_codec(tmp_path).decode([ours])
        assert caught.value.code == "payload_unreadable"


async def test_what_even_a_record_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_payloads, "MAX_RECORD_BYTES", 1_000_000)
    with pytest.raises(GatewayError, match="at most 1000000 can be kept"):
        await sealing_codec(tmp_path).encode([HUGE])
    monkeypatch.setattr(sealing, "MAX_OPENED_BYTES", 2_000_000)
    with pytest.raises(GatewayError, match="at most 2000000 can be sealed"):
        await sealing_codec(tmp_path).encode([HUGE])
    assert list(tmp_path.rglob("payloads")) == []
