"""The codec: sealed under the contract's key, opened by the key's id alone."""

from __future__ import annotations

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

from gateways.encryption import sealing
from gateways.encryption.masters import unavailable
from gateways.errors import GatewayError
from tests.unit.encryption.stores import CONTRACT, key_ring
from wiring.codec import SealedFailures, SealingCodec
from wiring.sealed import ALGORITHM, KEY_ID, NoKeysCodec, is_sealed, key_id_of, key_ids

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
    [sealed] = await SealingCodec(key_ring(tmp_path)).with_context(INVOICE).encode([payload])
    assert is_sealed(sealed)
    assert b"Acme" not in sealed.SerializeToString()
    assert await SealingCodec(key_ring(tmp_path)).decode([sealed]) == [payload]


async def test_large_payloads_become_small(tmp_path: Path) -> None:
    small, large = await SealingCodec(key_ring(tmp_path)).encode([SMALL, LARGE])
    assert small.metadata[ALGORITHM] == b"A256GCM"
    assert large.metadata[ALGORITHM] == b"zlib+A256GCM"
    assert large.ByteSize() < LARGE.ByteSize() / 20


@pytest.mark.parametrize(
    ("context", "scope"), [(INVOICE, CONTRACT), (ACTIVITY, CONTRACT), (SWEEP, "shared")]
)
async def test_the_key_is_the_contracts(
    tmp_path: Path, context: SerializationContext, scope: str
) -> None:
    [sealed] = await SealingCodec(key_ring(tmp_path)).with_context(context).encode([SMALL])
    assert key_id_of(sealed).rpartition("/")[0] == scope
    assert key_ids([sealed, SMALL, sealed]) == [key_id_of(sealed)]


async def test_the_same_twice_is_not_the_same_bytes(tmp_path: Path) -> None:
    one, two = await SealingCodec(key_ring(tmp_path)).encode([SMALL, SMALL])
    assert one.data != two.data


async def test_what_is_clear_is_passed_on(tmp_path: Path) -> None:
    codec = SealingCodec(key_ring(tmp_path))
    [sealed] = await codec.encode([SMALL])
    assert await codec.decode([LARGE, sealed, SMALL]) == [LARGE, SMALL, SMALL]


async def test_what_is_for_an_erased_contract_is_under_the_shared_key(tmp_path: Path) -> None:
    """A sweep that has news for it goes on with the others."""
    ring = key_ring(tmp_path)
    [before] = await SealingCodec(ring).with_context(INVOICE).encode([SMALL])
    key_ring(tmp_path).erase(CONTRACT, by="ana", reason="asked", at=datetime.now(UTC))
    codec = SealingCodec(key_ring(tmp_path)).with_context(INVOICE)
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
    codec = SealingCodec(key_ring(tmp_path))
    assert await codec.encode([]) == []
    assert await codec.decode([]) == []
    assert list(tmp_path.iterdir()) == []


async def test_turned_off_it_still_opens(tmp_path: Path) -> None:
    [sealed] = await SealingCodec(key_ring(tmp_path)).encode([SMALL])
    off = SealingCodec(key_ring(tmp_path), seals=False).with_context(INVOICE)
    assert await off.encode([SMALL]) == [SMALL]
    assert await off.decode([sealed]) == [SMALL]


@pytest.mark.parametrize("where", ["data", KEY_ID, ALGORITHM])
async def test_whatever_is_changed_is_found_out(tmp_path: Path, where: str) -> None:
    codec = SealingCodec(key_ring(tmp_path))
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
    codec = SealingCodec(key_ring(tmp_path))
    [sealed] = await codec.encode([SMALL])
    sealed.data = data
    with pytest.raises(GatewayError, match=key_id_of(sealed)):
        await codec.decode([sealed])


async def test_a_payload_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = SealingCodec(key_ring(tmp_path))
    [sealed] = await codec.encode([LARGE])
    monkeypatch.setattr(sealing, "MAX_OPENED_BYTES", 1_000)
    with pytest.raises(GatewayError, match="larger than 1000 bytes"):
        await codec.decode([sealed])


async def test_without_keys_sealed_payloads_say_what_is_lacking(tmp_path: Path) -> None:
    [sealed] = await SealingCodec(key_ring(tmp_path)).encode([SMALL])
    assert await NoKeysCodec().decode([SMALL]) == [SMALL]
    assert await NoKeysCodec().encode([SMALL]) == [SMALL]
    with pytest.raises(GatewayError, match=f"key {key_id_of(sealed)} is needed, and no master"):
        await NoKeysCodec().decode([SMALL, sealed])
