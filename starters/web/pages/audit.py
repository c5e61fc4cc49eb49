"""`/audit`: entries of the audit record found by who, what and when; a chain with its proof; files.

A look at the record is bounded and says where it stopped. Whoever is shown what was sealed is
recorded, as with the codec server.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from contracts.access import EVERYWHERE, Permission
from contracts.audit import records
from contracts.audit.merkle import Head
from contracts.identifiers import (
    contract_scope,
    is_invoice_workflow_id,
    legal_entity_of,
)
from contracts.views import audit as sentences
from gateways.audit import looking
from gateways.audit.chains import Stored
from gateways.audit.looking import ChainLook, Found, Place, Wanted
from gateways.audit.reading import LastAnchor, Reader
from gateways.errors import GatewayError
from starters.client import auditing, calls
from starters.client.references import BadReference, Entities, any_id, short
from starters.web import decodes
from starters.web.pages import links
from starters.web.pages.audit_chains import (
    chain_path,
    contract_or_file_path,
    is_of_workflow,
    of_path,
)
from starters.web.pages.files import CSV, JSON_LINES, attachment, csv_text, no_formula
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import Workbench, c2c_of, chosen_entities, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

T = TypeVar("T")

PAGE_ENTRIES = 100
MAX_EXPORTED = 20_000
_LIVE_WITHIN_SECONDS = 3.0
_MAX_CURSOR = 800
_REMOTE_ID = re.compile(r"([a-z][a-z_.]{1,60}) ([0-9]{1,12})")
_COLUMNS = (
    *("of", "seq", "at", "what", "person", "roles", "issuer", "subject", "token_id", "system"),
    *("why", "details", "before", "after", "content_hash", "source_hash", "remote_id", "left_out"),
    *("prev", "hash", "unreadable"),
)

routes = APIRouter()
PAGES = PageModule(routes, (Link("Audit", "/audit"),))


# --- looking for entries ------------------------------------------------------------------------


@dataclass(frozen=True)
class Narrowed:
    """What narrows the list, as the address has it; what is empty does not narrow."""

    entity: str
    of: str
    person: str
    what: str
    since: date | None
    until: date | None

    def wanted(self, zone: str) -> Wanted:
        """Days are those of the zone, the last one included."""
        after_last = self.until + timedelta(days=1) if self.until else None
        return Wanted(self.person, self.what, _begin(self.since, zone), _begin(after_last, zone))


def _begin(day: date | None, zone: str) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) if day else None


@routes.get("/audit", dependencies=[needs(Permission.READ)])
async def entries(
    request: Request,
    visitor: Present,
    entity: Annotated[str, Query(max_length=64)] = "",
    of: Annotated[str, Query(max_length=300)] = "",
    person: Annotated[str, Query(max_length=200)] = "",
    what: Annotated[str, Query(max_length=60)] = "",
    since: Annotated[str, Query(alias="from", max_length=10)] = "",
    until: Annotated[str, Query(alias="to", max_length=10)] = "",
    after: Annotated[str, Query(max_length=_MAX_CURSOR)] = "",
) -> Response:
    """The entries of what the visitor may read, narrowed by what the address says."""
    entities, workbench = chosen_entities(request, visitor), workbench_of(request)
    narrowed, problem = _narrowed(entity, of.strip(), person.strip(), what, since, until)
    reader, cursor = _reader(request), _cursor(after)
    found = Found()
    prefixes: list[str] = []
    if not problem:
        prefixes, problem = _prefixes(narrowed.of, entities, visitor)
    zone = workbench.zone(entities[0]) if len(entities) == 1 else "UTC"
    if prefixes:
        place = Place(prefixes, cursor)
        found = await _looked(looking.search, reader.chains, place, narrowed.wanted(zone))
        await _note(request, visitor, reader, "search", found.opened, found.entries)
    return await page(
        request,
        "audit.html",
        status=422 if problem else 200,
        title="Audit record",
        narrowed=narrowed,
        problem=problem,
        found=found,
        following=_packed(found.after),
        is_first=not after,
        whats=sentences.WHATS,
        words=sentences.words,
        sentence=sentences.sentence,
        chain_path=chain_path,
        moment_of=datetime.fromisoformat,
        zone_of=lambda of: workbench.zone(legal_entity_of(of)),
        entities=visitor.entities(Permission.READ, workbench.entities),
        anchors=[(name, await _looked(reader.last_anchor, name)) for name in entities],
    )


def _narrowed(
    entity: str, of: str, person: str, what: str, since: str, until: str
) -> tuple[Narrowed, str]:
    """What the address says, and what is wrong with it."""
    days, problem = [], ""
    for text in (since, until):
        try:
            days.append(date.fromisoformat(text) if text else None)
        except ValueError:
            days.append(None)
            problem = f"{text!r} is no day, such as 2026-03-31"
    return Narrowed(entity, of, person, what, days[0], days[1]), problem


def _prefixes(of: str, entities: Sequence[str], visitor: Visitor) -> tuple[list[str], str]:
    """Where to look, and why not. Events belong to no legal entity."""
    if not of:
        sees_events = visitor.may(Permission.READ, EVERYWHERE)
        found = {
            prefix
            for entity in entities
            for prefix in records.entity_prefixes(entity)
            if sees_events or prefix != records.EVENTS_PREFIX
        }
        return sorted(found), ""
    if not entities:
        return [], ""
    try:
        workflow_id = any_id(of, Entities.of(*entities))
    except BadReference as error:
        return [], str(error)
    if legal_entity_of(workflow_id) not in entities:
        raise HttpProblem(404, "there is no such thing")
    if is_invoice_workflow_id(workflow_id):
        return [records.chain_prefix(workflow_id)], ""
    return [records.contract_prefix(workflow_id)], ""


def _cursor(after: str) -> str:
    """The name of the record behind which the page begins."""
    try:
        name = base64.b64decode(after, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise HttpProblem(404, "there is no such page of the list") from None
    if name and records.place_of(name) is None:
        raise HttpProblem(404, "there is no such page of the list")
    return name


def _packed(name: str) -> str:
    return base64.b64encode(name.encode(), altchars=b"-_").decode()


# --- one chain ----------------------------------------------------------------------------------


@routes.get("/audit/{entity}/{of:path}.csv", dependencies=[needs(Permission.EXPORT_AUDIT)])
async def as_csv(entity: str, of: str, request: Request, visitor: Present) -> Response:
    """A chain as a table; of a contract with those of its invoices."""
    found, name = await _exported(request, visitor, entity, of)
    return attachment(csv_text(_COLUMNS, map(_row, found)), f"{name}.csv", CSV)


@routes.get("/audit/{entity}/{of:path}.jsonl", dependencies=[needs(Permission.EXPORT_AUDIT)])
async def as_lines(entity: str, of: str, request: Request, visitor: Present) -> Response:
    """The same, a line of JSON for each entry, as `c2c audit show --json` prints it."""
    found, name = await _exported(request, visitor, entity, of)
    lines = [json.dumps(item.document, ensure_ascii=False) for item in found]
    return attachment("\n".join([*lines, ""]), f"{name}.jsonl", JSON_LINES)


@routes.get("/audit/{entity}/{of:path}", dependencies=[needs(Permission.READ)])
async def chain(
    entity: str,
    of: str,
    request: Request,
    visitor: Present,
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """A chain: its entries, whether it is whole, and what it is anchored by."""
    return await shown(request, visitor, _chain(entity, of), number)


async def shown(
    request: Request, visitor: Visitor, of: str, number: int = 1, *, unknown: str = ""
) -> Response:
    """The page of a chain. `unknown` is what to say where the record has nothing of it either."""
    reader, workbench = _reader(request), workbench_of(request)
    entity = legal_entity_of(of) or next(iter(workbench.entities), "")
    end, is_silent = await _live(request, visitor, of)
    first = (number - 1) * PAGE_ENTRIES
    look: ChainLook = await _looked(looking.chain, reader, of, entity, end, first, PAGE_ENTRIES)
    if not look.total and look.verdict.is_whole:
        raise HttpProblem(404, unknown or "the audit record has nothing of it")
    opened = {item.record.key_id for item in look.entries if item.is_opened}
    await _note(request, visitor, reader, of, opened, look.entries)
    contract = contract_scope(of)
    beside = await _looked(reader.of_contract, contract) if contract else {}
    anchor: LastAnchor | None = await _looked(reader.last_anchor, entity)
    return await page(
        request,
        "audit_chain.html",
        title=f"Audit record of {short(of)}",
        chosen=legal_entity_of(of),
        of=of,
        name=short(of),
        look=look,
        anchor=anchor,
        number=number,
        first=first,
        more=look.total > first + PAGE_ENTRIES,
        is_running=end is not None,
        is_silent=is_silent,
        is_forgotten=end is None and not is_silent and is_of_workflow(of),
        beside={item: count for item, count in beside.items() if item != of},
        may_export=visitor.may(Permission.EXPORT_AUDIT, legal_entity_of(of) or EVERYWHERE),
        place=chain_path(of),
        page_of=contract_or_file_path(of),
        chain_path=chain_path,
        sentences=sentences,
        remote_link=lambda text: _remote(workbench, text),
        moment_of=datetime.fromisoformat,
        zone=workbench.zone(entity),
    )


def _chain(entity: str, of: str) -> str:
    """The chain of an address. Raises HttpProblem."""
    found = of_path(entity, of)
    if not found:
        raise HttpProblem(404, "there is no such chain of the audit record")
    return found


async def _live(request: Request, visitor: Visitor, of: str) -> tuple[Head | None, bool]:
    """The end of a chain as its workflow knows it, and whether that gave no answer in time."""
    if not is_of_workflow(of):
        return None, False
    try:
        async with asyncio.timeout(_LIVE_WITHIN_SECONDS):
            return await auditing.head(c2c_of(request, visitor).client, of), False
    except (TimeoutError, RuntimeError, *calls.FAILURES):
        return None, True


def _remote(workbench: Workbench, remote_id: str) -> str:
    """The address in Odoo of what a remote calls so; empty for any other."""
    found = _REMOTE_ID.fullmatch(remote_id)
    return links.odoo(workbench, found[1], int(found[2])) if found else ""


# --- files --------------------------------------------------------------------------------------


async def _exported(
    request: Request, visitor: Visitor, entity: str, path: str
) -> tuple[list[Stored], str]:
    """All entries of a chain, of a contract with its invoices', and a name for the file."""
    of, reader = _chain(entity, path), _reader(request)
    is_contract = contract_scope(of) == of
    ends = await _looked(reader.of_contract, of) if is_contract else {of: 0}

    def read() -> list[Stored]:
        numbered = [(item, reader.chains.numbers(item)) for item in ends]
        count = sum(len(numbers) for _, numbers in numbered)
        if count > MAX_EXPORTED:
            raise HttpProblem(
                413,
                f"it has {count} entries, and a file holds {MAX_EXPORTED}: take the chains of its "
                "invoices one by one, or use c2c audit show --json",
            )
        return [one for item, numbers in numbered for one in reader.chains.entries(item, numbers)]

    found = await _looked(read)
    if not found:
        raise HttpProblem(404, "the audit record has nothing of it")
    opened = {item.record.key_id for item in found if item.is_opened}
    await _note(request, visitor, reader, f"export {of}", opened, found)
    return found, f"audit-{re.sub(r'[^A-Za-z0-9_-]', '-', short(of))}"


def _row(item: Stored) -> list[str]:
    """A row of a table, in which nothing is a formula."""
    document = item.document
    flat = {**document, **document.get("actor", {})}
    return [no_formula(_cell(flat.get(name, ""))) for name in _COLUMNS]


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- the record store ---------------------------------------------------------------------------


def _reader(request: Request) -> Reader:
    """Raises HttpProblem where no record is kept."""
    found = workbench_of(request).audit
    if found is None:
        raise HttpProblem(503, "no record store is configured, so there is no audit record")
    return found


async def _looked(look: Callable[..., T], *arguments: Any) -> T:
    """What a look at the store comes to. Raises HttpProblem."""
    return await _answered(asyncio.to_thread(look, *arguments))


async def _answered(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except GatewayError as error:
        raise HttpProblem(
            503,
            "The audit record cannot be read now.",
            headers={"Retry-After": "30"},
            why=f"{error.code}: {error.message}",
        ) from error


async def _note(
    request: Request,
    visitor: Visitor,
    reader: Reader,
    action: str,
    opened: Iterable[str],
    shown: Sequence[Stored],
) -> None:
    """Record who is shown what was sealed, before it is shown."""
    keys = sorted(opened)
    if keys:
        at, who, count = datetime.now(UTC), visitor.person, len(shown)
        store, action = reader.chains.store, f"audit {action}"
        await _answered(
            decodes.note(store, request, at, action=action, who=who, keys=keys, count=count)
        )
