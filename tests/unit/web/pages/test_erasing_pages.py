"""The page that erases a customer, and the same over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from contracts.access import EVERYWHERE, Role
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.large_payloads import LargePayloads
from gateways.record_store.folder import FolderStore
from gateways.retention.customers import CustomerIndex
from gateways.retention.erasing import Eraser
from gateways.retention.settings import RetentionSettings
from starters.access_review import Access
from starters.erasing import Erasing
from starters.web.app import application
from starters.web.pages.workbench import Workbench
from tests.unit.encryption.stores import CONTRACT, key_ring
from tests.unit.retention.executions import Executions
from tests.unit.web.login.configured import settings
from tests.unit.web.pages.conftest import Desk
from tests.visitors import PERSON, FakeVisits, visitor
from wiring.settings import WebSettings

ADA = visitor("ada@northwind.example", northwind=Role.ADMIN)
ALL = visitor("all@northwind.example", **{EVERYWHERE: Role.ADMIN})
FINN = visitor("finn@northwind.example", northwind=Role.FINANCE)
UMA = visitor("uma@northwind.example", **{"northwind-uk": Role.ADMIN})
CUSTOMER = "Acme/& <Söhne>"
OPEN = "contract/northwind/C-1003"
ENDED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
API = "/api/v1/customers/northwind/erasure"


@pytest.fixture
def temporal() -> Executions:
    return Executions({CONTRACT: ENDED_AT, f"{CONTRACT}/invoice/1": ENDED_AT})


@pytest.fixture
def eraser(tmp_path: Path) -> Eraser:
    """Of what one customer has: the keys of a contract that has ended, and of one that is open."""
    store = FolderStore(tmp_path)
    found = Eraser(store, key_ring(tmp_path), LargePayloads(store, larger_than=10))
    for contract in (CONTRACT, OPEN):
        found.ring.key_for(contract)
        CustomerIndex(store).note(CUSTOMER, contract)
    return found


@pytest.fixture
async def desk(temporal: Executions, eraser: Eraser) -> AsyncIterator[Desk]:
    app = _application(lambda client: Erasing(client, eraser, RetentionSettings()))
    app.state.temporal = temporal
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Desk(client, ADA)


def _application(erasing: Any) -> FastAPI:
    async def connect() -> None:
        return None

    entities = settings().entities
    workbench = Workbench(entities, access=Access(entities), erasing=erasing)
    visits = FakeVisits({item.person: item for item in (ADA, ALL, FINN, UMA)})
    app = application(WebSettings(), {}, connect, workbench=workbench, visits=visits)
    app.state.links = []
    return app


def keys(eraser: Eraser, contract: str = CONTRACT) -> int:
    return len(list(eraser.ring.wrapped(contract)))


def entries(eraser: Eraser) -> list[tuple[str, str, str]]:
    chain = EntityChain(eraser.store, "northwind").entries()
    return [(item.what, item.actor.subject, item.why) for item in chain]


async def looked_at(desk: Desk) -> dict[str, str]:
    """The form below what would be erased."""
    await desk.open(httpx.URL("/erase", params={"customer": CUSTOMER}).raw_path.decode())
    assert desk.status == 200
    return desk.form("/erase/northwind")


# --- the page -----------------------------------------------------------------------------------


async def test_the_page_shows_what_would_be_erased_and_what_may_not_be(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = None
    await looked_at(desk)
    assert "Would be erased: 1" in desk.text
    assert "May not be erased yet: 1" in desk.text
    assert f"{OPEN} still runs" in desk.text
    assert "Acme/&amp; &lt;Söhne&gt;" in desk.text
    assert "Odoo, the CRM and mails" in desk.text
    assert (keys(eraser), entries(eraser)) == (1, [])


async def test_a_customer_is_erased_by_whoever_types_the_key_and_says_why(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = ENDED_AT
    form = await looked_at(desk)
    await desk.send("/erase/northwind", {**form, "typed": CUSTOMER, "reason": "ticket 4711"})
    assert (desk.status, desk.location.partition("?")[0]) == (303, "/erase")
    assert (keys(eraser), keys(eraser, OPEN)) == (0, 0)
    whats = ["customer_erased", "contract_erased", "contract_erased"]
    assert entries(eraser) == [(what, ADA.subject, "ticket 4711") for what in whats]
    assert "2 contracts of" in await desk.open(desk.location)
    assert "Are erased already: 2" in desk.text
    assert "/erase/northwind" not in desk.text, "there is nothing more to erase"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"typed": "another", "reason": "r"}, "type the customer&#39;s key"),
        ({"typed": "", "reason": "r"}, "type the customer&#39;s key"),
        ({"typed": CUSTOMER, "reason": " "}, "say why"),
        ({"typed": CUSTOMER, "reason": "r"}, "still runs"),
    ],
)
async def test_nothing_is_erased_by_a_form_that_is_not_right(
    desk: Desk, temporal: Executions, eraser: Eraser, said: dict[str, str], why: str
) -> None:
    temporal.ended[OPEN] = None
    form = await looked_at(desk)
    await desk.send("/erase/northwind", {**form, **said})
    assert (desk.status, keys(eraser), entries(eraser)) == (422, 1, [])
    assert why in desk.text


async def test_what_may_not_be_erased_is_left_where_that_is_said(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = None
    form = {**await looked_at(desk), "typed": CUSTOMER, "reason": "r", "partly": "yes"}
    await desk.send("/erase/northwind", form)
    assert (desk.status, keys(eraser), keys(eraser, OPEN)) == (303, 0, 1)
    assert "1 are left" in await desk.open(desk.location)


async def test_a_customer_that_nobody_knows_is_no_failure(desk: Desk) -> None:
    assert "has no contract of a customer none" in await desk.open("/erase?customer=none")
    assert desk.status == 200
    await desk.send("/erase/northwind", {"customer": "none", "typed": "none", "reason": "r"})
    assert desk.status == 422


async def test_only_those_who_set_up_a_legal_entity_erase_its_customers(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = ENDED_AT
    form = {**await looked_at(desk), "typed": CUSTOMER, "reason": "r"}
    for person, status in ((FINN, 403), (UMA, 404)):
        desk.person = person
        await desk.send("/erase/northwind", form)
        assert desk.status == status
    await desk.open("/erase?entity=northwind&customer=none", UMA)
    assert desk.status == 404
    await desk.open("/erase", FINN)
    assert desk.status == 403
    assert keys(eraser) == 1
    assert "Choose a legal entity" in await desk.open("/erase?customer=none", ALL)


async def test_the_access_review_leads_here_and_many_contracts_are_counted(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    assert 'href="/erase"' in await desk.open("/access")
    for number in range(200):
        contract = f"contract/northwind/C-{2000 + number}"
        temporal.ended[contract] = ENDED_AT - timedelta(days=number)
        CustomerIndex(eraser.store).note(CUSTOMER, contract)
    temporal.ended[OPEN] = None
    await looked_at(desk)
    assert "Would be erased: 201" in desk.text
    assert "and 151 more" in desk.text
    assert len(desk.text.encode()) < 26_000


# --- the API ------------------------------------------------------------------------------------


async def ask(desk: Desk, method: str, person: Any = ADA, **how: Any) -> tuple[int, Any]:
    headers = {PERSON: person.person}
    answer = await desk.http.request(method, API, headers=headers, **how)
    return answer.status_code, answer.json()


async def test_the_api_shows_and_erases_the_same_and_sent_again_changes_nothing(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = None
    status, found = await ask(desk, "GET", params={"customer": CUSTOMER})
    assert status == 200
    assert [item["standing"] for item in found["contracts"]] == ["due", "open"]
    body = {"customer": CUSTOMER, "reason": "ticket 4711"}
    status, refused = await ask(desk, "POST", json=body)
    assert (status, keys(eraser)) == (409, 1)
    assert "still runs" in refused["detail"]
    status, done = await ask(desk, "POST", json={**body, "partly": True})
    assert (status, keys(eraser), len(done["erased"]), len(done["left"])) == (200, 0, 1, 1)
    written = entries(eraser)
    assert [who for _, who, _ in written] == [ADA.subject] * 2
    status, again = await ask(desk, "POST", json={**body, "partly": True})
    assert (status, again["erased"], entries(eraser)) == (200, [], written)


async def test_the_api_refuses_who_may_not_and_what_is_not_right(
    desk: Desk, temporal: Executions, eraser: Eraser
) -> None:
    temporal.ended[OPEN] = ENDED_AT
    body = {"customer": CUSTOMER, "reason": "r"}
    for person, status in ((FINN, 403), (UMA, 404)):
        assert (await ask(desk, "POST", person, json=body))[0] == status
        assert (await ask(desk, "GET", person, params={"customer": CUSTOMER}))[0] == status
    for wrong in ({"customer": CUSTOMER}, {**body, "by": "bob"}, {**body, "partly": "yes"}):
        assert (await ask(desk, "POST", json=wrong))[0] == 422
    assert (await ask(desk, "POST", json={**body, "customer": "none"}))[0] == 404
    assert keys(eraser) == 1


async def test_without_keys_it_is_said_that_there_is_nothing_to_destroy() -> None:
    app = _application(None)
    app.state.temporal = cast("Any", None)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        desk = Desk(client, ADA)
        assert "not encrypted here" in await desk.open("/erase?customer=20001")
        status, found = await ask(desk, "GET", params={"customer": CUSTOMER})
        assert (desk.status, status) == (409, 409)
        assert "not encrypted here" in found["detail"]
