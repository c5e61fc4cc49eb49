"""The audit record as configured: where it is kept, what anchors it, what it is read by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateways.audit.chains import Chains
from gateways.encryption.settings import EncryptionSettings
from wiring import client as temporal
from wiring import encryption
from wiring.settings import ConfigurationError, Settings

if TYPE_CHECKING:
    from activities.audit import AuditSetup
    from gateways.audit.anchoring import Signer
    from gateways.audit.reading import Reader
    from gateways.audit.timestamps import Authority


def chains(settings: Settings) -> Chains:
    """The chains in the record store. New records are sealed where payloads are encrypted.

    Raises ConfigurationError where no store is configured.
    """
    store = encryption.record_store(settings)
    if not settings.encryption.masters:
        return Chains(store, None)
    seals = _seals(settings.encryption)
    return Chains(store, encryption.key_ring(settings), seals=seals)


def _seals(configured: EncryptionSettings) -> bool:
    return encryption.is_on(configured, temporal.address())


def signer(settings: Settings) -> Signer | None:
    """What signs anchors; None where no key is configured."""
    from gateways.audit.anchoring import Signer

    file = settings.audit.signing_key_file
    return Signer(file.expanduser()) if file else None


def authority(settings: Settings) -> Authority | None:
    """What stamps anchors; None where none is configured. Raises ConfigurationError."""
    from gateways.audit.timestamps import Authority

    configured = settings.audit
    if configured.timestamp_url is None:
        return None
    if configured.timestamp_roots_file is None:
        raise ConfigurationError(
            "audit.timestamp_url needs audit.timestamp_roots_file, the certificates that its "
            "answers are checked by; see docs/audit.md"
        )
    return Authority(configured.timestamp_url, configured.timestamp_roots_file.expanduser())


def reader(settings: Settings) -> Reader:
    """What reads and checks the record. Raises ConfigurationError, and GatewayError for a key that
    cannot be read."""
    from gateways.audit.anchoring import public_keys
    from gateways.audit.reading import Reader

    configured = settings.audit
    files = [file.expanduser() for file in configured.public_keys]
    roots = configured.timestamp_roots_file
    ring = encryption.key_ring(settings) if settings.encryption.masters else None
    keys = public_keys(signer(settings), files)
    return Reader(chains(settings), ring, keys, roots.expanduser() if roots else None)


def setup(settings: Settings) -> AuditSetup | None:
    """What the activities work with; None where no record store is configured. Raises
    ConfigurationError."""
    from activities.audit import AuditSetup
    from gateways.retention.customers import CustomerIndex

    if not settings.records.is_configured:
        return None
    companies = {key: item.odoo_company for key, item in settings.entities.items()}
    return AuditSetup(
        chains=chains(settings),
        customers=CustomerIndex(encryption.record_store(settings)),
        signer=signer(settings),
        authority=authority(settings),
        companies=companies if settings.audit.notes else None,
    )
