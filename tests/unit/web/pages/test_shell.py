"""The layout around every page, how forms are answered, failures as pages, and static files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from contracts.access import Permission, Role
from contracts.money import Money
from contracts.page_addresses import exception_path, place_of
from starters.web.middleware import Around
from starters.web.pages import errors, rendering, static
from starters.web.pages.modules import MODULES, add_pages
from starters.web.pages.shell import Link, Outcome, OutcomeLine, answered, page
from starters.web.pages.workbench import Workbench
from starters.web.problems import HttpProblem, add_handlers
from starters.web.visitors import Visitor, needs
from tests.visitors import PERSON, FakeVisits, visitor

ROOT = Path(__file__).parents[4]
ANA = visitor("ana@northwind.example", northwind=Role.FINANCE, southwind=Role.VIEWER)
VIC = visitor("vic@northwind.example", northwind=Role.VIEWER)
HTML = {"accept": "text/html", PERSON: ANA.person}
HOSTILE = '<script>alert("x")</script>'
routes = APIRouter()


@routes.get("/try", dependencies=[needs(Permission.READ)])
async def tried(request: Request) -> Response:
    failed = HttpProblem(200, HOSTILE)
    return await page(request, "error.html", title="Tried", failed=failed)


@routes.get("/try/{entity}/decide", dependencies=[needs(Permission.DECIDE)])
async def decided() -> str:
    return "seen"


@routes.post("/try", dependencies=[needs(Permission.READ)])
async def posted(request: Request, lines: int = 0) -> Response:
    told = tuple(OutcomeLine(f"C-{n}: {HOSTILE}", f"/c/northwind/C-{n}") for n in range(lines))
    return answered(request, "/try", Outcome("2 approved", lines=told))


async def count(request: Request, asked: Visitor) -> int:
    if asked is not ANA:
        raise TimeoutError
    return 7


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(Around, tls=False)
    add_handlers(app, errors.shown)
    entities = {"northwind": SimpleNamespace(), "southwind": SimpleNamespace()}
    add_pages(app, Workbench(entities))  # type: ignore[arg-type]
    app.state.links = [
        Link("Tried", "/try", Permission.READ, count),
        Link("Set up", "/set-up", Permission.SET_UP),
    ]
    app.state.visits = FakeVisits({ANA.person: ANA, VIC.person: VIC})
    app.include_router(routes)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_a_page_has_its_layout_and_a_policy_that_lets_nothing_inline(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.get("/try", headers=HTML)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # A form whose page hides where it is would be sent as coming from nowhere.
    assert answer.headers["referrer-policy"] == "same-origin"
    text = answer.text
    assert 'href="#main"' in text
    assert 'aria-current="page"' in text
    assert '<span class="count">7</span>' in text
    assert "/set-up" not in text
    assert "northwind: finance" in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"<script(?! src=)|<style|\son[a-z]+=|\sstyle=", text)


async def test_a_count_that_cannot_be_said_now_is_left_out(http: httpx.AsyncClient) -> None:
    answer = await http.get("/try", headers={**HTML, PERSON: VIC.person})
    assert answer.status_code == 200
    assert 'class="count"' not in answer.text


async def test_htmx_gets_what_is_inside_the_layout(http: httpx.AsyncClient) -> None:
    headers = {**HTML, "HX-Request": "true", "HX-Request-Type": "partial"}
    part = (await http.get("/try", headers=headers)).text
    assert "<html" not in part
    assert '<div id="outcome"' in part
    assert "<h1>Tried</h1>" in part
    whole = await http.get("/try", headers={**headers, "HX-Request-Type": "full"})
    assert "<html" in whole.text


async def test_an_outcome_is_shown_once_on_the_page_that_follows(http: httpx.AsyncClient) -> None:
    answer = await http.post("/try?lines=2", headers=HTML)
    assert answer.status_code == 303
    assert "HttpOnly" in answer.headers["set-cookie"]
    first = await http.get("/try", headers=HTML)
    assert "2 approved" in first.text
    assert 'href="/c/northwind/C-1"' in first.text
    assert HOSTILE not in first.text
    again = await http.get("/try", headers=HTML)
    assert "2 approved" not in again.text


async def test_an_outcome_of_many_lines_fits_a_cookie_and_says_how_many_more(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post("/try?lines=400", headers=HTML)
    assert len(answer.headers["set-cookie"]) < 4000
    shown = await http.get("/try", headers=HTML)
    assert re.search(r"and 3\d\d more", shown.text)


@pytest.mark.parametrize("cookie", ["x", "e30=", "bm90aGluZw==", "é", "eyJ0ZXh0IjogMX0="])
async def test_a_cookie_of_anything_else_is_no_outcome(
    http: httpx.AsyncClient, cookie: str
) -> None:
    headers = [("accept", "text/html"), (PERSON, ANA.person)]
    sent = [(name.encode(), value.encode()) for name, value in headers]
    sent.append((b"cookie", f"c2c-outcome={cookie}".encode()))
    answer = await http.get("/try", headers=sent)
    assert answer.status_code == 200
    assert 'class="outcome' not in answer.text


@pytest.mark.parametrize("href", ["//evil.example", "/\\evil.example", "/\t/evil.example"])
async def test_a_line_of_an_outcome_leads_nowhere_else(http: httpx.AsyncClient, href: str) -> None:
    told = {"text": "t", "is_good": True, "lines": [{"text": "a line", "href": href}]}
    cookie = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
    answer = await http.get("/try", headers={**HTML, "cookie": f"c2c-outcome={cookie}"})
    assert "a line" in answer.text
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_a_form_is_answered_with_a_place_of_ours(place: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        answered(SimpleNamespace(), place)  # type: ignore[arg-type]


async def test_a_failure_is_a_page_for_a_browser_and_a_document_for_a_program(
    http: httpx.AsyncClient,
) -> None:
    seen = await http.get("/try/elsewhere/decide", headers=HTML)
    assert seen.status_code == 404
    assert "<h1>Not Found</h1>" in seen.text
    seen = await http.get("/try/southwind/decide", headers=HTML)
    assert seen.status_code == 403
    assert "this needs one of the roles" in seen.text
    told = await http.get("/try/southwind/decide", headers={PERSON: ANA.person})
    assert told.headers["content-type"] == "application/problem+json"
    assert (await http.get("/api/v1/x", headers=HTML)).json()["status"] == 404


async def test_who_is_not_signed_in_is_sent_to_the_login(http: httpx.AsyncClient) -> None:
    answer = await http.get("/try", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    # A redirect would be followed, and the login put into the page.
    answer = await http.get("/try", headers={"accept": "text/html", "HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/login")
    assert (await http.get("/try")).status_code == 401


async def test_static_files_are_kept_for_ever_under_a_name_with_their_hash(
    http: httpx.AsyncClient,
) -> None:
    for name in ("c2c.css", "c2c.js", "htmx.js", "icon.svg"):
        answer = await http.get(static.address(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await http.get("/static/c2c.css")).status_code == 404


def test_htmx_is_the_package_that_the_lock_names_by_its_integrity() -> None:
    judges = ROOT / "tests" / "judges"
    locked = json.loads((judges / "package-lock.json").read_text())["packages"]
    assert locked["node_modules/htmx.org"]["integrity"].startswith("sha512-")
    unpacked = judges / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"
    assert unpacked.is_file(), "make installs the judges (needs Node)"
    assert static.FILES["htmx.js"].content == unpacked.read_bytes()


def test_every_route_of_a_page_declares_what_it_needs() -> None:
    for module in MODULES:
        for route in module.routes.routes:
            assert getattr(route, "dependencies", None), route


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Money("1234567.5", "EUR"), "1,234,567.50&nbsp;<small>EUR</small>"),
        (Money("-1200", "JPY"), "-1,200&nbsp;<small>JPY</small>"),
    ],
)
def test_money_is_shown_with_its_digits_in_groups(amount: Money, shown: str) -> None:
    assert shown in rendering.money(amount)


def test_days_and_ages_are_those_of_the_entity() -> None:
    late = datetime(2026, 8, 14, 22, 30, tzinfo=UTC)
    assert rendering.day(late, "Europe/Brussels") == "15 Aug 2026"
    assert rendering.moment(late, "Europe/Brussels") == "15 Aug 2026, 00:30"
    assert rendering.age(date(2026, 8, 14), "Europe/Brussels", late) == "1 day"
    assert rendering.age(late, "UTC", late) == "today"


def test_text_of_others_is_one_line_without_what_is_invisible() -> None:
    assert rendering.cut("a\u202eb\x00\n c") == "ab c"
    assert rendering.cut("x" * 400, 10) == "x" * 9 + "…"


def test_addresses_keep_what_narrows_a_list() -> None:
    assert (
        rendering.address("/inbox", {"kind": "invoice", "entity": "a"}, entity="")
        == "/inbox?kind=invoice"
    )


@pytest.mark.parametrize(
    ("workflow_id", "page", "step"),
    [
        ("contract/northwind/C-1", "/c/northwind/C-1", "/exceptions/northwind/C-1/x~1y"),
        (
            "contract/northwind/C-1/invoice/3",
            "/c/northwind/C-1/invoices/3",
            "/exceptions/northwind/C-1/3/x~1y",
        ),
        ("bank/northwind/3f2a", "/bank/northwind/3f2a", "/bank/northwind/3f2a#x/y"),
        ("event/tickets/msg 2/f", "/events/tickets/msg%202/f", "/events/tickets/msg%202/f"),
    ],
)
def test_everything_that_waits_has_a_page(workflow_id: str, page: str, step: str) -> None:
    assert place_of(workflow_id) == page
    assert exception_path(workflow_id, "x/y") == step
