"""What a sealed payload looks like, and what is done with one where there are no keys. Light to
import: keys and what they need are in `codec`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, PayloadCodec

ENCODING, SEALED = "encoding", b"binary/encrypted"
KEY_ID, ALGORITHM = "encryption-key-id", "encryption-algorithm"
RECORD = "encryption-record"
"""Of a large payload: the name of the record that has it."""
_MOST_LETTERS = 200


class NoKeysCodec(PayloadCodec):
    """Where no master is configured: passes on what is clear, and says of what is sealed why it
    cannot be read."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises GatewayError `key_unavailable` for a sealed one."""
        for payload in filter(is_sealed, payloads):
            from gateways.encryption.masters import unavailable  # late: cryptography comes with it

            raise unavailable(
                f"the key {key_id_of(payload)} is needed, and no master key is configured here: "
                "add [encryption] and [records] to the configuration, as the workers have them"
            )
        return list(payloads)


class SharedConverter(CompositePayloadConverter):
    """Pydantic's, which keeps what it has learned of types, once for the whole process.

    A worker makes a converter for each workflow that it loads, which would learn it again.
    """

    _converters = tuple(PydanticPayloadConverter().converters.values())

    def __init__(self) -> None:
        super().__init__(*self._converters)


CLEAR = DataConverter(payload_converter_class=SharedConverter, payload_codec=NoKeysCodec())
"""Turns values into clear payloads, and refuses sealed ones in words."""


def is_sealed(payload: Payload) -> bool:
    return payload.metadata.get(ENCODING) == SEALED


def key_id_of(payload: Payload) -> str:
    """The id of the key that a sealed payload names."""
    return payload.metadata.get(KEY_ID, b"").decode(errors="replace")


def key_ids(payloads: Iterable[Payload]) -> list[str]:
    """The keys that payloads are sealed under, each once; none of ours has more letters."""
    return sorted({key_id_of(item)[:_MOST_LETTERS] for item in payloads if is_sealed(item)})
