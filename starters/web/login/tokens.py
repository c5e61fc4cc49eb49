"""Tokens that others sign: their keys, their signature, and who they are for. No I/O."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

MAX_TOKEN_BYTES = 16_000
MAX_KEYS = 100
SKEW = timedelta(seconds=60)
"""Clocks may differ by so much."""
_OF_KINDS: Mapping[str, tuple[type[Key], ...]] = {
    "RS": (RSAKey,),
    "PS": (RSAKey,),
    "ES": (ECKey,),
    "Ed": (OKPKey,),
}
ALGORITHMS = frozenset(
    {
        *(f"{kind}{bits}" for kind in ("RS", "PS", "ES") for bits in (256, 384, 512)),
        "Ed25519",
        "EdDSA",
    }
)
"""Signatures by a private key alone: a shared secret, or none, signs nothing here."""
BROKEN = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""Whatever the library, JSON and Base64 raise for a token or a key that is not right."""

Keys = Mapping[str, Key]
"""Public keys by their id; one without has the empty id."""


class BadToken(Exception):
    """A token is not right; the text says why, for our log only."""


class UnknownKey(BadToken):
    """It names a key that is not among those known."""


def public_keys(document: Any) -> Keys:
    """The keys of a JWK Set, or of one JWK; those that cannot sign are left out."""
    items = document.get("keys", [document]) if isinstance(document, dict) else []
    found: dict[str, Key] = {}
    for item in items[:MAX_KEYS] if isinstance(items, list) else []:
        if not isinstance(item, dict) or item.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(item)
        except BROKEN:
            continue  # of a kind that is not known here
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            found[str(item.get("kid", ""))] = key
    return found


def public_keys_of_text(text: str) -> Keys:
    """The same of a file: JSON, or one key as PEM. Raises BadToken."""
    try:
        if text.lstrip().startswith("{"):
            found = public_keys(json.loads(text))
        else:
            found = {"": _of_pem(text)}
    except BROKEN as error:
        raise BadToken(f"no public key ({type(error).__name__})") from None
    if not found:
        raise BadToken("no public key")
    return found


def signing_key(text: str) -> Key:
    """A private key, as JWK or PEM. Raises BadToken, which shows nothing of it."""
    try:
        if text.lstrip().startswith("{"):
            return JWKRegistry.import_key(json.loads(text))
        return _of_pem(text)
    except BROKEN as error:
        raise BadToken(f"no private key ({type(error).__name__})") from None


def unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims of a token whose signature nobody has looked at. Raises BadToken."""
    if len(token) > MAX_TOKEN_BYTES:
        raise BadToken("too long")
    try:
        found = jws.extract_compact(token.encode())
        claims = json.loads(found.payload or b"")
        header = found.headers()
    except BROKEN as error:
        raise BadToken(f"no signed token ({type(error).__name__})") from None
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise BadToken("no object inside")
    return header, claims


def verified(token: str, keys: Keys) -> Mapping[str, Any]:
    """The claims, once a key of these has verified them. Raises BadToken, and UnknownKey for a key
    that there is none of."""
    header, _ = unverified(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise BadToken(f"an algorithm that is not taken: {str(algorithm)[:20]}")
    key = _key_of(header, keys)
    if not isinstance(key, _OF_KINDS[algorithm[:2]]) or (key.alg or algorithm) != algorithm:
        raise BadToken("the key is for another algorithm")
    try:
        return jwt.decode(token, key, algorithms=[algorithm]).claims
    except BROKEN as error:
        raise BadToken(f"the signature is not right ({type(error).__name__})") from None


def check(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    audiences: Collection[str],
    now: datetime,
    longest: timedelta | None = None,
) -> None:
    """Refuse what somebody else made, for somebody else, or at another time. `longest` is how far
    ahead it may end. Raises BadToken."""
    if claims.get("iss") != issuer:
        raise BadToken("another issuer")
    meant = audiences_of(claims)
    if not meant & set(audiences):
        raise BadToken("for another audience")
    ends, made, begins = (moment(claims, name, now) for name in ("exp", "iat", "nbf"))
    if ends is None or now >= ends + SKEW:
        raise BadToken("has ended")
    if longest is not None and ends > now + longest + SKEW:
        raise BadToken("lasts too long")
    if (made is not None and made > now + SKEW) or (begins is not None and begins > now + SKEW):
        raise BadToken("of a time to come")


def audiences_of(claims: Mapping[str, Any]) -> set[str]:
    given = claims.get("aud")
    items = given if isinstance(given, list) else [given]
    return {item for item in items if isinstance(item, str)}


def text(claims: Mapping[str, Any], name: str, *, at_most: int = 300) -> str:
    """A claim that is a text; empty where there is none. Raises BadToken for one that is longer."""
    value = claims.get(name)
    if not isinstance(value, str):
        return ""
    if len(value) > at_most:
        raise BadToken(f"{name} is too long")
    return value


def moment(claims: Mapping[str, Any], name: str, now: datetime) -> datetime | None:
    """A claim that is a time; None where there is none. Raises BadToken for anything else."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadToken(f"{name} is no time")
    try:
        return datetime.fromtimestamp(value, now.tzinfo)
    except (ValueError, OverflowError, OSError):
        raise BadToken(f"{name} is no time") from None


def _key_of(header: Mapping[str, Any], keys: Keys) -> Key:
    kid = header.get("kid", "")
    if isinstance(kid, str) and kid in keys:
        return keys[kid]
    if len(keys) == 1 and ("" in keys or not kid):
        # One key without an id, or a token that names none: there is no other to mean.
        return next(iter(keys.values()))
    raise UnknownKey("by a key that is not known")


def _of_pem(pem: str) -> Key:
    raw = pem.encode()
    loaded = load_pem_private_key(raw, None) if b"PRIVATE" in raw else load_pem_public_key(raw)
    if isinstance(loaded, (RSAPrivateKey, RSAPublicKey)):
        return RSAKey.import_key(pem)
    if isinstance(loaded, (EllipticCurvePrivateKey, EllipticCurvePublicKey)):
        return ECKey.import_key(pem)
    return OKPKey.import_key(pem)
