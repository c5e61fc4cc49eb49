"""Records: entries as they are stored, chained by hash; and whether those that are there are whole.

What names people, and what they wrote, is sealed under the contract's key. The rest is readable:
when, what, of which contract or invoice, hashes, ids of remotes. A record's hash is over all that
is stored of it, the sealed part as it is sealed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum

from pydantic import ValidationError

from contracts.audit.entries import ENDED, STARTED, Entry, canonical, sha256
from contracts.audit.merkle import Head
from contracts.identifiers import ENTITY_PREFIX
from contracts.model import Frozen, JsonObject, Value

_READABLE = ("at", "what", "content_hash", "source_hash", "remote_id", "left_out")
_DIGITS = 8
BEGINNING = Head(seq=0, hash="")
"""Of a chain: nothing is before its first record."""
_AUDIT, _ENTRIES = "audit/", "/entries/"
_INSTALLATION = "installation"
EVENTS_PREFIX = f"{_AUDIT}event/"
"""What the names of all chains of events begin with."""


class Record(Frozen):
    """An entry in the store. `private` is what is sealed by `algorithm` under the key `key_id`, as
    Base64, or JSON text where nothing is encrypted."""

    seq: int
    of: str
    at: str
    what: str
    content_hash: str = ""
    source_hash: str = ""
    remote_id: str = ""
    left_out: int = 0
    key_id: str = ""
    algorithm: str = ""
    private: str = ""
    prev: str = ""
    hash: str = ""

    @property
    def content(self) -> bytes:
        """As it is stored."""
        return canonical(self.model_dump(mode="json"))


class Sealed(Value):
    """The private part of an entry, sealed; or as text, without a key."""

    private: str
    key_id: str = ""
    algorithm: str = ""


def private_part(entry: Entry) -> bytes:
    """What of an entry only those read who have the key."""
    content = entry.model_dump(mode="json", exclude_defaults=True)
    return canonical({key: value for key, value in content.items() if key not in _READABLE})


def appended(of: str, seq: int, prev: str, entry: Entry, sealed: Sealed) -> Record:
    """The record of an entry behind the one whose hash is `prev`."""
    content = entry.model_dump(mode="json")
    record = Record(
        seq=seq,
        of=of,
        **{name: content[name] for name in _READABLE},
        **sealed.model_dump(),
        prev=prev,
    )
    return record.replace(hash=hash_of(record))


def entry_of(record: Record, private: bytes) -> Entry:
    """The entry again. Raises ValueError where that is no part of one."""
    readable = record.model_dump(mode="json", include=set(_READABLE))
    return Entry.model_validate({**json.loads(private), **readable})


def hash_of(record: Record) -> str:
    """The hash that a record must have."""
    return sha256(record.model_dump(mode="json", exclude={"hash"}))


# --- names in the store ---------------------------------------------------------------------------


def chain_prefix(of: str) -> str:
    """What the names of a chain's records begin with."""
    return f"{_AUDIT}{of}{_ENTRIES}"


def record_name(of: str, seq: int) -> str:
    """The name of a record; the order of names is that of the records."""
    return f"{chain_prefix(of)}{seq:0{_DIGITS}}"


def entity_prefixes(legal_entity: str) -> tuple[str, ...]:
    """What the names of the chains begin with that a legal entity's anchors are over: those of its
    contracts and of its banks' files, its own, and those of all events: some belong to none, or to
    several."""
    own = f"{_AUDIT}{entity_chain(legal_entity)}/"
    return (*workflow_prefixes(legal_entity), own, EVENTS_PREFIX)


def workflow_prefixes(legal_entity: str) -> tuple[str, ...]:
    """What the names of the chains of a legal entity's contracts and bank files begin with, in the
    order of names."""
    return tuple(f"{_AUDIT}{kind}/{legal_entity}/" for kind in ("bank", "contract"))


def entity_chain(legal_entity: str) -> str:
    """The chain of what concerns a legal entity and no single workflow; without one, of what
    concerns the installation."""
    return f"{ENTITY_PREFIX}{legal_entity}" if legal_entity else _INSTALLATION


def contract_prefix(contract: str) -> str:
    """The same of a contract, by its workflow id, and its invoices; or of a bank's file."""
    return f"{_AUDIT}{contract}/"


def place_of(name: str) -> tuple[str, int] | None:
    """The chain and the number of a record by its name; None for what is no name of one."""
    of, entries, seq = name.removeprefix(_AUDIT).rpartition(_ENTRIES)
    return (of, int(seq)) if entries and len(seq) == _DIGITS and seq.isdecimal() else None


# --- whether a chain is whole ---------------------------------------------------------------------


class Kind(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    REMOVED = "removed"
    SWAPPED = "swapped"
    UNLINKED = "unlinked"
    CUT_OFF = "cut_off"
    APPENDED = "appended"


class Finding(Value):
    """Something that is wrong with a record."""

    kind: Kind
    seq: int
    text: str


class Verdict(Value):
    """What a chain is found to be: how many records it has, and the last one's number and hash.
    `begun_again` counts the workflows that were started under its id after one had ended."""

    of: str
    entries: int = 0
    seq: int = 0
    head: str = ""
    findings: tuple[Finding, ...] = ()
    begun_again: int = 0

    @property
    def is_whole(self) -> bool:
        return not self.findings


MAX_FINDINGS = 20
"""Of a chain: what comes behind them is not looked for."""


def check(
    of: str,
    stored: Iterable[tuple[int, bytes | None]],
    known: Mapping[int, str] | None = None,
    behind: Head = BEGINNING,
    *,
    is_ended: bool = False,
) -> Verdict:
    """Check the records of a chain, by their numbers, in order; those `behind` a known one, with
    which a workflow had ended or not (`is_ended`). Behind an end only another begins.

    `known` are the hashes that anchors, or the workflow itself, have of records by their numbers:
    without them a cut-off end shows nowhere.
    """
    known = known or {}
    findings: list[Finding] = []
    count, last, head, begun_again = 0, behind.seq, behind.hash, 0
    for seq, content in stored:
        if len(findings) >= MAX_FINDINGS:
            break
        if seq != last + 1:
            findings.append(_removed(last + 1, seq - 1))
        record = read(content) if content is not None else None
        found, computed = _checked(of, seq, record, head if seq == last + 1 else None)
        findings += found
        if not found and known.get(seq, computed) != computed:
            text = f"entry {seq} is another one than was anchored"
            findings.append(Finding(kind=Kind.CHANGED, seq=seq, text=text))
        what = record.what if record is not None else ""
        if is_ended and what == STARTED:
            begun_again += 1
        elif is_ended and not found:
            text = f"entry {seq} is behind the end of its workflow"
            findings.append(Finding(kind=Kind.APPENDED, seq=seq, text=text))
        is_ended = what == ENDED
        count, last, head = count + 1, seq, computed
    newest = max(known, default=0)
    if newest > last and len(findings) < MAX_FINDINGS:
        text = f"the chain ends with entry {last}, and entry {newest} was anchored"
        findings.append(Finding(kind=Kind.CUT_OFF, seq=newest, text=text))
    return Verdict(
        of=of,
        entries=count,
        seq=last,
        head=head,
        findings=tuple(findings),
        begun_again=begun_again,
    )


def read(content: bytes) -> Record | None:
    """A stored record; None for what is none."""
    try:
        fields: JsonObject = json.loads(content)
        record = Record.model_validate(fields)
    except (ValueError, ValidationError):
        return None
    return record if record.content == content else None


def _checked(
    of: str, seq: int, record: Record | None, prev: str | None
) -> tuple[list[Finding], str]:
    """What is wrong with one record, and the hash that the next one has to name. `prev` is what it
    has to name itself; None where the one before is missing."""

    def wrong(kind: Kind, text: str) -> tuple[list[Finding], str]:
        return [Finding(kind=kind, seq=seq, text=text)], record.hash if record else ""

    if record is None:
        return wrong(Kind.CHANGED, f"entry {seq} cannot be read")
    if hash_of(record) != record.hash:
        return wrong(Kind.CHANGED, f"entry {seq} has changed: its hash is another")
    if (record.of, record.seq) != (of, seq):
        text = f"entry {seq} is entry {record.seq} of {record.of}"
        return wrong(Kind.SWAPPED, text)
    if prev is not None and record.prev != prev:
        return wrong(Kind.UNLINKED, f"entry {seq} does not follow the one before it")
    return [], record.hash


def _removed(first: int, last: int) -> Finding:
    names = f"entry {first} is" if first == last else f"entries {first} to {last} are"
    return Finding(kind=Kind.REMOVED, seq=first, text=f"{names} missing")
