"""What `c2c check` and `c2c setup` found and did. Light to import: every command can show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`missing` stops contracts from going through; `warn` is for a person to judge."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, what was found, and what to do about it."""

    area: str
    subject: str
    verdict: Verdict
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Area:
    """What findings are about, such as Odoo or a legal entity."""

    name: str

    def ok(self, subject: str, detail: str) -> Finding:
        return Finding(self.name, subject, Verdict.OK, detail)

    def warn(self, subject: str, detail: str, remedy: str) -> Finding:
        return Finding(self.name, subject, Verdict.WARN, detail, remedy)

    def missing(self, subject: str, detail: str, remedy: str = "") -> Finding:
        return Finding(self.name, subject, Verdict.MISSING, detail, remedy)


class Did(StrEnum):
    """What was done about one thing."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One thing the namespace needs, and what was done about it."""

    kind: str
    name: str
    did: Did
    detail: str = ""


class SetupRefused(Exception):
    """The namespace cannot be set up from here; the message says what a person has to do."""
