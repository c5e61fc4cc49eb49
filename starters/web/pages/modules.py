"""The list of pages: a new module adds itself here, in the order of the navigation."""

from __future__ import annotations

from fastapi import FastAPI

from starters.web.pages import home, static
from starters.web.pages.shell import Counts, PageModule
from starters.web.pages.workbench import Workbench

MODULES: tuple[PageModule, ...] = (home.PAGES,)


def add_pages(app: FastAPI, workbench: Workbench) -> None:
    """Add every page to the application."""
    app.state.workbench = workbench
    app.state.counts = Counts()
    app.state.links = [link for module in MODULES for link in module.links]
    app.include_router(static.routes)
    for module in MODULES:
        app.include_router(module.routes, include_in_schema=False)
