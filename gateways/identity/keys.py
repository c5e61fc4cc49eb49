"""Ed25519 keys as JWK (RFC 8037): read, made, written. Their ids are RFC 7638 thumbprints, or what
the file says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from gateways import errors
from gateways.errors import GatewayError
from gateways.secrets import Secret

SYSTEM = "identity"
CURVE: Final = "Ed25519"
MAX_KEYS = 50
"""In one file: a rotation needs two."""


def private_key(secret: Secret) -> OKPKey:
    """A signing key. Raises GatewayError of kind CREDENTIALS, which shows nothing of it."""
    found = _read(secret.reveal(), "the signing key")
    if len(found) != 1 or "d" not in found[0]:
        raise _unusable("the signing key is not one private JWK")
    return _key(found[0], "the signing key")


def public_keys(secret: Secret, where: str) -> dict[str, OKPKey]:
    """The keys of a JWK or a JWK Set, by their ids. Raises GatewayError as above."""
    found = _read(secret.reveal(), where)
    if any("d" in item for item in found):
        raise _unusable(f"{where} holds a private key: workers need the public one only")
    keys = [_key(item, where) for item in found]
    by_id = {id_of(key): key for key in keys}
    if len(by_id) != len(keys):
        raise _unusable(f"{where} holds two keys of the same id")
    return by_id


def id_of(key: OKPKey) -> str:
    """What a signature names the key by."""
    return key.kid or key.thumbprint()


def public_of(key: OKPKey) -> OKPKey:
    """The half that verifies."""
    return OKPKey.import_key({**key.as_dict(private=False), "kid": id_of(key)})


def new_pair(private: Path, public: Path) -> str:
    """Make a key pair: the private key in a file of its own that only its owner reads, the public
    one added to a JWK Set. Returns its id. Raises FileExistsError, and GatewayError where the set
    cannot be read."""
    key = OKPKey.generate_key(CURVE, private=True)
    key_id = key.thumbprint()
    known = _known(public)
    content = json.dumps({**key.as_dict(private=True), "kid": key_id}, indent=1)
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content + "\n")
    added = {**key.as_dict(private=False), "kid": key_id}
    try:
        _replace(public, json.dumps({"keys": [*known, added]}, indent=1) + "\n")
    except OSError:
        private.unlink()  # Nobody could verify what it signs.
        raise
    return key_id


def _known(public: Path) -> list[Mapping[str, Any]]:
    """The keys that are in the set already."""
    if not public.exists():
        return []
    where = str(public)
    public_keys(Secret.file(public), where)
    return _read(Secret.file(public).reveal(), where)


def _replace(path: Path, content: str) -> None:
    """Whoever reads it finds the old or the new content, and never half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(content, encoding="utf-8")
    beside.replace(path)


def _read(text: str, where: str) -> list[Mapping[str, Any]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _unusable(f"{where} is no JSON") from None
    found = list(_jwks(content))
    if not 1 <= len(found) <= MAX_KEYS:
        raise _unusable(f"{where} is neither a JWK nor a JWK Set of 1 to {MAX_KEYS} keys")
    return found


def _jwks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, dict):
        items = content.get("keys", [content])
        yield from (item for item in (items if isinstance(items, list) else []) if item)


def _key(item: Any, where: str) -> OKPKey:
    try:
        if item["kty"] == "OKP" and item["crv"] == CURVE:
            key = OKPKey.import_key(dict(item))
            id_of(key)
            return key
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        pass  # The cause may hold parts of the key.
    raise _unusable(f"{where} holds what is no JWK of kind OKP with the curve {CURVE}")


def _unusable(message: str) -> GatewayError:
    return errors.credentials(SYSTEM, "secret_unreadable", message)
