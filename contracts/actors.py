"""Who sent a message: a person or a system, as the application that let them in has signed it.

A message carries the signature in its field `actor`, a compact JWS (RFC 7515). The validator of an
Update verifies it (`workflows.proof`). What is applied after that has the `Actor` in place of the
signature. Nothing here verifies by itself: keys are the process's.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from contracts.access import UPDATE_OF_SIGNAL, Role
from contracts.agenda.requests import content_digest
from contracts.model import Person, Signed, Value

AUDIENCE = "c2c-workflows"
ALGORITHM = "Ed25519"
APPLICATION = "c2c"
"""The issuer of what the application sends itself, for systems whose webhooks it verified."""
SENDER = "sender/"
"""The subject of such a system begins so, and goes on with the name it is configured under."""
VALID_SECONDS = 60
"""How long a signature may be used for the first time."""
SIGNAL_VALID_SECONDS = 900
"""The same of a Signal: its sender cannot learn that it came too late, as after an outage."""
SKEW = timedelta(seconds=10)
"""Clocks may differ by so much."""
_LONGEST = timedelta(seconds=SIGNAL_VALID_SECONDS)


class NotProven(Exception):
    """A signature is not right; the text says why, for people."""


class Actor(Value):
    """Whoever sent a message. `issuer` and `subject` identify them for ever: of a person the OIDC
    provider and its key there. `person` is the name that approval rules and journals have, `roles`
    are those for the workflow's legal entity, `token_id` is unique to the message."""

    issuer: str = Field(max_length=300)
    subject: str = Field(max_length=300)
    person: Person
    roles: tuple[Role, ...] = ()
    token_id: str = Field(default="", max_length=100)

    @property
    def is_sender(self) -> bool:
        """Whether the application sent it for a system."""
        return self.issuer == APPLICATION and self.subject.startswith(SENDER)


class Claims(Value):
    """What a signature says: who sends which message to which workflow.

    `digest` is that of the message without its signature, so it covers the content hash and the
    amount of a decision, which stand here too for whoever reads it. Times are aware (UTC).
    """

    actor: Actor
    workflow_id: str
    message: str
    digest: str
    request_id: str
    content_hash: str = ""
    amount: str = ""
    issued_at: AwareDatetime
    expires_at: AwareDatetime

    @classmethod
    def about(
        cls,
        actor: Actor,
        workflow_id: str,
        name: str,
        message: BaseModel,
        request_id: str,
        issued_at: datetime,
    ) -> Self:
        """The claims for this message, which is sent by this name; `issued_at` is aware."""
        seconds = SIGNAL_VALID_SECONDS if name in UPDATE_OF_SIGNAL else VALID_SECONDS
        amount = getattr(message, "amount", None)
        return cls(
            actor=actor,
            workflow_id=workflow_id,
            message=name,
            digest=content_digest(message),
            request_id=request_id,
            content_hash=getattr(message, "content_hash", ""),
            amount="" if amount is None else str(amount),
            issued_at=issued_at,
            expires_at=issued_at + timedelta(seconds=seconds),
        )

    def payload(self) -> dict[str, Any]:
        """As the JWS carries it: registered names (RFC 7519) where there are some."""
        return {
            "aud": AUDIENCE,
            "iss": self.actor.issuer,
            "sub": self.actor.subject,
            "name": self.actor.person,
            "roles": [str(role) for role in self.actor.roles],
            "jti": self.actor.token_id,
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
            "wf": self.workflow_id,
            "msg": self.message,
            "digest": self.digest,
            "rid": self.request_id,
            **({"hash": self.content_hash} if self.content_hash else {}),
            **({"amount": self.amount} if self.amount else {}),
        }

    @classmethod
    def of(cls, payload: dict[str, Any]) -> Self:
        """What a payload says. Raises ValueError (ValidationError) for one that is malformed."""
        return cls.model_validate(
            {
                "actor": {
                    "issuer": payload.get("iss"),
                    "subject": payload.get("sub"),
                    "person": payload.get("name"),
                    "roles": payload.get("roles", ()),
                    "token_id": payload.get("jti", ""),
                },
                "workflow_id": payload.get("wf"),
                "message": payload.get("msg"),
                "digest": payload.get("digest"),
                "request_id": payload.get("rid"),
                "content_hash": payload.get("hash", ""),
                "amount": payload.get("amount", ""),
                "issued_at": payload.get("iat"),
                "expires_at": payload.get("exp"),
            }
        )

    def untimely(self, now: datetime) -> str | None:
        """Why the signature is not for now (aware), as a sentence; None if it is."""
        if now >= self.expires_at + SKEW:
            return "its signature has expired: send it again"
        if self.issued_at > now + SKEW or self.expires_at - self.issued_at > _LONGEST:
            return "its signature is of another time: see to the clock of whoever signed it"
        return None

    def refusal(
        self, workflow_id: str, name: str, message: BaseModel, request_id: str
    ) -> str | None:
        """Why the claims are not for this message, as a sentence; None if they are."""
        if (self.workflow_id, self.message) != (workflow_id, name):
            return f"its signature is for {self.message} of {self.workflow_id}"
        if self.digest != content_digest(message) or self.request_id != request_id:
            return "its signature is for another message"
        # A system reports what its people did, and is not believed to be one of them.
        other = None if self.actor.is_sender else speaks_for(message, self.actor.person)
        if other is not None:
            return f"it says that {other} sends it, and is signed for {self.actor.person}"
        return None


def speaks_for(message: BaseModel, person: str) -> str | None:
    """Who else than this person is said to send the message, or a part of it; None if nobody."""
    return next((name for name in _senders(message) if name.lower() != person), None)


def _senders(message: BaseModel) -> Iterator[str]:
    for name in type(message).model_fields:
        value = getattr(message, name)
        if name == "by" and value:
            yield str(value)
        elif isinstance(value, Signed):
            yield from _senders(value)


Verify = Callable[[str], Claims]
"""Gives what a signature says, once it is known to be right, and of now. Raises NotProven."""


@dataclass(frozen=True)
class Proof:
    """How a process verifies. Where `required`, a message without a signature is refused."""

    verify: Verify | None = None
    required: bool = False

    def claims(self, token: str) -> Claims | None:
        """What the signature of a message says; None where it has none and needs none. Raises
        NotProven."""
        if not token:
            if self.required:
                raise NotProven("it is not signed: sign in, and send it by the application")
            return None
        if self.verify is None:
            raise NotProven("it is signed, and this worker has no key to verify it by")
        return self.verify(token)


Sign = Callable[[str, str, BaseModel, str], str]
"""Gives the signature of who sends a message: by the workflow's id, the name of the Update or
Signal, the message and its request id."""

NOBODY_SIGNS = Proof()


def claimed(token: str) -> Actor | None:
    """Who the signature of a message names, unverified: for what was verified before it came here.
    None for what is no signature."""
    try:
        payload = json.loads(_decoded(token.split(".")[1]))
        return Claims.of(payload).actor
    except (IndexError, ValueError, ValidationError, AttributeError, binascii.Error):
        return None


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
