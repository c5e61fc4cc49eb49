"""The workbench over ten thousand open contracts: how long its pages take at the server."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from unittest.mock import patch

import httpx
from fastapi import FastAPI

from benchmarks import contracts, estate, product
from benchmarks.contracts import APPROVERS, ENTITY
from benchmarks.frame import Bench, Line, at_most, benchmark, percentile
from benchmarks.onboarding import seconds_to_onboard
from benchmarks.product import Product
from contracts.access import Role
from starters.web.app import application
from starters.web.pages.workbench import Workbench
from tests.visitors import FakeVisits, visitor
from wiring.settings import load_settings

_LIST_SECONDS, _CONTRACT_SECONDS = 0.300, 0.150
_MILESTONES = 200
_HTML = {"accept": "text/html"}


@dataclass(frozen=True)
class Page:
    """A page that is measured: its addresses, one after the other, and what it must show."""

    name: str
    seconds: float
    paths: Sequence[str]
    shows: str


@benchmark("workbench", about="pages over ten thousand open contracts", minutes=120)
async def workbench(bench: Bench) -> None:
    """Seconds of the inbox, the exceptions, the questions and a contract's page, p95 of each.

    Three hundred proposals await approval, as many contracts are parked, and one has two hundred
    milestones. The others are started from the state of one that was provisioned. The application
    is asked in this process, without a network, as somebody of finance.
    """
    size, waiting = bench.size(full=10_000, quick=60), bench.size(full=300, quick=6)
    asked = bench.size(full=100, quick=5)
    lines: list[Line] = []
    with bench.odoo() as odoo:
        async with product.running(bench, odoo) as ours:
            tag = contracts.tag()
            live = contracts.signed(tag, waiting, milestones=1)
            await seconds_to_onboard(ours, tag, live)
            tags = contracts.tag(), contracts.tag()
            milestones = bench.size(full=_MILESTONES, quick=20)
            [large] = contracts.signed(tags[0], 1, milestones=milestones)
            await seconds_to_onboard(ours, tags[0], [large])
            state = await ours.c2c.contract(product.workflow_id(live[0])).state()
            await estate.grow(bench, ours, state, 0, size, tag=tags[1])
            await ours.park(waiting)
            await ours.reach(live)
            await ours.awaiting(waiting, seconds=600)
            async with _browser(ours) as browser:
                for page in _pages(f"/c/{ENTITY}/{large['contract_id']}", tags[1], size):
                    lines.append(await _measured(bench, browser, page, asked))
    worst = max(1 / (line.headroom or 1) for line in lines)
    bench.report(
        "workbench", worst, at_most(1), unit="of what is allowed, the worst", contracts=size
    )


def _pages(large: str, tag: str, size: int) -> Iterator[Page]:
    yield Page("inbox", _LIST_SECONDS, ["/inbox"], "Approve")
    yield Page("exceptions", _LIST_SECONDS, ["/exceptions"], "currency")
    yield Page("questions", _LIST_SECONDS, ["/questions"], "Milestones late")
    yield Page("large_contract", _CONTRACT_SECONDS, [large], "Part 1")
    # Each another one, which a worker has to take up again.
    others = [f"/c/{ENTITY}/{tag}-{number}" for number in range(0, size, max(size // 100, 1))]
    yield Page("contract", _CONTRACT_SECONDS, others, "Part 1")


async def _measured(bench: Bench, browser: httpx.AsyncClient, page: Page, count: int) -> Line:
    """The page so many times; the first, before anything is kept, stands beside the result."""
    first = await _seconds(browser, page, page.paths[0])
    paths = itertools.cycle(page.paths[1:] or page.paths)
    taken = [await _seconds(browser, page, next(paths)) for _ in range(count)]
    return bench.report(
        f"workbench_{page.name}_seconds",
        percentile(taken, 0.95),
        at_most(page.seconds),
        unit="seconds, p95",
        pages=count,
        median=percentile(taken, 0.5),
        first=first,
    )


async def _seconds(browser: httpx.AsyncClient, page: Page, path: str) -> float:
    started = time.perf_counter()
    answer = await browser.get(path)
    taken = time.perf_counter() - started
    if answer.status_code != 200 or page.shows not in answer.text:
        raise AssertionError(f"{path}: {answer.status_code}, without {page.shows!r}")
    return taken


@asynccontextmanager
async def _browser(ours: Product) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody of finance, who is signed in."""
    app = _application(ours)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", headers=_HTML
    ) as browser:
        yield browser


def _application(ours: Product) -> FastAPI:
    with patch.dict(os.environ, _configured(ours.environment)):
        settings = load_settings()

    async def connect() -> object:
        return ours.client

    ana = visitor(APPROVERS[0], **{ENTITY: (Role.FINANCE, Role.OPERATOR)})
    visits = FakeVisits({ana.person: ana}, always=ana.person)
    app = application(settings.web, {}, connect, workbench=Workbench.of(settings), visits=visits)
    app.state.temporal = ours.client  # the transport runs no lifespan
    return app


def _configured(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("C2C_")}
