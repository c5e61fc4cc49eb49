"""Master keys wrap data keys. A key management service can do the same behind the protocol."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateways import errors
from gateways.secrets import Secret

SYSTEM = "encryption"
KEY_BYTES = 32
NONCE_BYTES = 12


class Masters(Protocol):
    """What wraps data keys. Thread-safe."""

    @property
    def active(self) -> str:
        """The id of the master that wraps."""
        ...

    @property
    def ids(self) -> frozenset[str]:
        """Those that can unwrap."""
        ...

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """A data key as only the active master opens it, and only under this key id."""
        ...

    def unwrap(self, master: str, key_id: str, wrapped: bytes) -> bytes:
        """The data key. Raises GatewayError `key_unavailable` where this master did not wrap it."""
        ...


class LocalMasters:
    """Master keys from files or the environment; a file is read again for each use."""

    def __init__(self, secrets: Mapping[str, Secret], active: str) -> None:
        if active not in secrets:
            raise ValueError("the active master is not among the masters")
        self._secrets, self._active = dict(secrets), active

    @property
    def active(self) -> str:
        return self._active

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._secrets)

    def wrap(self, key_id: str, key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._cipher(self._active)
        return nonce + cipher.encrypt(nonce, key, _bound_to(self._active, key_id))

    def unwrap(self, master: str, key_id: str, wrapped: bytes) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._cipher(master).decrypt(nonce, sealed, _bound_to(master, key_id))
        except (InvalidTag, ValueError):
            text = f"the master {master} does not open the key {key_id}: it is another one"
            raise unavailable(text) from None

    def check(self) -> None:
        """Read every master once. Raises GatewayError for the first that cannot be used."""
        for master in self._secrets:
            self._cipher(master)

    def _cipher(self, master: str) -> AESGCM:
        try:
            key = base64.b64decode(self._secrets[master].reveal(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            text = f"the master {master} is not {KEY_BYTES} bytes as Base64; c2c keys new-master"
            raise unavailable(f"{text} makes one")
        return AESGCM(key)


def new_master() -> str:
    """A master key as its file holds it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def unavailable(text: str) -> errors.GatewayError:
    """A key cannot be had; the message says which and why."""
    return errors.credentials(SYSTEM, "key_unavailable", f"{text[:1].upper()}{text[1:]}.")


def _bound_to(master: str, key_id: str) -> bytes:
    """A wrapped key is worth nothing under another name."""
    return f"c2c wrapped key\0{master}\0{key_id}".encode()
