"""`/exceptions`: everything that waits for a person, by its code and then by its age.

Contracts and invoices are shown from visibility: no workflow is asked. The files of a bank are
few, and asked; inbound events are listed as they are.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from contracts import access
from contracts.access import EVERYWHERE, TO_RESOLVE, Permission
from contracts.exception_codes import BY_CODE
from contracts.identifiers import EVENT_PREFIX, legal_entity_of
from contracts.page_addresses import exception_path, place_of
from contracts.parking import Action, Responsible
from contracts.views.parked import ParkedCard, seen
from starters.client import C2C, NoAnswer, NotFound, Refused, bank, calls, events
from starters.client.event_rows import EventRow
from starters.client.listing import Listed
from starters.client.names import MAX_LISTED
from starters.client.parked import ParkedRow, ParkedStep
from starters.client.references import short
from starters.web.forms import form_of, new_id
from starters.web.pages.asking import asked, id_of
from starters.web.pages.contract_list import shown_entities
from starters.web.pages.shell import Link, Outcome, OutcomeLine, PageModule, answered, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.visitors import Present, Visitor, needs

EVENTS = "inbound_event"
"""Stands for the code of events, which have none."""
_UNREADABLE = "unreadable"
_EVER = datetime.min.replace(tzinfo=UTC)

routes = APIRouter()


@dataclass(frozen=True)
class ExceptionRow:
    """One thing that waits. `kind` is its code, or `EVENTS`; `key` is what a form names it by,
    empty where nothing is retried from here."""

    of: str
    entity: str
    href: str
    kind: str
    doing: str
    message: str
    since: datetime | None
    customer: str = ""
    responsible: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    key: str = ""


@dataclass(frozen=True)
class Group:
    """What waits with one code, the oldest first."""

    code: str
    meaning: str
    remedy: str
    rows: list[ExceptionRow]

    @property
    def may_retry(self) -> bool:
        return any(row.key for row in self.rows)


@dataclass
class Waiting:
    """All that was found; `missed` says what could not be read."""

    rows: list[ExceptionRow] = field(default_factory=list)
    more: bool = False
    missed: list[str] = field(default_factory=list)


@routes.get("/exceptions", dependencies=[needs(Permission.READ)])
async def exceptions(
    request: Request,
    visitor: Present,
    entity: Annotated[str, Query(max_length=100)] = "",
    code: Annotated[str, Query(max_length=100)] = "",
    responsible: Annotated[str, Query(max_length=50)] = "",
    of: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Everything that waits for a person."""
    found = await waiting(request, visitor, shown_entities(request, visitor, entity))
    rows = [row for row in found.rows if responsible in ("", row.responsible) and _is_of(row, of)]
    counts = {group.code: len(group.rows) for group in grouped(rows)}
    groups = grouped(row for row in rows if code in ("", row.kind))
    return await page(
        request,
        "exceptions.html",
        title="Exceptions",
        groups=groups,
        codes={name: f"{name} ({number})" for name, number in counts.items()},
        found=found,
        total=sum(len(group.rows) for group in groups),
        narrowed={"entity": entity, "code": code, "responsible": responsible, "of": of},
        responsibles=[str(item) for item in Responsible],
        entities=visitor.entities(Permission.READ, workbench_of(request).entities),
        may_resolve={
            name: any(visitor.may(item, name) for item in TO_RESOLVE)
            for name in workbench_of(request).entities
        },
        new_id=new_id,
    )


async def count(request: Request, visitor: Visitor) -> int:
    """How many there are."""
    found = await waiting(request, visitor, shown_entities(request, visitor, ""))
    return len(found.rows)


PAGES = PageModule(routes, (Link("Exceptions", "/exceptions", count=count),))


def _is_of(row: ExceptionRow, of: str) -> bool:
    asked_for = of.strip().casefold()
    return asked_for in row.of.casefold() or asked_for in row.customer.casefold()


# --- what waits ---------------------------------------------------------------------------------


async def waiting(request: Request, visitor: Visitor, entities: Sequence[str]) -> Waiting:
    """What waits in these legal entities, the oldest first. Raises HttpProblem."""
    c2c, found = c2c_of(request, visitor), Waiting()
    if not entities:
        return found
    parked, of_banks, inbound = await asked(
        _gathered(c2c, entities, found.missed), "the list of exceptions"
    )
    found.more = parked.more
    for row in parked.items:
        found.rows += _rows(row)
    found.rows += [_bank_row(step) for step in of_banks if _entity(step.workflow_id) in entities]
    found.rows += [_event_row(item) for item in inbound if _may_see(visitor, item, entities)]
    found.rows.sort(key=lambda row: row.since or _EVER)
    return found


async def _gathered(
    c2c: C2C, entities: Sequence[str], missed: list[str]
) -> tuple[Listed[ParkedRow], list[ParkedStep], list[EventRow]]:
    def unreadable(workflow_id: str, error: Exception) -> None:
        missed.append(short(workflow_id))

    return await asyncio.gather(
        c2c.parked(entities),
        bank.parked(c2c.client, unreadable=unreadable),
        events.rows(c2c.client, needs_person=True, limit=MAX_LISTED),
    )


def _may_see(visitor: Visitor, item: EventRow, entities: Sequence[str]) -> bool:
    """Whether an event is of one of these legal entities, or of none that is known, and of no other
    that the visitor may not read."""
    named = {item.legal_entity, *map(_entity, item.touched)} - {""}
    is_listed = not named or not named.isdisjoint(entities)
    return is_listed and all(visitor.may(Permission.READ, name) for name in named or {EVERYWHERE})


def _entity(workflow_id: str) -> str:
    return legal_entity_of(workflow_id)


def _rows(found: ParkedRow) -> list[ExceptionRow]:
    of, entity = short(found.workflow_id), _entity(found.workflow_id)
    if found.unreadable or not found.steps:
        why = found.unreadable or "its steps are not listed yet: open it"
        row = ExceptionRow(
            of, entity, place_of(found.workflow_id), _UNREADABLE, "", why, None, found.customer
        )
        return [row]
    return [_step_row(found, of, entity, card) for card in found.steps]


def _step_row(found: ParkedRow, of: str, entity: str, item: ParkedCard) -> ExceptionRow:
    return ExceptionRow(
        of=of,
        entity=entity,
        href=exception_path(found.workflow_id, item.step),
        kind=item.code,
        doing=item.doing,
        message=item.message,
        since=item.since,
        customer=found.customer,
        responsible=str(item.responsible),
        attempts=item.attempts,
        retry_at=item.retry_at,
        key=f"{found.workflow_id}|{item.step}|{seen(item)}" if item.may_retry else "",
    )


def _bank_row(step: ParkedStep) -> ExceptionRow:
    item = step.exception
    return ExceptionRow(
        of=short(step.workflow_id),
        entity=_entity(step.workflow_id),
        href=exception_path(step.workflow_id, item.step),
        kind=item.code,
        doing=item.doing,
        message=item.message,
        since=item.since,
        responsible=str(item.responsible),
        attempts=item.attempts,
        retry_at=item.retry_at,
    )


def _event_row(item: EventRow) -> ExceptionRow:
    return ExceptionRow(
        of=item.id,
        entity=item.legal_entity,
        href=place_of(f"{EVENT_PREFIX}{item.id}"),
        kind=EVENTS,
        doing=f"Deliver {item.kind} of {item.source}",
        message=item.why,
        since=item.received_at,
        responsible=str(Responsible.OPERATIONS),
        attempts=item.attempts,
    )


def grouped(rows: Iterable[ExceptionRow]) -> list[Group]:
    """By code; the group whose oldest has waited longest comes first."""
    found: dict[str, list[ExceptionRow]] = defaultdict(list)
    for row in rows:
        found[row.kind].append(row)
    return [_group(code, some) for code, some in found.items()]


def _group(code: str, rows: list[ExceptionRow]) -> Group:
    if code == EVENTS:
        return Group(code, "an event from another system is not delivered", "see each", rows)
    if code == _UNREADABLE:
        return Group(code, "lists cannot say what is parked there", "open it", rows)
    known = BY_CODE.get(code)  # none for a code of an older release
    meaning, remedy = (known.meaning, known.remedy.replace("`", "")) if known else ("", "")
    return Group(code, meaning, remedy, rows)


# --- retrying many ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Picked:
    workflow_id: str
    step: str
    seen: str

    @property
    def name(self) -> str:
        return f"{short(self.workflow_id)}, {self.step}"


@routes.post("/exceptions/retry", dependencies=[needs(*TO_RESOLVE)])
async def retry(request: Request, visitor: Present) -> Response:
    """Try those again that are picked; one that is refused stops nothing."""
    form, c2c = await form_of(request), c2c_of(request, visitor)
    request_id, back = id_of(form), "/exceptions"
    picked = _picked(form)
    if not picked:
        return answered(request, back, Outcome("Nothing is picked.", is_good=False))
    lines = await calls.at_once([_retried(c2c, visitor, one, request_id) for one in picked])
    failed = [line for line in lines if line is not None]
    done = len(picked) - len(failed)
    told = f"{done} tried again" + (f", {len(failed)} not." if failed else ".")
    return answered(request, back, Outcome(told, is_good=not failed, lines=tuple(failed)))


def _picked(form: FormData) -> list[_Picked]:
    found = []
    for value in form.getlist("pick")[:MAX_LISTED]:
        parts = value.split("|", 2) if isinstance(value, str) else []
        if len(parts) == 3:
            # A step's key may hold the sign itself; what was seen never does.
            step, _, was_seen = (parts[1] + "|" + parts[2]).rpartition("|")
            found.append(_Picked(parts[0], step, was_seen))
    return found


async def _retried(c2c: C2C, visitor: Visitor, one: _Picked, request_id: str) -> OutcomeLine | None:
    """None if it is tried again; else why not."""
    why = await _why_not(c2c, visitor, one, f"{request_id}/{one.step}")
    if why is None:
        return None
    return OutcomeLine(f"{one.name}: {why}", exception_path(one.workflow_id, one.step))


async def _why_not(c2c: C2C, visitor: Visitor, one: _Picked, request_id: str) -> str | None:
    try:
        client = c2c.contract_or_invoice(one.workflow_id).once(request_id)
        # Of what is really asked: a reference may be read as another than it looks.
        entity = _entity(client.workflow_id)
        if not visitor.roles_in(entity):
            return "there is no such thing"
        state = await client.state()
        if state.answer_to(request_id) is not None:
            return None
        parked = next((item for item in state.exceptions if item.step == one.step), None)
        if parked is None:
            return "is not parked any more"
        if seen(parked) != one.seen:
            return f"has changed since you looked: {parked.coded}"
        refusal = access.refusal(visitor.roles_in(entity), access.to_resolve(parked, Action.RETRY))
        if refusal is not None:
            return refusal
        await client.resolve_exception(Action.RETRY, by=visitor.person, step=one.step)
    except NoAnswer:
        return "no answer came in time; try it again"
    except (Refused, NotFound, ValueError) as error:
        return str(error)
    return None
