"""The codec of Temporal's payloads: sealed under the key of the contract that they belong to.

What is large all the same is kept in the record store, and the payload has the record's name.
What is clear, from before encryption was turned on, is passed on as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    DefaultFailureConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
    PayloadConverter,
    SerializationContext,
    WithSerializationContext,
)

from gateways import errors
from gateways.encryption.keys import ERASED, SHARED, DataKey, KeyRing, scope_of
from gateways.encryption.large_payloads import LargePayloads
from gateways.encryption.masters import SYSTEM
from gateways.encryption.sealing import seal, unseal
from gateways.errors import GatewayError
from wiring.sealed import ALGORITHM, ENCODING, KEY_ID, RECORD, SEALED, is_sealed, key_id_of


class SealingCodec(PayloadCodec, WithSerializationContext):
    """Seals payloads, and opens those that are sealed.

    With `seals` off it only opens: so histories stay readable once encryption is turned off.
    """

    def __init__(
        self, keys: KeyRing, large: LargePayloads, *, scope: str = SHARED, seals: bool = True
    ) -> None:
        self._keys, self._large, self._scope, self._seals = keys, large, scope, seals

    def with_context(self, context: SerializationContext) -> Self:
        """The same for the workflow that payloads are for, or come from."""
        scope = scope_of(getattr(context, "workflow_id", None))
        return self if scope == self._scope else self.for_scope(scope)

    def for_scope(self, scope: str) -> Self:
        return type(self)(self._keys, self._large, scope=scope, seals=self._seals)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises GatewayError where the scope's key cannot be had, or a large payload not kept."""
        if not payloads or not self._seals:
            return list(payloads)
        key = self._keys.kept_for(self._scope)
        if key is None:  # the record store is read, beside the event loop
            key = await asyncio.to_thread(self._key)
        return [await self._sealed(key, payload) for payload in payloads]

    async def _sealed(self, key: DataKey, payload: Payload) -> Payload:
        algorithm, data = seal(key, payload.SerializeToString())
        metadata = {ENCODING: SEALED, KEY_ID: key.id.encode(), ALGORITHM: algorithm.encode()}
        if not self._large.takes(data):
            return Payload(metadata=metadata, data=data)
        scope = key.id.rpartition("/")[0]
        name = await asyncio.to_thread(self._large.keep, scope, data)
        return Payload(metadata={**metadata, RECORD: name.encode()})

    def _key(self) -> DataKey:
        """The scope's key, or the shared one for a contract that was erased.

        A sweep that has news for it must not stop there for all others; nothing reads it.
        """
        try:
            return self._keys.key_for(self._scope)
        except GatewayError as error:
            if error.code != ERASED:
                raise
        return self._keys.key_for(SHARED)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises GatewayError where the key that a payload names cannot be had."""
        return [await self._opened(item) if is_sealed(item) else item for item in payloads]

    async def _opened(self, payload: Payload) -> Payload:
        key_id = key_id_of(payload)
        key = self._keys.kept(key_id)
        if key is None:
            key = await asyncio.to_thread(self._keys.key, key_id)
        algorithm = payload.metadata.get(ALGORITHM, b"").decode(errors="replace")
        sealed = payload.data
        if RECORD in payload.metadata:
            name = payload.metadata[RECORD].decode(errors="replace")
            sealed = await asyncio.to_thread(self._large.read, name, key_id)
        try:
            return Payload.FromString(unseal(key, algorithm, sealed))
        except DecodeError:
            text = f"What was sealed under the key {key_id} is no payload."
            raise errors.defect(SYSTEM, "payload_unreadable", text) from None


class SealedFailures(DefaultFailureConverterWithEncodedAttributes):
    """Failures whose words are sealed, but for those of keys: who cannot read the rest reads these.

    They name keys and masters, and nobody.
    """

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        if isinstance(exception, GatewayError) and exception.system == SYSTEM:
            _CLEAR_FAILURES.to_failure(exception, payload_converter, failure)
        else:
            super().to_failure(exception, payload_converter, failure)


_CLEAR_FAILURES = DefaultFailureConverter()
