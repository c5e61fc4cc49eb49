"""What the rest of the system may ask of the place where a bank's files are."""

from __future__ import annotations

from typing import Protocol

from contracts.bank.arrivals import MAX_LISTED, SourceFile
from contracts.problems import Problem

__all__ = ["MAX_FILE_BYTES", "MAX_LISTED", "BankSource", "SourceFile"]

MAX_FILE_BYTES = 100_000_000


class BankSource(Protocol):
    """A folder that a bank's files are put into, called from many threads at once.

    Every method raises GatewayError where the place cannot be reached or does not allow it. What is
    put away is the file that has this hash: one of the same name with other content stays.
    """

    @property
    def system(self) -> str:
        """The name it is configured under."""

    def files(self) -> list[SourceFile]:
        """Files that are not put away, the oldest first: at most MAX_LISTED."""

    def read(self, name: str, sha256: str = "") -> bytes:
        """All of a file; with a hash, the one that has it, whether it waits or was put away. Raises
        GatewayError of kind business with the code `bank_file_missing`, or `bank_file_too_large`
        beyond MAX_FILE_BYTES; of kind transient with `bank_file_changing`."""

    def add(self, name: str, content: bytes) -> None:
        """Put a file there as the bank would: whole or not at all. One of the same name and content
        is the same one; of other content it is refused, `bank_file_exists`."""

    def done(self, name: str, sha256: str) -> None:
        """Put a file away that was applied; nothing happens if it was put away before."""

    def refuse(self, name: str, sha256: str, reason: str) -> None:
        """Put a file apart, with why nothing of it was applied and what to do; nothing happens if
        that was done before. Without a hash, for what could not be read, it is whatever file has
        this name."""

    def missing_setup(self) -> list[Problem]:
        """What is wrong with the place; empty when all is well."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do."""
