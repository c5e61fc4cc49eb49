"""What pages need of the configuration, and the way from a request to contracts and invoices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from fastapi import Request
from temporalio.client import Client

from contracts.access import Permission
from contracts.actors import Sign
from contracts.policy import LegalEntity
from contracts.views.access import SignedIn
from gateways.audit.reading import Reader
from starters.access_review import Access
from starters.books import Books
from starters.client import C2C, Entities
from starters.client.references import NO_ENTITIES
from starters.erasing import Erasing
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor
from wiring import audit
from wiring.settings import Settings

Signing = Callable[[Visitor], Sign]
"""Gives who signs what a visitor sends."""


@dataclass(frozen=True)
class Workbench:
    """`entities` are the configured legal entities, `odoo_url` and `temporal_url` the addresses of
    the other pages that ours link to (empty: no links). `secure` says that browsers reach us by
    TLS. Without `signing` decisions are sent unsigned; without `books` nothing is asked of
    Odoo, and without `audit` nothing is shown of what Temporal has forgotten. `access` is what is
    known of who may do what; `erasing` makes what erases customers, where there are keys."""

    entities: Mapping[str, LegalEntity] = field(default_factory=dict)
    odoo_url: str = ""
    temporal_url: str = ""
    secure: bool = False
    signing: Signing | None = None
    books: Books | None = None
    audit: Reader | None = None
    access: Access = field(default_factory=Access)
    erasing: Callable[[Client], Erasing] | None = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        signing: Signing | None = None,
        seen: Callable[[], Collection[SignedIn]] | None = None,
    ) -> Workbench:
        """As configured; `seen` gives who has come in."""
        return cls(
            entities=settings.entities,
            odoo_url=settings.odoo.url.rstrip("/"),
            temporal_url=settings.web.temporal_url.rstrip("/"),
            secure=settings.web.tls_in_front,
            signing=signing,
            books=Books.of(settings),
            audit=audit.reader(settings) if settings.records.is_configured else None,
            access=Access.of(settings, seen),
            erasing=Erasing.of(settings),
        )

    def zone(self, entity: str) -> str:
        """The time zone in which days of a legal entity are shown."""
        found = self.entities.get(entity)
        return found.time_zone if found is not None else "UTC"


def workbench_of(request: Request) -> Workbench:
    found: Workbench = request.app.state.workbench
    return found


def entities_of(request: Request) -> Entities:
    """The configured legal entities, each named in what forms and addresses say."""
    known = frozenset(workbench_of(request).entities)
    return Entities(default=NO_ENTITIES.default, known=lambda: known)


def books_of(request: Request) -> Books:
    """What Odoo says of whole legal entities. Raises HttpProblem where no Odoo is configured."""
    found = workbench_of(request).books
    if found is None:
        raise HttpProblem(503, "no Odoo is configured for these pages")
    return found


def chosen_entities(request: Request, visitor: Visitor) -> list[str]:
    """The legal entities that a list is about: the one in the address, or all in which the visitor
    may read. Raises HttpProblem with 404 for any other."""
    own = visitor.entities(Permission.READ, workbench_of(request).entities)
    wanted = request.query_params.get("entity", "")
    if wanted and wanted not in own:
        raise HttpProblem(404, "there is no such legal entity")
    return [wanted] if wanted else own


def c2c_of(request: Request, visitor: Visitor) -> C2C:
    """Contracts and invoices, as this visitor may speak to them."""
    found = workbench_of(request)
    sign = found.signing(visitor) if found.signing is not None else None
    return C2C(request.app.state.temporal, entities_of(request), sign=sign)
