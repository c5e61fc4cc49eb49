"""The access review, for programs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Response

from contracts.access import Permission
from contracts.views.access import Review
from starters.access_review import Access
from starters.web.api.access import require
from starters.web.api.parameters import OfEntity
from starters.web.problems import documented
from starters.web.visitors import Present, needs


def add_routes(routes: APIRouter, access: Access) -> None:
    """Add the route of the access review."""

    @routes.get(
        "/access",
        tags=["access"],
        dependencies=[needs(Permission.REVIEW_ACCESS)],
        responses=documented(401, 403, 404, 422, 429),
        response_model=Review,
    )
    async def review(visitor: Present, entity: OfEntity = "") -> Response:
        """Who may do what, who has come in lately, and who decided what in the last quarter."""
        if entity:
            require(visitor, Permission.REVIEW_ACCESS, entity)
        own = visitor.entities(Permission.REVIEW_ACCESS, access.entities)
        wanted = [item for item in own if entity in ("", item)]
        found = await asyncio.to_thread(access.review, wanted, datetime.now(UTC))
        return Response(found.model_dump_json(), media_type="application/json")
