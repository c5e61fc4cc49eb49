"""Cookies that only the application can read and make: AES-256-GCM, with the id of its key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateways.errors import GatewayError
from gateways.identity.login_settings import CookieSettings
from gateways.secrets import Secret
from wiring.settings import ConfigurationError

KEY_BYTES = 32
MAX_BYTES = 3_800
"""Of one cookie: browsers drop what is larger than 4,096 with its name and attributes."""
_NONCE_BYTES = 12
_OWN = "process"


class TooLarge(ValueError):
    """A document that no cookie holds."""


class Sealer:
    """Seals documents for cookies, and opens what it sealed. Each purpose has keys of its own.

    A key file is read for each use, so that keys are replaced without a restart.
    """

    def __init__(self, secrets: Mapping[str, Secret], active: str) -> None:
        self._secrets, self._active = dict(secrets), active

    @classmethod
    def configured(cls, settings: CookieSettings) -> Sealer:
        """By the configured keys, or by one that ends with the process."""
        if settings.keys:
            secrets = {name: item.secret for name, item in settings.keys.items()}
            return cls(secrets, settings.active_key)
        own = base64.b64encode(os.urandom(KEY_BYTES)).decode()
        return cls({_OWN: Secret.of(own)}, _OWN)

    def check(self) -> None:
        """Read every key. Raises ConfigurationError."""
        for name in self._secrets:
            try:
                self._key(name, "check")
            except (GatewayError, ValueError) as error:
                text = f"identity.cookie.keys.{name} cannot be used: {error}"
                raise ConfigurationError(text) from None

    def seal(self, purpose: str, document: Mapping[str, Any]) -> str:
        """The document as a cookie's value. Raises TooLarge, and GatewayError where the key cannot
        be read."""
        nonce = os.urandom(_NONCE_BYTES)
        content = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        sealed = AESGCM(self._key(self._active, purpose)).encrypt(
            nonce, content, _bound(purpose, self._active)
        )
        value = f"{self._active}.{_text(nonce + sealed)}"
        if len(value) > MAX_BYTES:
            raise TooLarge(f"a cookie of more than {MAX_BYTES} bytes")
        return value

    def open(self, purpose: str, value: str) -> dict[str, Any] | None:
        """The document; None for whatever this application did not seal for this purpose."""
        name, _, sealed = value.partition(".")
        if name not in self._secrets or len(value) > MAX_BYTES:
            return None
        try:
            raw = _bytes(sealed)
            content = AESGCM(self._key(name, purpose)).decrypt(
                raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(purpose, name)
            )
            document = json.loads(content)
        except (InvalidTag, GatewayError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def mark(self, purpose: str, text: str) -> str:
        """What nobody else can derive from the text."""
        return self._mark(self._active, purpose, text)

    def is_mark(self, purpose: str, text: str, given: str) -> bool:
        """Whether that was derived from the text, by any of the keys."""
        found = False
        for name in self._secrets:
            try:
                right = self._mark(name, purpose, text)
            except (GatewayError, ValueError):
                continue  # a file that cannot be read leaves the other keys
            found |= hmac.compare_digest(given.encode(), right.encode())
        return found

    def _mark(self, name: str, purpose: str, text: str) -> str:
        digest = hmac.new(self._key(name, purpose), text.encode(), hashlib.sha256).digest()
        return _text(digest)

    def _key(self, name: str, purpose: str) -> bytes:
        """The key for one purpose. Raises GatewayError, and ValueError for what is no key."""
        try:
            master = base64.b64decode(self._secrets[name].reveal(), validate=True)
        except binascii.Error:
            raise ValueError(f"it is not {KEY_BYTES} bytes as Base64") from None
        if len(master) != KEY_BYTES:
            raise ValueError(f"it is not {KEY_BYTES} bytes as Base64")
        return HKDF(SHA256(), KEY_BYTES, None, f"c2c {purpose}".encode()).derive(master)


def _bound(purpose: str, name: str) -> bytes:
    """What is authenticated beside the content."""
    return f"{purpose} {name}".encode()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
