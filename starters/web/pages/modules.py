"""The list of pages: a new module adds itself here, in the order of the navigation."""

from __future__ import annotations

from fastapi import FastAPI

from starters.web.pages import (
    access_pages,
    approval,
    audit,
    bank_pages,
    contract_list,
    contract_pages,
    erasing_pages,
    event_pages,
    exception_list,
    exception_pages,
    figures,
    home,
    inbox,
    questions,
    receivable_pages,
    receivables,
    static,
)
from starters.web.pages.decided import Verdicts
from starters.web.pages.shell import Counts, PageModule
from starters.web.pages.workbench import Workbench

MODULES: tuple[PageModule, ...] = (
    home.PAGES,
    inbox.PAGES,
    approval.PAGES,
    exception_list.PAGES,
    exception_pages.PAGES,
    bank_pages.PAGES,
    event_pages.PAGES,
    contract_list.PAGES,
    contract_pages.PAGES,
    receivables.PAGES,
    receivable_pages.PAGES,
    questions.PAGES,
    figures.PAGES,
    audit.PAGES,
    access_pages.PAGES,
    erasing_pages.PAGES,
)


def add_pages(app: FastAPI, workbench: Workbench) -> None:
    """Add every page to the application."""
    app.state.workbench = workbench
    app.state.counts = Counts()
    app.state.verdicts = Verdicts()
    app.state.links = [link for module in MODULES for link in module.links]
    app.include_router(static.routes)
    for module in MODULES:
        app.include_router(module.routes, include_in_schema=False)
