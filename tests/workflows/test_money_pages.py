"""Receivables, questions and figures over a running stack: the pages and the same as commands."""

from __future__ import annotations

import asyncio
import csv
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from contracts.access import Role
from contracts.figures import FIGURES
from contracts.invoice.state import InvoiceStage
from contracts.page_addresses import place_of
from starters import schedules
from starters.books import Books
from starters.cli import app as command
from starters.client.names import FIGURES_SCHEDULE
from starters.figures import series
from starters.web.middleware import Around
from starters.web.pages import errors
from starters.web.pages.modules import add_pages
from starters.web.pages.workbench import Workbench
from starters.web.problems import add_handlers
from tests.conftest import settings_for
from tests.visitors import CSRF, PERSON, FakeVisits, visitor
from tests.waiting import refused_event, unknown_bank_file
from tests.world import ENTITY, World, contract_data, single

FINN = visitor("finn@northwind.example", northwind=Role.FINANCE)
VIC = visitor("vic@northwind.example", northwind=Role.VIEWER)
ELSE = visitor("else@southwind.example", southwind=Role.CONTROLLER)
HTML = {"accept": "text/html", PERSON: FINN.person}


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(world.server)
    app = FastAPI()
    app.add_middleware(Around, tls=False)
    add_handlers(app, errors.shown)
    add_pages(app, Workbench(settings.entities, books=Books.of(settings)))
    app.state.temporal = world.client
    app.state.visits = FakeVisits({item.person: item for item in (FINN, VIC, ELSE)})
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def _request_id(text: str, act: str) -> str:
    found = re.search(rf'/{act}">.*?name="request_id" value="([^"]+)"', text, re.DOTALL)
    assert found is not None, act
    return found[1]


async def _seen(http: httpx.AsyncClient, world: World, path: str, *words: str) -> str:
    """The page once it has these words: lists are a moment behind."""

    async def shown() -> str:
        answer = await http.get(path, headers=HTML)
        assert answer.status_code == 200, answer.text
        return answer.text

    return await world.until(shown, lambda text: all(word in text for word in words), seconds=30)


async def test_a_receivable_is_listed_promised_held_and_opened_by_its_numbers(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single(title="R")
    contract["customer"]["name"] = f"=1+1 {contract['contract_id']}"
    invoice = await world.open(contract)
    contract_id = contract["contract_id"]
    place = f"/receivables/{ENTITY}/{contract_id}/1"
    customer = contract["customer"]["name"]
    listed = f"/receivables?customer={contract_id}"
    text = await _seen(http, world, listed, place, customer, "1,000.00&nbsp;<small>EUR</small>")
    assert "1 open part:" in text

    # Each number opens into the list that it counts.
    cell = re.search(r'href="(/receivables\?[^"]*bucket=not\+due[^"]*)"', text)
    assert cell is not None
    opened = await http.get(cell[1].replace("&amp;", "&"), headers=HTML)
    assert "1 open part, not due:" in opened.text

    told = await http.get(f"/receivables.csv?customer={contract_id}", headers=HTML)
    [row] = csv.DictReader(told.text.splitlines())
    assert (row["contract"], row["invoice"]) == (contract_id, "1")
    assert (row["open"], row["currency"], row["customer"]) == ("1000.00", "EUR", f"'{customer}")

    shown = (await http.get(place, headers=HTML)).text
    assert "What happened" in shown
    form = {"csrf": CSRF, "request_id": _request_id(shown, "promise"), "currency": "EUR"}
    until = str((datetime.now(UTC) + timedelta(days=9)).date())
    wrong = await http.post(f"{place}/promise", data={**form, "on": "soon"}, headers=HTML)
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert 'value="soon"' in wrong.text
    promise = {**form, "on": until, "amount": "600.00"}
    for _ in range(2):  # a double click
        done = await http.post(f"{place}/promise", data=promise, headers=HTML)
        assert done.status_code == 303, done.text
    state = await world.invoice(invoice)
    assert state.promise is not None
    assert (str(state.promise.amount), state.promise.by) == ("600.00 EUR", FINN.person)
    after = (await http.get(place, headers=HTML)).text
    assert "The promise is noted" in after
    assert after.count("noted by finn@northwind.example") == 1
    await _seen(http, world, f"{listed}&standing=promised", "1 open part:", "promised</span>")

    hold = {"csrf": CSRF, "request_id": _request_id(after, "hold"), "reason": "A call on Monday"}
    assert (await http.post(f"{place}/hold", data=hold, headers=HTML)).status_code == 303
    again = (await http.get(place, headers=HTML)).text
    assert "Release the reminders" in again
    await _seen(http, world, f"{listed}&standing=held", "1 open part:", "held</span>")
    # It waits on the hold now, and is promised all the same; the day of that is said, and it is
    # aged by the due date in the books.
    both = ("1 open part:", "held</span>", "promised</span>", "agreed: ", "not due")
    await _seen(http, world, f"{listed}&standing=promised", *both)
    told = await http.get(f"/receivables.csv?customer={contract_id}", headers=HTML)
    [row] = csv.DictReader(told.text.splitlines())
    assert (row["standings"], row["agreed_on"]) == ("held not_due promised", until)

    # What one may not do is said with who may; and it is refused however it is asked.
    seen = (await http.get(place, headers={**HTML, PERSON: VIC.person})).text
    assert "Not for you: this needs one of the roles finance, controller" in seen
    refused = await http.post(f"{place}/promise", data=promise, headers={PERSON: VIC.person})
    assert refused.status_code == 403
    assert (await http.get(place, headers={PERSON: ELSE.person})).status_code == 404
    answer = await http.get(f"/receivables?entity={ENTITY}", headers={PERSON: ELSE.person})
    assert answer.status_code == 404


async def test_what_was_open_at_the_end_of_a_day_is_aged_as_it_was_then(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single(title="A")
    invoice = await world.open(contract)
    await world.pay(invoice)
    today = datetime.now(UTC).date()
    listed = f"/receivables?customer={contract['contract_id']}"
    assert "0 open parts" in (await http.get(listed, headers=HTML)).text
    before = await http.get(f"{listed}&as_of={today - timedelta(days=1)}", headers=HTML)
    assert "What was agreed on that day is not known" in before.text
    assert "0 open parts" in before.text  # it was not posted then
    for wrong in ("as_of=2026-13-01", "standing=sad", "bucket=old", "page=x"):
        assert (await http.get(f"/receivables?{wrong}", headers=HTML)).status_code == 422


async def test_questions_have_numbers_that_open_into_their_lists(
    world: World, http: httpx.AsyncClient
) -> None:
    late = str(datetime.now(UTC).date() - timedelta(days=5))
    contract = contract_data()
    contract["milestones"][0]["due_on"] = late
    workflow_id = await world.active(contract)
    parked = single(currency="XXX")
    await world.parked(await world.start(parked))
    await _seen(http, world, "/questions/milestones-late", contract["contract_id"], "Design")
    await _seen(http, world, "/questions/awaiting-project", parked["contract_id"])
    event, file = await refused_event(world.client), await unknown_bank_file(world.client)
    names = (place_of(event), place_of(file))
    listed = await _seen(
        http, world, "/questions/exceptions?age=day", parked["contract_id"], *names
    )
    text = await _seen(http, world, "/questions", "Milestones late", "Exceptions, over 7 days")
    numbers = dict(re.findall(r'href="/questions/([^"]+)">[^<]+</a>\s*<strong>(\d+)', text))
    assert int(numbers["milestones-late"]) >= 1
    counted = re.search(r"<h1>[^<]*\((\d+)\)</h1>", listed)
    assert counted is not None
    assert numbers["exceptions?age=day"] == counted[1]
    assert numbers["exceptions?age=older"] == "0"
    assert (await http.get("/questions/why", headers=HTML)).status_code == 404
    assert (
        f"/c/{ENTITY}/{workflow_id.rpartition('/')[2]}"
        in (await http.get("/questions/milestones-late", headers=HTML)).text
    )


async def test_approved_time_that_is_not_invoiced_is_found(
    world: World, http: httpx.AsyncClient
) -> None:
    today = datetime.now(UTC).date()
    contract = contract_data(title="T", ends_on=str(today + timedelta(days=90)))
    dev = {"key": "dev", "code": "DEVELOPMENT", "description": "Development", "amount": "0.00"}
    contract["services"] = [*contract["services"], dev]
    contract["time"] = [{"key": "dev", "service": "dev", "rates": [{"price": "120.00"}]}]
    workflow_id = await world.active(contract)
    await world.work(workflow_id, "dev", "3.5", str(today))
    text = (await http.get("/questions/time-not-invoiced", headers=HTML)).text
    assert contract["contract_id"] in text
    assert "3.5 hours" in text


async def test_figures_are_measured_by_their_schedule_and_shown(
    world: World, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await world.open(single(title="F"))
    await world.invoice(invoice, InvoiceStage.OPEN)
    missing = await http.get("/figures", headers=HTML)
    assert "run c2c setup" in missing.text
    settings = settings_for(world.server)
    [measured] = [
        item for item in schedules.sweeps(settings) if item.id == f"{FIGURES_SCHEDULE}{ENTITY}"
    ]
    await schedules._ensure(world.client, measured)
    handle = world.client.get_schedule_handle(measured.id)
    try:
        assert "Nothing is measured yet" in (await http.get("/figures", headers=HTML)).text
        for runs in (1, 2):
            await handle.trigger()
            found = await world.until(
                lambda: _measured(world), partial(_has_run, times=runs), seconds=60
            )
        assert found[1] == 1  # the same day again replaces it
        text = (await http.get("/figures", headers=HTML)).text
        assert "Backlog, EUR" in text
        assert '<svg class="plot" role="img"' in text
        assert not re.search(r"\sstyle=|<style|<script(?! src=)", text)
        one = (await http.get("/figures/aging", headers=HTML)).text
        assert "31-60, EUR" in one
        told = await http.get("/figures/backlog.csv", headers=HTML)
        rows = list(csv.DictReader(told.text.splitlines()))
        assert rows[0]["currency"] == "EUR"
        assert (await http.get("/figures/mood", headers=HTML)).status_code == 404
        assert (await http.get("/figures?days=0", headers=HTML)).status_code == 422
        await _commands(world, monkeypatch)
    finally:
        await handle.delete()


async def _measured(world: World) -> tuple[int, int]:
    """How often it was measured, and how many days the series has."""
    handle = world.client.get_schedule_handle(f"{FIGURES_SCHEDULE}{ENTITY}")
    described = await handle.describe()
    return described.info.num_actions, len((await series(world.client, ENTITY)).days)


def _has_run(found: tuple[int, int], times: int) -> bool:
    return found[0] >= times and found[1] > 0


async def _commands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(world.server)
    monkeypatch.setenv("TEMPORAL_ADDRESS", world.client.service_client.config.target_host)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", world.client.namespace)
    monkeypatch.setattr("wiring.settings.load_settings", lambda: settings)

    async def told(*words: str) -> dict[str, object]:
        line = [*words, "--entity", ENTITY]
        done = await asyncio.to_thread(CliRunner().invoke, command, [*line, "--json"])
        assert done.exit_code == 0, done.output
        plain = await asyncio.to_thread(CliRunner().invoke, command, line)
        assert plain.exit_code == 0, plain.output
        found: dict[str, object] = json.loads(done.stdout)
        return found

    owed = await told("receivables", "--currency", "eur", "--limit", "1")
    assert (owed["problems"], len(owed["parts"])) == ({}, 1)  # type: ignore[arg-type]
    numbers = (await told("questions"))["questions"]
    assert {item["title"]: item["problem"] for item in numbers}["Milestones late"] == ""  # type: ignore[attr-defined]
    assert "rows" in await told("questions", "exceptions")
    figures = (await told("figures"))[ENTITY]
    keys = {name.partition(":")[0] for name in figures["columns"]}  # type: ignore[index]
    assert keys <= {figure.key for figure in FIGURES}


async def test_one_legal_entity_that_cannot_be_read_hides_no_other(
    world: World, http: httpx.AsyncClient
) -> None:
    contract = single(title="S")
    await world.open(contract)
    settings = settings_for(world.server)
    entity = settings.entities[ENTITY]
    both = {ENTITY: entity, "southwind": entity.model_copy(update={"odoo_company": "Nobody Ltd"})}
    app = http._transport.app  # type: ignore[attr-defined]
    books = replace(Books.of(settings), entities=both)
    app.state.workbench = Workbench(both, books=books)
    app.state.visits = FakeVisits({"x": visitor("x", northwind=Role.VIEWER, southwind=Role.VIEWER)})
    text = (await http.get("/receivables", headers={**HTML, PERSON: "x"})).text
    assert "southwind cannot be shown now: Odoo has no single company Nobody Ltd" in text
    assert contract["contract_id"] in text
    asked = (await http.get("/questions", headers={**HTML, PERSON: "x"})).text
    assert "southwind: Odoo has no single company Nobody Ltd" in asked
