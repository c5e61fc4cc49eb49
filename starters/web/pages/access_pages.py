"""The access review: who may do what, and who has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.access import EVERYWHERE, OF_MESSAGES, Permission
from contracts.views.access import Review
from starters.web.pages.files import CSV, attachment, csv_text, no_formula
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

_COLUMNS = ("part", "entity", "who", "kind", "role", "what", "count", "at")
_REVIEW = [needs(Permission.REVIEW_ACCESS)]

routes = APIRouter()
PAGES = PageModule(routes, (Link("Access", "/access", Permission.REVIEW_ACCESS),))


@routes.get("/access", dependencies=_REVIEW)
async def shown(request: Request, visitor: Present) -> Response:
    """Who may do what."""
    found = await _review(request, visitor)
    needed = [
        (item, [name for name, permission in OF_MESSAGES.items() if permission is item])
        for item in Permission
    ]
    return await page(
        request,
        "access.html",
        title="Access",
        review=found,
        needed=needed,
        everywhere=EVERYWHERE,
        may_erase=visitor.may_somewhere(Permission.SET_UP),
    )


@routes.get("/access.csv", dependencies=_REVIEW)
async def as_csv(request: Request, visitor: Present) -> Response:
    """The same as a file, for the auditor."""
    found = await _review(request, visitor)
    rows = ([no_formula(str(cell)) for cell in row] for row in _rows(found))
    return attachment(csv_text(_COLUMNS, rows), f"access-{found.at:%Y-%m-%d}.csv", CSV)


async def _review(request: Request, visitor: Visitor) -> Review:
    """Of the legal entity in the address, or all that the visitor reviews. Raises HttpProblem."""
    workbench = workbench_of(request)
    own = visitor.entities(Permission.REVIEW_ACCESS, workbench.entities)
    wanted = request.query_params.get("entity", "")
    if wanted and wanted not in own:
        raise HttpProblem(404, "there is no such legal entity")
    entities = [wanted] if wanted else own
    return await asyncio.to_thread(workbench.access.review, entities, datetime.now(UTC))


Row = tuple[str, str, str, str, str, str, object, str]


def _rows(found: Review) -> Iterator[Row]:
    at = found.at.isoformat(timespec="seconds")
    for row in found.roles:
        for message in row.messages:
            yield ("role", "", "", "", row.role, message, "", at)
    for grant in found.grants:
        for kind, names in (("group", grant.groups), ("person", grant.people)):
            for name in names:
                yield ("grant", grant.legal_entity, name, kind, grant.role, "", "", at)
    for group in found.approvers:
        for person in group.people:
            yield ("approver", group.legal_entity, person, "person", "", group.group, "", at)
    for system in found.systems:
        for entity, roles in system.roles.items():
            for role in roles:
                keys = " ".join(system.key_ids)
                yield ("grant", entity, system.person, "system", role, keys, "", at)
    yield from _happened(found)
    for concern in found.concerns:
        words = f"{concern.kind}: {concern.text}"
        yield ("concern", concern.legal_entity, concern.who, "", "", words, "", at)
    for text in found.unknown:
        yield ("not known", "", "", "", "", text, "", at)


def _happened(found: Review) -> Iterator[Row]:
    for item in found.signed_in:
        last, kind = item.last_at.isoformat(timespec="seconds"), _kind(item.is_system)
        for entity, roles in item.roles.items():
            for role in roles:
                yield ("signed in", entity, item.person, kind, role, item.issuer, "", last)
    for done in found.decided:
        last = done.last_at.isoformat(timespec="seconds")
        for what, count in done.counts.items():
            yield ("decided", "", done.person, "", " ".join(done.roles), what, count, last)


def _kind(is_system: bool) -> str:
    return "system" if is_system else "person"
