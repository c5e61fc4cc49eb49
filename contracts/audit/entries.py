"""Entries: what is recorded of a decision, of an effect in a remote, of a start and an end."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from contracts.actors import Actor
from contracts.agenda.requests import content_digest
from contracts.model import JsonObject, Value

WRITE = "audit"
"""The act that writes what is still to be written, and its key."""
MAX_PENDING = 100
"""So many entries wait to be written; of more, only the number and one hash are kept."""
MAX_AT_A_TIME = 50
MAX_ENTRY_BYTES = 8_000
"""No entry has more, as JSON."""
STARTED, ENDED, LEFT_OUT = "started", "ended", "left_out"
_MAX_DETAILS, _MAX_WHY, _MAX_TEXT = 1_200, 1_000, 200
_EMPTY: tuple[Any, ...] = (None, "", [], {})
"""Was not said. No and nought are: neither is equal to one of these."""
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Who(Value):
    """Who did something: a person by their identity, or a system by its name. `issuer`, `subject`,
    `roles` and `token_id` are of a signed message; without them `person` is what its sender
    says."""

    issuer: str = ""
    subject: str = ""
    person: str = ""
    roles: tuple[str, ...] = ()
    token_id: str = ""
    system: str = ""


OURSELVES = Who(system="c2c")


class Entry(Value):
    """One thing that happened, at an aware (UTC) time.

    `what` is the message, or the kind of the act; `details` what the message said. `before` and
    `after` are what changed of how the contract or invoice stands. `content_hash` is of what was
    decided about, `source_hash` of what the entry was made from. `remote_id` is what a remote calls
    what was made there. `left_out` counts further entries, of which only a hash is kept.
    """

    at: datetime
    what: str
    actor: Who = OURSELVES
    why: str = ""
    details: JsonObject = Field(default_factory=dict)
    before: JsonObject = Field(default_factory=dict)
    after: JsonObject = Field(default_factory=dict)
    content_hash: str = ""
    source_hash: str = ""
    remote_id: str = ""
    left_out: int = 0


class Left(Value):
    """What an act has left in a remote: its id there, and the hash of what it says."""

    remote_id: str = ""
    content_hash: str = ""


class Written(Value):
    """What came of writing: how many of the pending entries are written, and the chain's end."""

    count: int
    seq: int
    head: str


class Trail(Value):
    """What a workflow keeps of its audit record.

    `made` counts the entries that were ever made. `seq` and `head` are the number and the hash of
    the last one in the store. `is_ended`: the last one that was made says how the workflow ended.
    `rejoins`: a person has said that the store's own end counts.
    """

    made: int = 0
    seq: int = 0
    head: str = ""
    pending: tuple[Entry, ...] = ()
    is_ended: bool = False
    rejoins: bool = False

    @property
    def is_due(self) -> bool:
        """Whether there is more to write than the beginning, which goes with what comes next."""
        pending = self.pending
        return len(pending) > 1 or (len(pending) == 1 and pending[0].what != STARTED)

    def noted(self, entry: Entry) -> Self:
        """The trail with one entry more."""
        if len(self.pending) < MAX_PENDING:
            return self.replace(made=self.made + 1, pending=(*self.pending, entry))
        return self.replace(
            made=self.made + 1, pending=(*self.pending[:-1], _shorter(self.pending[-1], entry))
        )

    def ended(self, entry: Entry) -> Self:
        """The trail with its last entry."""
        return self.noted(entry).replace(is_ended=True)

    def reopened(self) -> Self:
        """The trail without its end, as far as that is not written: something comes before it."""
        is_pending = self.is_ended and self.pending and self.pending[-1].what == ENDED
        kept = self.pending[:-1] if is_pending else self.pending
        return self.replace(pending=kept, is_ended=False)

    def begun(self, entry: Entry) -> Self:
        """The trail with its first entry, ahead of what was noted in the same moment."""
        return self.replace(made=self.made + 1, pending=(entry, *self.pending))

    def changed(self, before: JsonObject, after: JsonObject) -> Self:
        """The trail whose newest entry says what has changed."""
        kept = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        newest = self.pending[-1].replace(
            before=_bounded({key: before[key] for key in sorted(kept & before.keys())}),
            after=_bounded({key: after[key] for key in sorted(kept & after.keys())}),
        )
        return self.replace(pending=(*self.pending[:-1], newest))

    def written(self, written: Written) -> Self:
        """The trail without what is in the store now."""
        return self.replace(
            seq=written.seq,
            head=written.head,
            pending=self.pending[written.count :],
            rejoins=False,
        )


def of_message(message: BaseModel, at: datetime, signed_by: Actor | None = None) -> Entry:
    """What is recorded of a message that was accepted, and of whoever has signed it."""
    content = {
        name: value
        for name, value in message.model_dump(mode="json", exclude={"actor"}).items()
        if value not in _EMPTY
    }
    actor = _who(content, signed_by)
    why = content.pop("reason", "") or content.pop("comment", "")
    content_hash = content.pop("content_hash", "")
    return Entry(
        at=at,
        what=_CAPITAL.sub("_", type(message).__name__).lower(),
        actor=actor,
        why=_cut(str(why), _MAX_WHY),
        details=_bounded(content),
        content_hash=str(content_hash),
        source_hash=content_digest(message),
    )


def sha256(content: Any) -> str:
    """The SHA-256 of a JSON value, in hexadecimal digits."""
    return hashlib.sha256(canonical(content)).hexdigest()


def canonical(content: Any) -> bytes:
    """A JSON value as bytes, in one way only: sorted keys, no blanks, UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def _who(content: JsonObject, signed_by: Actor | None) -> Who:
    """Who has signed a message, or else whom it names, which is taken out of its content; but what
    a system says of its own people stays there."""
    named = _cut(str(content.pop("by", "") or ""), _MAX_TEXT)
    if signed_by is not None:
        if named and named.lower() != signed_by.person:
            content["by"] = named
        fields = signed_by.model_dump(mode="json")
        return Who(**fields)
    if named:
        return Who(person=named)
    return Who(system=_cut(str(content.get("system", "") or "unnamed"), _MAX_TEXT))


def _shorter(kept: Entry, entry: Entry) -> Entry:
    """Two entries as one that says how many there were, and has a hash over them."""
    both = [kept.model_dump(mode="json"), entry.model_dump(mode="json")]
    return Entry(
        at=entry.at,
        what=LEFT_OUT,
        source_hash=sha256(both),
        left_out=(kept.left_out or 1) + 1,
    )


def _bounded(content: JsonObject) -> JsonObject:
    """The content, or how large it is: its hash is in the entry."""
    size = len(canonical(content))
    return content if size <= _MAX_DETAILS else {"bytes": size, "sha256": sha256(content)}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
