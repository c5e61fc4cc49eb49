"""People who visit the pages under test: signed in by a header, without a login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from contracts.access import Role
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor

PERSON = "X-Test-Person"
"""The header that says who asks."""
CSRF = "token-of-a-form"


def visitor(person: str, **roles: Role | tuple[Role, ...]) -> Visitor:
    """A person with a role, or several, for each legal entity."""
    given = {
        entity: frozenset(item if isinstance(item, tuple) else (item,))
        for entity, item in roles.items()
    }
    name = person.partition("@")[0].title()
    return Visitor("https://login.example", f"sub-{person}", person, name, given, csrf=CSRF)


@dataclass
class FakeVisits:
    """Knows these people; with `always` that one asks whatever the header says."""

    people: Mapping[str, Visitor] = field(default_factory=dict)
    always: str = ""

    async def visitor(self, request: Request) -> Visitor | None:
        return self.people.get(self.always or request.headers.get(PERSON, ""))

    def sign_in(self, request: Request) -> HttpProblem:
        if "text/html" in request.headers.get("accept", ""):
            return HttpProblem(303, headers={"Location": "/login"})
        return HttpProblem(401, "sign in")
