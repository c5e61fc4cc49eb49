"""Encryption as configured: one place for workers, commands, the web gateway and everything else.

It is part of the connection to Temporal. Whoever connects gets it, by the configuration alone.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from temporalio.converter import DataConverter

from contracts.addresses import host_of, is_loopback
from gateways.encryption.settings import EncryptionSettings, MasterSettings
from gateways.errors import GatewayError
from wiring.sealed import CLEAR
from wiring.settings import ConfigurationError, Protection, Settings

if TYPE_CHECKING:
    from gateways.encryption.keys import KeyRing
    from gateways.encryption.large_payloads import LargePayloads
    from gateways.encryption.masters import Master, MasterSet
    from gateways.record_store.protocol import RecordStore
    from wiring.codec import SealingCodec

Protected = Protection | Settings
"""Either says how payloads are protected."""

_LOOPBACK = "127.0.0.1:0"
_SEE = "see docs/encryption.md"


def is_on(settings: EncryptionSettings, address: str) -> bool:
    """Whether payloads are encrypted for a Temporal at this address (`host:port`).

    Raises ConfigurationError where nothing is said of it and the address is beyond this machine.
    """
    if settings.enabled is not None:
        return settings.enabled
    if settings.masters:
        return True
    if is_loopback(host_of(address)):
        return False
    raise ConfigurationError(
        f"Temporal at {address} is beyond this machine, and all payloads would be readable there: "
        "configure [encryption] with a master key (c2c keys new-master), or say "
        f"encryption.enabled = false; {_SEE}"
    )


def redacts_logs(protection: Protected, address: str) -> bool:
    """Whether logs and traces leave out what failures say. Raises ConfigurationError."""
    configured = protection.encryption
    return is_on(configured, address) and not configured.readable_logs


def reading(protection: Protected) -> DataConverter:
    """What reads payloads, sealed or clear, with no Temporal at hand. Raises ConfigurationError."""
    return converter(protection, _LOOPBACK)


def converter(protection: Protected, address: str) -> DataConverter:
    """What turns values into payloads, for a Temporal at this address. Raises ConfigurationError.

    Keys are read when they are first needed.
    """
    on = is_on(protection.encryption, address)
    if not protection.encryption.masters:
        return CLEAR
    from wiring.codec import SealedFailures  # late: cryptography comes with it

    codec = sealing_codec(protection, seals=on)
    plain = dataclasses.replace(CLEAR, payload_codec=codec)
    if not on:
        return plain
    # Messages and stack traces of failures would stay readable.
    return dataclasses.replace(plain, failure_converter_class=SealedFailures)


def sealing_codec(protection: Protected, *, seals: bool = True) -> SealingCodec:
    """What seals payloads and opens them. Raises ConfigurationError."""
    from wiring.codec import SealingCodec  # late, as above

    return SealingCodec(key_ring(protection), large_payloads(protection), seals=seals)


def large_payloads(protection: Protected) -> LargePayloads:
    """Where payloads are kept that are too large for Temporal. Raises ConfigurationError."""
    from gateways.encryption.large_payloads import LargePayloads  # late, as above

    larger_than = protection.encryption.large_payload_bytes
    return LargePayloads(record_store(protection), larger_than=larger_than)


def key_ring(protection: Protected) -> KeyRing:
    """The keys as configured. Raises ConfigurationError where masters or the store are not."""
    from gateways.encryption.keys import KeyRing  # late, as above

    return KeyRing(record_store(protection), masters(protection))


def masters(protection: Protected) -> MasterSet:
    """The master keys as configured; nothing is read yet. Raises ConfigurationError."""
    from gateways.encryption.masters import MasterSet

    configured = protection.encryption
    if not configured.masters:
        raise ConfigurationError(f"no master key is configured under [encryption]; {_SEE}")
    found = {name: _master(name, item) for name, item in configured.masters.items()}
    return MasterSet(found, configured.active_master)


def _master(name: str, configured: MasterSettings) -> Master:
    if configured.kms_key is not None:
        from gateways.encryption.kms import KmsMaster

        place = {"endpoint": configured.kms_endpoint, "region": configured.kms_region}
        return KmsMaster(name, configured.kms_key, **place)
    from gateways.encryption.masters import LocalMaster

    return LocalMaster(name, configured.secret)


def record_store(protection: Protected) -> RecordStore:
    """Where records are kept. Raises ConfigurationError."""
    configured = protection.records
    if configured.bucket is not None:
        from gateways.record_store.s3 import S3Store

        bucket, _, prefix = configured.bucket.removeprefix("s3://").partition("/")
        return S3Store(
            bucket,
            prefix,
            endpoint=configured.s3_endpoint,
            region=configured.s3_region,
            lock=configured.lock,
            lock_days=configured.lock_days,
        )
    if configured.folder is None:
        raise ConfigurationError(
            "no record store is configured: records.folder or records.bucket, where the keys of "
            f"contracts and the audit record are kept; {_SEE}"
        )
    from gateways.record_store.folder import FolderStore

    return FolderStore(configured.folder.expanduser())


def check_keys(protection: Protected, *, make: bool = True) -> None:
    """Read every master, and open the shared key, which is made where there is none and `make`
    says so: a process that cannot would fail with each payload.

    Nothing without masters. Raises ConfigurationError.
    """
    if not protection.encryption.masters:
        return
    from gateways.encryption.keys import SHARED, KeyRing

    try:
        found = masters(protection)
        found.check()
        ring = KeyRing(record_store(protection), found)
        ring.check()
        if make:
            ring.key_for(SHARED)
    except GatewayError as error:
        raise ConfigurationError(f"payloads cannot be encrypted: {error.message} {_SEE}") from None
