"""Identity as configured: whether decisions must be signed, what signs and what verifies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from contracts.actors import Proof, Sign
from contracts.addresses import host_of, is_loopback
from gateways.errors import GatewayError
from gateways.identity.settings import IdentitySettings
from wiring.settings import ConfigurationError

if TYPE_CHECKING:
    from gateways.identity.signing import Signer, Verifier

_SEE = "see docs/identity.md"


def is_required(settings: IdentitySettings, address: str) -> bool:
    """Whether a message that decides must be signed, with Temporal at this address (`host:port`):
    beyond this machine, if nothing else is said."""
    if settings.required is not None:
        return settings.required
    return not is_loopback(host_of(address))


def signer(settings: IdentitySettings) -> Signer | None:
    """What signs messages here; None without a signing key. Nothing is read yet."""
    from gateways.identity.signing import Signer  # late: cryptography comes with it

    secret = settings.signing_secret
    return Signer(secret) if secret else None


def verifier(settings: IdentitySettings) -> Verifier | None:
    """What verifies signatures here; None without keys. Nothing is read yet."""
    from gateways.identity.signing import Verifier  # late, as above

    if not settings.verify and settings.signing_secret is None:
        return None
    return Verifier(settings.verify_files, settings.signing_secret)


def sign_for(settings: IdentitySettings) -> Callable[[str], Sign] | None:
    """What signs for systems by their names; None without a signing key."""
    from gateways.identity.senders import SenderSigning  # late, as above

    found = signer(settings)
    return SenderSigning(found).of if found else None


def proof(settings: IdentitySettings, address: str) -> Proof:
    """How workflows are to verify messages."""
    found = verifier(settings)
    return Proof(found.verify if found else None, is_required(settings, address))


def check(settings: IdentitySettings, address: str) -> list[str]:
    """Read every key; the ids of those that verify. A process that needs one and cannot read it
    would refuse each message. Raises ConfigurationError."""
    sends, verifies = signer(settings), verifier(settings)
    if is_required(settings, address) and sends is None:
        raise ConfigurationError(
            f"Temporal is at {address}, and whoever reaches it could decide in anybody's name: "
            "configure identity.signing_key_file (c2c keys new-signing), or say "
            f"identity.required = false; {_SEE}"
        )
    try:
        if sends is not None:
            sends.check()
        return verifies.check() if verifies else []
    except GatewayError as error:
        raise ConfigurationError(
            f"signatures cannot be made or verified: {error.message} {_SEE}"
        ) from None
