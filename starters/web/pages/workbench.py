"""What pages need of the configuration, and the way from a request to contracts and invoices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi import Request

from contracts.policy import LegalEntity
from starters.client import C2C, Entities
from starters.client.calls import Sign
from starters.web.visitors import Visitor
from wiring.settings import Settings

Signing = Callable[[Visitor], Sign]
"""Gives who signs what a visitor sends."""


@dataclass(frozen=True)
class Workbench:
    """`entities` are the configured legal entities, `odoo_url` and `temporal_url` the addresses of
    the other pages that ours link to (empty: no links). `secure` says that browsers reach us by
    TLS. Without `signing` decisions are sent unsigned."""

    entities: Mapping[str, LegalEntity] = field(default_factory=dict)
    odoo_url: str = ""
    temporal_url: str = ""
    secure: bool = False
    signing: Signing | None = None

    @classmethod
    def of(cls, settings: Settings, *, signing: Signing | None = None) -> Workbench:
        return cls(
            entities=settings.entities,
            odoo_url=settings.odoo.url.rstrip("/"),
            temporal_url=settings.web.temporal_url.rstrip("/"),
            secure=settings.web.tls_in_front,
            signing=signing,
        )

    def zone(self, entity: str) -> str:
        """The time zone in which days of a legal entity are shown."""
        found = self.entities.get(entity)
        return found.time_zone if found is not None else "UTC"


def workbench_of(request: Request) -> Workbench:
    found: Workbench = request.app.state.workbench
    return found


def c2c_of(request: Request, visitor: Visitor) -> C2C:
    """Contracts and invoices, as this visitor may speak to them."""
    found = workbench_of(request)
    sign = found.signing(visitor) if found.signing is not None else None
    names = list(found.entities)
    entities = Entities.of(names[0], *names[1:]) if names else None
    client = request.app.state.temporal
    return C2C(client, entities, sign=sign) if entities else C2C(client, sign=sign)
