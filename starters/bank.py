"""A bank's file that somebody has at hand, put where the bank's own files are."""

from __future__ import annotations

import hashlib
from pathlib import Path

from contracts.bank.file import FileRef
from gateways.bank.protocol import MAX_FILE_BYTES, BankSource


class BankRefused(Exception):
    """A file cannot be taken; the message says why."""


def put(source: BankSource, legal_entity: str, path: Path) -> FileRef:
    """Put the file there, whole; one that is there already is the same. Raises BankRefused, and
    GatewayError."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_FILE_BYTES else b""
    except OSError as error:
        raise BankRefused(f"{path} cannot be read: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise BankRefused(f"{path} has more than {MAX_FILE_BYTES // 1_000_000} MB")
    source.add(path.name, content)
    return FileRef(
        bank=source.system,
        legal_entity=legal_entity,
        name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
    )
