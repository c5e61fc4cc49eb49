"""What the configuration says of the audit record. Light to import: every command reads it."""

from __future__ import annotations

from pathlib import Path

from gateways.settings import Address, Section


class AuditSettings(Section):
    """How the audit record is anchored, once a day for each legal entity.

    `signing_key_file` is an Ed25519 key in PEM, which signs; `public_keys` are files with keys that
    signed before. `timestamp_url` is a time stamping authority (RFC 3161), and
    `timestamp_roots_file` the certificates in PEM that its answers are checked by. `notes` says
    whether each anchor is noted in Odoo.
    """

    signing_key_file: Path | None = None
    public_keys: tuple[Path, ...] = ()
    timestamp_url: Address | None = None
    timestamp_roots_file: Path | None = None
    notes: bool = True
