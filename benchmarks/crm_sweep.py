"""A sweep over many deals of a CRM until the won ones are contracts, and the script that does the
same: what `won_deals` and `write_back` count."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import hubspot_sdk
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks import product
from benchmarks.contracts import ENTITY
from benchmarks.frame import Bench, at_least
from benchmarks.product import Product
from contracts.sweeps import ConnectorSweep
from gateways.crm.hubspot.crm import CUSTOM_PROPERTIES
from gateways.crm.hubspot.surrounding import COMPANY, CONTACT, LINE_ITEM
from sandbox.server import Sandbox
from wiring.settings import WorkerSettings
from workflows import task_queues
from workflows.sweeps import CrmSweepWorkflow

_SYSTEM = "hubspot"
_DEAL = ["dealname", "amount", "closedate", "hubspot_owner_id"]
_SECONDS, _SECONDS_A_DEAL = 120, 3
_LONG_AGO, _OVERLAP = timedelta(days=90), timedelta(minutes=5)


def report(
    bench: Bench, name: str, ours: int, script: int, seen: _Seen, *, records: int = 0
) -> None:
    records = records or len(seen.changed)
    bench.report(
        name,
        script / ours,
        at_least(5),
        unit="calls of the script to ours, for the same records",
        deals=seen.deals,
        changed=records,
        ours_a_record=ours / records,
        script_a_record=script / records,
    )


# --- ours -----------------------------------------------------------------------------------------


class CountingHubSpot(Sandbox):
    """The stand-in of HubSpot: it notes reads by their paths, and each status that is written."""

    def app(self) -> ASGIApp:
        self.reads: Counter[str] = Counter()
        self.writes = 0
        inner = super().app()

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            path = str(scope.get("path", ""))
            if scope["type"] == "http" and path.startswith("/hubspot/crm/"):
                if path.endswith("/batch/update") or scope["method"] == "PATCH":
                    self.writes += 1
                else:
                    self.reads[f"{scope['method']} {path}"] += 1
            await inner(scope, receive, send)

        return counting


@dataclass
class _Seen:
    """What one sweep came to; the stand-in still serves, for the script."""

    hubspot: CountingHubSpot
    client: hubspot_sdk.HubSpot
    deals: int
    changed: list[str]
    reads: int
    writes: int
    written: list[tuple[str, Mapping[str, str]]]


@asynccontextmanager
async def sweep_once(bench: Bench) -> AsyncIterator[_Seen]:
    """Sweep over so many deals, of which so few were won lately, until these are contracts."""
    deals = bench.size(full=10_000, quick=300)
    changed = bench.size(full=200, quick=20)
    with CountingHubSpot(bench.new_folder("hubspot")) as hubspot:
        _old_deals(hubspot, deals - changed)
        won = [_won(hubspot, number) for number in range(changed)]
        url = f"{hubspot.url}/hubspot"
        environment = {
            "C2C_CRM__HUBSPOT__URL": url,
            "C2C_CRM__HUBSPOT__API_KEY_FILE": str(hubspot.key_file("hubspot")),
            "C2C_CRM__HUBSPOT__LEGAL_ENTITY": ENTITY,
            "C2C_CRM__HUBSPOT__CLOSED_SINCE": "2020-01-01",
            # As by default: the stand-in's configuration is for somebody who looks on.
            "C2C_WORKER__GATHER_SECONDS": str(WorkerSettings().gather_seconds),
        }
        with bench.odoo() as odoo, _statuses(hubspot) as written:
            async with product.running(bench, odoo, environment=environment) as ours:
                await _swept(ours)
                await _all_active(ours, hubspot, won)
        token = hubspot.hubspot_token
        with hubspot_sdk.HubSpot(access_token=token, base_url=url, max_retries=0) as client:
            reads, writes = hubspot.reads.total(), hubspot.writes
            yield _Seen(hubspot, client, deals, won, reads, writes, written)


def _old_deals(hubspot: CountingHubSpot, count: int) -> None:
    """Won deals that are long unchanged: a sweep has to pass them over, and nothing more."""
    store = hubspot.hubspot
    for item in CUSTOM_PROPERTIES:
        store.define(item.object_type, {"options": [], **item.definition()})
    for _ in range(count):
        store.add("deals", {"dealname": "Old", "dealstage": "closedwon"})
    milliseconds = int((datetime.now(UTC) - _LONG_AGO).timestamp() * 1000)
    store._db.execute("UPDATE record SET modified_ms = ?", [milliseconds])


def _won(hubspot: CountingHubSpot, number: int) -> str:
    line = {"name": "Build", "hs_sku": "BUILD", "quantity": "1", "price": "1000"}
    return hubspot.hubspot.add_deal(
        name=f"Roll-out {number}",
        amount="1000",
        company={"name": f"Customer {number}", "hs_country_code": "CH", "city": "Zurich"},
        contacts=[{"email": f"ap@customer{number}.example.com", "label": "Billing"}],
        line_items=[line],
        owner_email="sam@northwind.example",
    )


@contextmanager
def _statuses(hubspot: CountingHubSpot) -> Iterator[list[tuple[str, Mapping[str, str]]]]:
    """Every status that is written meanwhile."""
    written: list[tuple[str, Mapping[str, str]]] = []
    store, update = hubspot.hubspot, hubspot.hubspot.update

    def noted(kind: str, record_id: str, properties: Any, **more: Any) -> Any:
        written.append((record_id, properties))
        return update(kind, record_id, properties, **more)

    store.update = noted  # type: ignore[method-assign]
    try:
        yield written
    finally:
        store.update = update  # type: ignore[method-assign]


async def _swept(ours: Product) -> None:
    await ours.client.execute_workflow(
        CrmSweepWorkflow.run,
        ConnectorSweep(system=_SYSTEM, legal_entity=ENTITY, overlap=_OVERLAP),
        id="bench-won-deals",
        task_queue=task_queues.CONTRACTS,
    )


async def _all_active(ours: Product, hubspot: CountingHubSpot, won: list[str]) -> None:
    async def are_active() -> bool:
        found = (hubspot.hubspot.get("deals", deal) for deal in won)
        return all(deal and deal.properties.get("c2c_stage") == "active" for deal in found)

    limit = _SECONDS + _SECONDS_A_DEAL * len(won)
    await ours.until("every deal's contract", are_active, seconds=limit)


# --- the script -----------------------------------------------------------------------------------


def read_all(client: Any, deals: list[str]) -> None:
    """What changed since, by one search a page, and all that hangs on each deal."""
    objects, since = client.crm.objects.generic_objects, time.time() - 7 * 86_400
    filters = [
        {"property_name": "hs_is_closed_won", "operator": "EQ", "value": "true"},
        {
            "property_name": "hs_lastmodifieddate",
            "operator": "GTE",
            "value": str(int(since * 1000)),
        },
    ]
    found: list[str] = []
    after: Any = hubspot_sdk.omit
    while True:
        page = objects.search(
            "deals",
            after=after,
            filter_groups=[{"filters": filters}],
            limit=200,
            properties=["hs_lastmodifieddate"],
            sorts=["hs_object_id"],
        )
        found += [item.id for item in page.results]
        if page.paging is None or page.paging.next is None:
            break
        after = page.paging.next.after
    if sorted(found) != sorted(deals):
        raise AssertionError(f"the script found {len(found)} deals, not {len(deals)}")
    for deal in found:
        _read_one(client, objects, deal)


def _read_one(client: Any, objects: Any, deal_id: str) -> None:
    deal = objects.get(deal_id, object_type="deals", properties=_DEAL)
    for kind, properties in (
        ("companies", COMPANY),
        ("contacts", CONTACT),
        ("line_items", LINE_ITEM),
    ):
        for key in _associated(client, "deals", deal_id, kind):
            objects.get(key, object_type=kind, properties=list(properties))
            if kind == "companies":
                _associated(client, "companies", key, "companies")
    client.crm.owners.get(int(deal.properties["hubspot_owner_id"]))


def _associated(client: Any, from_type: str, key: str, to_type: str) -> list[str]:
    answer = client.crm.associations.batch.get(
        to_type, from_object_type=from_type, inputs=[{"id": key}]
    )
    return [str(item.to_object_id) for result in answer.results for item in result.to]


def write_all(client: Any, written: list[tuple[str, Mapping[str, str]]]) -> None:
    """Each status by itself."""
    for deal_id, properties in written:
        client.crm.objects.generic_objects.update(
            deal_id, object_type="deals", properties=dict(properties)
        )
