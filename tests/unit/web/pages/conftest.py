"""The pages over workflows that answer as told, and people who open them and fill in forms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from contracts.access import EVERYWHERE, Role
from contracts.audit.entries import Entry
from gateways.audit.chains import Chains
from gateways.audit.reading import Reader
from gateways.encryption.keys import KeyRing
from gateways.record_store.folder import FolderStore
from starters.web.middleware import Around
from starters.web.pages import errors
from starters.web.pages.modules import add_pages
from starters.web.pages.workbench import Workbench
from starters.web.problems import add_handlers
from starters.web.visitors import Visitor
from tests.unit.command import Calls
from tests.unit.encryption.stores import key_ring
from tests.visitors import PERSON, FakeVisits, visitor

PIA = visitor("pia@northwind.example", northwind=Role.PROJECT_MANAGER)
FINN = visitor("finn@northwind.example", northwind=Role.FINANCE)
CORA = visitor("cora@northwind.example", northwind=Role.CONTROLLER)
OLE = visitor("ole@northwind.example", northwind=Role.OPERATOR)
VIC = visitor("vic@northwind.example", northwind=Role.VIEWER)
SUE = visitor("sue@southwind.example", southwind=Role.CONTROLLER)
WES = visitor("wes@northwind.example", northwind=Role.OPERATOR, southwind=Role.OPERATOR)
EVE = visitor("eve@northwind.example", **{EVERYWHERE: Role.VIEWER})
PEOPLE = (PIA, FINN, CORA, OLE, VIC, SUE, WES, EVE)
ENDED_AT = datetime(2020, 5, 4, 12, tzinfo=UTC)
ODOO, TEMPORAL = "https://odoo.example", "https://temporal.example"


class _Forms(HTMLParser):
    """The forms of a page, each with the values that it is drawn with."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and given.get("method") == "post":
            self.found.append((given["action"] or "", {}))
        elif tag == "input" and self.found and given.get("name"):
            is_off = given.get("type") == "checkbox" and "checked" not in given
            if not is_off:
                self.found[-1][1][given["name"] or ""] = given.get("value") or ""


@dataclass
class Desk:
    """One person at the pages."""

    http: httpx.AsyncClient
    person: Visitor
    text: str = ""
    status: int = 0
    location: str = ""
    _forms: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def open(self, address: str, person: Visitor | None = None) -> str:
        self.person = person or self.person
        return self._kept(await self.http.get(address, headers=self._headers()))

    def form(self, address: str, **where: str) -> dict[str, str]:
        """The fields of the form that goes to this address, as it is drawn."""
        found = [
            said
            for place, said in self._forms
            if place == address and all(said.get(name) == value for name, value in where.items())
        ]
        assert found, (address, where, [place for place, _ in self._forms])
        return dict(found[0])

    async def send(self, action: str, form: dict[str, Any]) -> str:
        return self._kept(await self.http.post(action, data=form, headers=self._headers()))

    def _headers(self) -> dict[str, str]:
        return {"accept": "text/html", PERSON: self.person.person}

    def _kept(self, answer: httpx.Response) -> str:
        parser = _Forms()
        parser.feed(answer.text)
        self._forms, self.status, self.text = parser.found, answer.status_code, answer.text
        self.location = answer.headers.get("location", "")
        return self.text


class Lists:
    """Stands for Temporal's lists."""

    namespace = "default"

    def __init__(self) -> None:
        self.runs: list[Any] = []
        self.asked: list[str] = []

    def list_workflows(self, query: str, **options: Any) -> Any:
        self.asked.append(query)
        found = [run for run in self.runs if f"WorkflowType = '{run.kind}'" in query]
        return _Listing(found, options.get("next_page_token"), options.get("page_size"))

    async def count_workflows(self, query: str) -> Any:
        found = [run for run in self.runs if f"WorkflowType = '{run.kind}'" in query]
        return SimpleNamespace(count=len(found))


class _Listing:
    def __init__(self, runs: list[Any], token: bytes | None, size: int | None) -> None:
        self._runs, self._size = runs, size or len(runs)
        self._at = int(token or 0)
        self.current_page: list[Any] = []
        self.next_page_token: bytes | None = None

    async def fetch_next_page(self) -> None:
        end = self._at + self._size
        self.current_page = self._runs[self._at : end]
        self.next_page_token = str(end).encode() if end < len(self._runs) else None

    async def __aiter__(self) -> AsyncIterator[Any]:
        for run in self._runs:
            yield run


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


@pytest.fixture
def lists() -> Lists:
    return Lists()


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return key_ring(tmp_path)


@pytest.fixture
def chains(tmp_path: Path, ring: KeyRing) -> Chains:
    """The audit record: it has one contract, C-9, which Temporal has forgotten."""
    found = Chains(FolderStore(tmp_path), ring)
    entries = [
        Entry(at=ENDED_AT, what="started", source_hash="5e" * 32),
        Entry(at=ENDED_AT, what="close_out", why="all is paid"),
        Entry(at=ENDED_AT, what="ended"),
    ]
    found.write("contract/northwind/C-9", 0, "", entries)
    return found


@asynccontextmanager
async def _desk(lists: Lists, record: Reader) -> AsyncIterator[Desk]:
    app = FastAPI()
    app.add_middleware(Around, tls=False)
    add_handlers(app, errors.shown)
    entity = SimpleNamespace(time_zone="Europe/Brussels")
    known: Any = {"northwind": entity, "southwind": entity}
    add_pages(app, Workbench(known, ODOO, TEMPORAL, audit=record))
    app.state.links = []
    app.state.temporal = lists
    app.state.visits = FakeVisits({person.person: person for person in PEOPLE})
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Desk(client, FINN)


@pytest.fixture
async def desk(lists: Lists, chains: Chains, ring: KeyRing) -> AsyncIterator[Desk]:
    async with _desk(lists, Reader(chains, ring, {})) as opened:
        yield opened
