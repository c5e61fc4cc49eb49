"""Sealing of bytes under a data key: compressed, then AES-256-GCM.

The algorithm and the key's id are authenticated with it, so neither can be exchanged.
"""

from __future__ import annotations

import os
import zlib

from cryptography.exceptions import InvalidTag

from gateways import errors
from gateways.encryption.keys import DataKey
from gateways.encryption.masters import NONCE_BYTES, SYSTEM

PLAIN, COMPRESSED = "A256GCM", "zlib+A256GCM"
ALGORITHMS = frozenset({PLAIN, COMPRESSED})
MAX_OPENED_BYTES = 64_000_000
"""A record has at most 10 MB, and what we write is far from 6 times smaller by zlib there."""
_COMPRESSED_FROM_BYTES = 200
_LEVEL = 1


def seal(key: DataKey, content: bytes) -> tuple[str, bytes]:
    """The algorithm, and the content sealed. Raises GatewayError `payload_too_large` for what would
    not be opened any more."""
    if len(content) > MAX_OPENED_BYTES:
        text = f"A payload has {len(content)} bytes; at most {MAX_OPENED_BYTES} can be sealed."
        raise errors.defect(SYSTEM, "payload_too_large", text)
    algorithm = PLAIN
    if len(content) >= _COMPRESSED_FROM_BYTES:
        smaller = zlib.compress(content, _LEVEL)
        if len(smaller) < len(content):
            algorithm, content = COMPRESSED, smaller
    nonce = os.urandom(NONCE_BYTES)
    return algorithm, nonce + key.cipher.encrypt(nonce, content, _bound_to(algorithm, key.id))


def unseal(key: DataKey, algorithm: str, sealed: bytes) -> bytes:
    """The content. Raises GatewayError `payload_unreadable` where it is not what was sealed."""
    if algorithm not in ALGORITHMS:
        raise _unreadable(key, f"its algorithm {algorithm[:40]!r} is none of ours")
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        content = key.cipher.decrypt(nonce, body, _bound_to(algorithm, key.id))
    except (InvalidTag, ValueError):
        raise _unreadable(key, "it was changed, or sealed by another key") from None
    if algorithm == PLAIN:
        return content
    opening = zlib.decompressobj()
    try:
        opened = opening.decompress(content, MAX_OPENED_BYTES)
    except zlib.error:
        raise _unreadable(key, "it cannot be decompressed") from None
    if not opening.eof:
        raise _unreadable(key, f"it is larger than {MAX_OPENED_BYTES} bytes, or not whole")
    return opened


def _unreadable(key: DataKey, why: str) -> errors.GatewayError:
    text = f"A payload under the key {key.id} cannot be read: {why}."
    return errors.defect(SYSTEM, "payload_unreadable", text)


def _bound_to(algorithm: str, key_id: str) -> bytes:
    return f"c2c payload\0{algorithm}\0{key_id}".encode()
