"""The firm's people in the demo: who they are, and how what they decide is signed.

The application signs for whoever is signed in. The demo sends most messages itself, by the same key
and with the roles that these people would have there; two approvers go through the pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel

from contracts.access import EVERYWHERE, Role
from gateways.identity.senders import SenderSigning
from gateways.identity.signing import Signer
from starters.web.login.personas import ISSUER, personas
from starters.web.signing import Signing
from starters.web.visitors import Visitor
from wiring import identity
from wiring.settings import ConfigurationError, Settings

ANA, BOB = "ana@northwind.example", "bob@northwind.example"
CLEO, DORA = "cleo@northwind.example", "dora@northwind.example"
SELLER = "sam@northwind.example"
PROJECT_MANAGER = "pia@northwind.example"
CLERK = "clara@northwind.example"
METERING = "metering"
"""The system that reports usage: no person does."""

_OTHERS = {
    SELLER: Role.PROJECT_MANAGER,
    PROJECT_MANAGER: Role.PROJECT_MANAGER,
    CLERK: Role.FINANCE,
}
"""Those whom the approval rules do not name; the rules give the others their roles."""


@dataclass(frozen=True)
class Staff:
    """Signs for whoever a message names."""

    settings: Settings
    signer: Signer

    @classmethod
    def of(cls, settings: Settings) -> Staff:
        """As configured. Raises ConfigurationError without a signing key."""
        signer = identity.signer(settings.identity)
        if signer is None:
            raise ConfigurationError("the demo signs what its people decide: it needs a key")
        return cls(settings, signer)

    def sign(self, workflow_id: str, name: str, message: BaseModel, request_id: str) -> str:
        """The signature of the person of `by`, or of the metering system. Raises Refused for what
        the person may not send."""
        person = getattr(message, "by", "")
        signs = (
            Signing(self.signer).of(self._visitors[person])
            if person
            else SenderSigning(self.signer).of(METERING)
        )
        return signs(workflow_id, name, message, request_id)

    @cached_property
    def _visitors(self) -> dict[str, Visitor]:
        named = {
            person: Visitor(ISSUER, person, person, one.name, one.roles)
            for person, one in personas(self.settings.entities).items()
        }
        others = {
            person: Visitor(ISSUER, person, person, person, {EVERYWHERE: frozenset({role})})
            for person, role in _OTHERS.items()
        }
        return named | others
