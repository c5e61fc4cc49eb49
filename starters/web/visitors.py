"""Who asks, and what they may: every route but the public ones declares what it needs.

    @routes.get("/c/{entity}/{contract}", dependencies=[needs(Permission.READ)])

A route with `{entity}` in its path is about that legal entity: for whoever has no role there it
does not exist (404), for whoever has another role it is forbidden (403). A route without one is
open to whoever has the permission somewhere, and shows what belongs to those entities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from contracts import access
from contracts.access import EVERYWHERE, Permission, Role
from contracts.audit.entries import Who
from starters.web.problems import HttpProblem

ENTITY = "entity"
"""The path parameter that names a legal entity."""


@dataclass(frozen=True)
class Visitor:
    """Whoever is signed in: a person, or a system. `person` is the name that approval rules have,
    `name` the one that pages show; `roles` are by legal entity, or `EVERYWHERE`. `csrf` is the
    token that forms must send; none for those who come with a token of their own. `banner` is
    what every page says of how they signed in, where it proves nothing."""

    issuer: str
    subject: str
    person: str
    name: str
    roles: Mapping[str, frozenset[Role]]
    is_machine: bool = False
    csrf: str = ""
    banner: str = ""

    def roles_in(self, entity: str) -> frozenset[Role]:
        """The roles for one legal entity."""
        nobody: frozenset[Role] = frozenset()
        return self.roles.get(entity, nobody) | self.roles.get(EVERYWHERE, nobody)

    def may(self, permission: Permission, entity: str) -> bool:
        return access.allows(self.roles_in(entity), permission)

    def may_somewhere(self, permission: Permission) -> bool:
        return any(access.allows(roles, permission) for roles in self.roles.values())

    def entities(self, permission: Permission, known: Mapping[str, object]) -> list[str]:
        """Those of the known legal entities in which they have the permission."""
        return [entity for entity in known if self.may(permission, entity)]

    def who(self, entity: str) -> Who:
        """As the audit record of a legal entity names them."""
        roles = tuple(sorted(self.roles_in(entity)))
        return Who(issuer=self.issuer, subject=self.subject, person=self.person, roles=roles)


class Visits(Protocol):
    """Finds out who asks."""

    async def visitor(self, request: Request) -> Visitor | None:
        """None for whoever is not signed in. Raises HttpProblem for a token that is wrong."""

    def sign_in(self, request: Request) -> HttpProblem:
        """What a request ends with that nobody may make without signing in: a browser is sent to
        the login and comes back, a program gets 401."""


class Needs:
    """A dependency: the visitor, who has one of the permissions where the request is about."""

    def __init__(self, *permissions: Permission) -> None:
        self.permissions = permissions

    async def __call__(self, request: Request) -> Visitor:
        visits: Visits = request.app.state.visits
        visitor = await visits.visitor(request)
        if visitor is None:
            raise visits.sign_in(request)
        request.state.visitor, request.state.who = visitor, visitor.person
        entity = request.path_params.get(ENTITY)
        if entity is None:
            if not any(map(visitor.may_somewhere, self.permissions)):
                raise self._forbidden()
        elif not visitor.roles_in(entity):
            raise HttpProblem(404, "there is no such thing", why="no role there")
        elif not any(visitor.may(item, entity) for item in self.permissions):
            raise self._forbidden()
        return visitor

    def _forbidden(self) -> HttpProblem:
        roles = {role: None for item in self.permissions for role in access.who_may(item)}
        who = ", ".join(role.words for role in roles)
        return HttpProblem(403, f"this needs one of the roles {who}")


def needs(*permissions: Permission) -> Any:
    """Declare what a route needs: one of these permissions."""
    return Depends(Needs(*permissions))


def _present(request: Request) -> Visitor:
    visitor: Visitor = request.state.visitor
    return visitor


Present = Annotated[Visitor, Depends(_present)]
"""The visitor of a route that declares what it needs."""
