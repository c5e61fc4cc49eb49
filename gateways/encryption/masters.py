"""Master keys wrap data keys: those of files here, those of a key management service in `kms`."""

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


class Master(Protocol):
    """One master key. Thread-safe."""

    def wrap(self, key_id: str, key: bytes) -> bytes:
        """A data key as only this master opens it, and only under this key id."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """The data key. Raises GatewayError `key_unavailable` where this master did not wrap it."""
        ...

    def check(self) -> None:
        """Raises GatewayError where the master cannot be used."""
        ...


class MasterSet:
    """Masters by their ids, of which one wraps. They may be of different kinds."""

    def __init__(self, masters: Mapping[str, Master], active: str) -> None:
        if active not in masters:
            raise ValueError("the active master is not among the masters")
        self._masters, self._active = dict(masters), active

    @property
    def active(self) -> str:
        return self._active

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._masters)

    def wrap(self, key_id: str, key: bytes) -> bytes:
        return self._masters[self._active].wrap(key_id, key)

    def unwrap(self, master: str, key_id: str, wrapped: bytes) -> bytes:
        return self._masters[master].unwrap(key_id, wrapped)

    def check(self) -> None:
        """Try every master once. Raises GatewayError for the first that cannot be used."""
        for master in self._masters.values():
            master.check()


class LocalMaster:
    """A master key from a file or the environment; a file is read again for each use."""

    def __init__(self, name: str, secret: Secret) -> None:
        self._name, self._secret = name, secret

    def wrap(self, key_id: str, key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, key, self._bound_to(key_id))

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            return self._cipher().decrypt(nonce, sealed, self._bound_to(key_id))
        except (InvalidTag, ValueError):
            raise opens_not(self._name, key_id) from None

    def check(self) -> None:
        self._cipher()

    def _cipher(self) -> AESGCM:
        try:
            key = base64.b64decode(self._secret.reveal(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            text = f"the master {self._name} is not {KEY_BYTES} bytes as Base64"
            raise unavailable(f"{text}; c2c keys new-master makes one")
        return AESGCM(key)

    def _bound_to(self, key_id: str) -> bytes:
        """A wrapped key is worth nothing under another name."""
        return f"c2c wrapped key\0{self._name}\0{key_id}".encode()


def new_master() -> str:
    """A master key as its file holds it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def unavailable(text: str) -> errors.GatewayError:
    """A key cannot be had; the message says which and why."""
    return errors.credentials(SYSTEM, "key_unavailable", f"{text[:1].upper()}{text[1:]}.")


def opens_not(master: str, key_id: str) -> errors.GatewayError:
    """A master is not the one that wrapped a key."""
    return unavailable(f"the master {master} does not open the key {key_id}: it is another one")
