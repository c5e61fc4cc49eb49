"""What a store of records can do. A folder is the first; a bucket does the same.

A record is written once: the same content again is nothing, other content under its name is an
error. So what is there can be trusted to be what was written first, and two processes that write at
the same time need no lock.
"""

from __future__ import annotations

import re
from typing import Protocol

from gateways import errors

SYSTEM = "record_store"
MAX_RECORD_BYTES = 10_000_000
MAX_PAGE = 1_000
KEYS, PAYLOADS, DECODES = "keys/", "payloads/", "decodes/"
NEVER_LOCKED = (KEYS, PAYLOADS)
"""What is below is never locked by a bucket: to erase is to remove it."""
_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]{0,127}/){0,11}[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_PREFIX = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]{0,127}/){0,11}")


class RecordStore(Protocol):
    """Records by name, such as `keys/shared/5f3c/2026`. Thread-safe. All raise GatewayError where
    the store does not answer, and ValueError for a name that is none."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a record; False where it is there already with this content.

        Raises GatewayError `record_differs` where it is there with another.
        """
        ...

    def read(self, name: str) -> bytes | None:
        """The content of a record; None where there is none."""
        ...

    def names(self, prefix: str, *, after: str = "", limit: int = MAX_PAGE) -> list[str]:
        """The names below a prefix that ends with `/` (or is empty for all), in order, those behind
        `after` only: the last name of a page is the `after` of the next."""
        ...

    def delete(self, name: str) -> bool:
        """Remove a record for good; False where there is none."""
        ...


def checked_name(name: str) -> str:
    """The name, if it is one: parts of letters, digits, `_` and `-`, with `/` between them."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a record")
    return name


def checked_prefix(prefix: str) -> str:
    """The prefix, if names can be below it."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix!r} is not a prefix of records' names: it ends with a slash")
    return prefix


def differs(name: str) -> errors.GatewayError:
    """The record is there with other content."""
    text = f"The record {name} exists with other content, and records are never overwritten."
    return errors.defect(SYSTEM, "record_differs", text)


def unavailable(name: str, reason: str) -> errors.GatewayError:
    """The store did not answer."""
    text = f"The record {name} cannot be reached: {reason}."
    return errors.transient(SYSTEM, "record_store_unavailable", text)
