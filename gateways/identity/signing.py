"""Signs and verifies who sends a message: a compact JWS (RFC 7515) with Ed25519."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from contracts.actors import ALGORITHM, AUDIENCE, Claims, NotProven
from gateways.errors import GatewayError
from gateways.identity import keys
from gateways.secrets import Secret

TYPE = "c2c-actor+jwt"
"""Tells these signatures from whatever else is signed."""

_log = logging.getLogger(__name__)


class Signer:
    """Signs by a private key; its file is read for each use. Thread-safe."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def sign(self, claims: Claims) -> str:
        """The claims as a compact JWS. Raises GatewayError of kind CREDENTIALS."""
        key = keys.private_key(self._secret)
        header = {"alg": ALGORITHM, "kid": keys.id_of(key), "typ": TYPE}
        content = json.dumps(claims.payload(), separators=(",", ":"))
        return jws.serialize_compact(header, content, key, algorithms=[ALGORITHM])

    def check(self) -> str:
        """The id of the key. Raises GatewayError."""
        return keys.id_of(keys.private_key(self._secret))


def _now() -> datetime:
    return datetime.now(UTC)


class Verifier:
    """Verifies by public keys from files, and by the half of the own signing key. A file that
    cannot be read now is as it was read last. Thread-safe.

    How old a signature may be is a matter of this process's clock: whoever signed it has the same
    one, within seconds. A workflow's own clock is behind while nothing wakes it, and in trials and
    tests months ahead.
    """

    def __init__(
        self,
        files: Sequence[Path],
        own: Secret | None = None,
        *,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._now = now
        self._sources = [_Public(path) for path in files]
        if own is not None:
            self._sources.append(_Own(own))

    def verify(self, token: str) -> Claims:
        """What the signature says. Raises NotProven, whose text says why, for people."""
        try:
            found = jws.deserialize_compact(token, self._key_of, algorithms=[ALGORITHM])
            payload = _checked(found.headers(), json.loads(found.payload or b""))
            claims = Claims.of(payload)
        except NotProven:
            raise
        # The library's errors, and those of what is not even JSON or Base64.
        except (JoseError, ValueError, TypeError, RecursionError):
            raise NotProven("its signature is not right") from None
        if untimely := claims.untimely(self._now()):
            raise NotProven(untimely)
        return claims

    def check(self) -> list[str]:
        """The ids of the keys. Raises GatewayError."""
        return sorted({key_id for source in self._sources for key_id in source.read()})

    def _key_of(self, signature: Any) -> OKPKey:
        key_id = signature.headers().get("kid")
        for source in self._sources:
            found = source.current().get(key_id) if isinstance(key_id, str) else None
            if found is not None:
                return found
        raise NotProven("its signature is by a key that is not known here (identity.verify)")


class _Public:
    """Public keys in a file."""

    def __init__(self, path: Path) -> None:
        self._secret, self._where = Secret.file(path), str(path)
        self._kept: dict[str, OKPKey] = {}

    def read(self) -> dict[str, OKPKey]:
        """The keys as they are now. Raises GatewayError."""
        return keys.public_keys(self._secret, self._where)

    def current(self) -> dict[str, OKPKey]:
        """The same; where they cannot be read, as they were last."""
        try:
            self._kept = self.read()
        except GatewayError as error:
            _log.warning("public keys cannot be read: %s", error.message)
        return self._kept


class _Own(_Public):
    """The public half of the own signing key."""

    def __init__(self, secret: Secret) -> None:
        self._secret, self._where = secret, "the signing key"
        self._kept = {}

    def read(self) -> dict[str, OKPKey]:
        key = keys.public_of(keys.private_key(self._secret))
        return {keys.id_of(key): key}


P = TypeVar("P")


def _checked(header: dict[str, Any], payload: P) -> P:
    """The payload, if it is one of ours."""
    is_ours = isinstance(payload, dict) and payload.get("aud") == AUDIENCE
    if header.get("typ") != TYPE or not is_ours:
        raise NotProven("its signature is for something else than a message to a workflow")
    return payload
