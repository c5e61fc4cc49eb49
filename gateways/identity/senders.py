"""Signs what systems send through us: what a webhook said, or what was read from them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from contracts.access import Role
from contracts.actors import APPLICATION, SENDER, Actor, Claims, Sign
from gateways.identity.signing import Signer


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SenderSigning:
    """Signs by the worker's key. A sender may report, and nothing else."""

    signer: Signer
    now: Callable[[], datetime] = _now

    def of(self, sender: str) -> Sign:
        """What signs for the system that is configured under this name."""

        def sign(workflow_id: str, name: str, message: BaseModel, request_id: str) -> str:
            actor = Actor(
                issuer=APPLICATION,
                subject=f"{SENDER}{sender}",
                person=sender,
                roles=(Role.SENDER,),
                token_id=uuid.uuid4().hex,
            )
            claims = Claims.about(actor, workflow_id, name, message, request_id, self.now())
            return self.signer.sign(claims)

        return sign
