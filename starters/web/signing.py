"""Signs what a visitor sends: so the workflows know that we let them in, and who they are."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from contracts import access
from contracts.access import Role
from contracts.actors import Actor, Claims, Sign, speaks_for
from contracts.identifiers import legal_entity_of
from gateways.identity.signing import Signer
from starters.client.errors import Refused
from starters.web.visitors import Visitor


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Signing:
    """Signs by the application's key."""

    signer: Signer
    now: Callable[[], datetime] = _now

    def of(self, visitor: Visitor) -> Sign:
        """What signs the visitor's messages. It raises Refused for what they may not send, and for
        what says that somebody else sends it: no signature is made of that."""

        def sign(workflow_id: str, name: str, message: BaseModel, request_id: str) -> str:
            entity = legal_entity_of(workflow_id)
            _refuse_unless_allowed(visitor, name, message, entity)
            actor = _actor(visitor, entity)
            claims = Claims.about(actor, workflow_id, name, message, request_id, self.now())
            return self.signer.sign(claims)

        return sign


def _actor(visitor: Visitor, entity: str) -> Actor:
    return Actor(
        issuer=visitor.issuer,
        subject=visitor.subject,
        person=visitor.person,
        roles=tuple(sorted(_roles(visitor, entity))),
        token_id=uuid.uuid4().hex,
    )


def _refuse_unless_allowed(visitor: Visitor, name: str, message: BaseModel, entity: str) -> None:
    other = speaks_for(message, visitor.person)
    if other is not None:
        raise Refused(f"you are signed in as {visitor.person}, and cannot decide for {other}")
    refused = access.refusal(_roles(visitor, entity), *access.needed(name))
    if refused is not None:
        raise Refused(refused)


def _roles(visitor: Visitor, entity: str) -> frozenset[Role]:
    """Those for the legal entity; of an inbound event, which belongs to none by its id, all."""
    return visitor.roles_in(entity) if entity else frozenset().union(*visitor.roles.values())
