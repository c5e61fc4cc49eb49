"""The page of the access review, and its file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from contracts.access import EVERYWHERE, Role
from contracts.audit.entries import Entry, Who
from gateways.audit.chains import Chains
from gateways.record_store.folder import FolderStore
from starters.access_review import Access
from starters.web.lately import Lately
from starters.web.middleware import Around
from starters.web.pages import errors
from starters.web.pages.modules import add_pages
from starters.web.pages.workbench import Workbench
from starters.web.problems import add_handlers
from tests.unit.web.login.configured import settings
from tests.unit.web.pages.conftest import Desk
from tests.visitors import FakeVisits, visitor

FORMULA = "=cmd()@northwind.example"
ADA = visitor("ada@northwind.example", northwind=Role.ADMIN)
ALL = visitor("all@northwind.example", **{EVERYWHERE: Role.ADMIN})
FINN = visitor("finn@northwind.example", northwind=Role.FINANCE)
OLE = visitor("ole@northwind.example", northwind=Role.OPERATOR)
ROLES = {
    "northwind": {"finance": {"groups": ["<b>accounts"], "people": ["ana@northwind.example"]}},
    "northwind-uk": {"controller": {"people": ["uma@northwind.example"]}},
}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    now = datetime.now(UTC)
    chains = Chains(FolderStore(tmp_path), None)
    who = Who(person=FORMULA, roles=("finance",))
    chains.write("contract/northwind/C-1", 0, "", [Entry(at=now, what="hold_request", actor=who)])
    configured, came_in = settings(roles=ROLES), Lately(lambda: now)
    came_in.note(OLE)
    access = Access(configured.entities, configured.identity, seen=came_in.seen, chains=chains)
    app = FastAPI()
    app.add_middleware(Around, tls=False)
    add_handlers(app, errors.shown)
    add_pages(app, Workbench(configured.entities, access=access))
    app.state.visits = FakeVisits({item.person: item for item in (ADA, ALL, FINN, OLE)})
    app.state.links = [link for link in app.state.links if link.count is None]
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Desk(client, ADA)


async def test_an_admin_sees_who_may_do_what_and_who_did(desk: Desk) -> None:
    page = await desk.open("/access")
    assert desk.status == 200
    assert "&lt;b&gt;accounts" in page
    assert "ana@northwind.example" in page
    assert "ole@northwind.example" in page
    assert 'href="/audit?person=%3Dcmd%28%29%40northwind.example"' in page
    assert "hold request 1" in page
    assert "uma@northwind.example" not in page, "of a legal entity that is not theirs"
    assert "uma@northwind.example" in await desk.open("/access", ALL)
    assert 'href="/access"' in page, "the navigation leads here"


async def test_who_reviews_nothing_gets_nothing(desk: Desk) -> None:
    for address in ("/access", "/access.csv"):
        await desk.open(address, FINN)
        assert desk.status == 403
        await desk.open(f"{address}?entity=northwind-uk", ADA)
        assert desk.status == 404
    assert 'href="/access"' not in await desk.open("/figures/none", FINN)


async def test_the_file_has_all_of_it_and_no_formula(desk: Desk) -> None:
    answer = await desk.http.get("/access.csv?entity=northwind", headers=desk._headers())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    parts = {row["part"] for row in rows}
    assert parts >= {"role", "grant", "approver", "signed in", "decided", "not known"}
    [done] = [row for row in rows if row["part"] == "decided"]
    assert (done["who"], done["what"], done["count"]) == (f"'{FORMULA}", "hold_request", "1")
    assert not any(cell.startswith("=") for row in rows for cell in row.values())
