"""Who asks the application in tests: people and a system, each by a token that is their name."""

from __future__ import annotations

from fastapi import Request

from contracts.access import EVERYWHERE, Role
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor
from tests.unit.rounds import ANA

_ROLES: dict[str, dict[str, set[Role]]] = {
    ANA: {"northwind": {Role.FINANCE}},
    "pia@northwind.example": {"northwind": {Role.PROJECT_MANAGER}},
    "vera@northwind.example": {"northwind": {Role.VIEWER}},
    "conny@fabrikam.example": {"fabrikam": {Role.CONTROLLER}},
    "olga@northwind.example": {EVERYWHERE: {Role.OPERATOR}},
    "orwell@fabrikam.example": {"fabrikam": {Role.OPERATOR}},
    "finance-bot": {"northwind": {Role.FINANCE}},
    "whoever": {EVERYWHERE: set(Role)},
}
PIA, VERA, CONNY, OLGA, ORWELL, BOT, ALL = list(_ROLES)[1:]
"""`ALL` has every role everywhere."""


class NamedVisits:
    """Lets in whoever names themselves; no token is a login."""

    async def visitor(self, request: Request) -> Visitor | None:
        scheme, _, name = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        if name not in _ROLES:
            raise HttpProblem(401, "this token is not right")
        roles = {entity: frozenset(roles) for entity, roles in _ROLES[name].items()}
        return Visitor("https://login.example", name, name, name, roles, is_machine=name == BOT)

    def sign_in(self, request: Request) -> HttpProblem:
        return HttpProblem(401, "sign in", headers={"WWW-Authenticate": "Bearer"})


def as_(person: str) -> dict[str, str]:
    """The header of a request of theirs."""
    return {"Authorization": f"Bearer {person}"}
