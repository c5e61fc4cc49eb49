"""The first page: whoever comes without an address goes to what waits for them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from contracts.access import Permission
from starters.web.pages.shell import PageModule
from starters.web.visitors import needs

routes = APIRouter()
PAGES = PageModule(routes)


@routes.get("/", dependencies=[needs(Permission.READ)])
async def home() -> RedirectResponse:
    """The inbox."""
    return RedirectResponse("/inbox", status_code=303)
