"""The page of an inbound event: what became of it, delivering it again, dismissing it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts import access
from contracts.access import EVERYWHERE, Permission
from contracts.events import EventRecord, chain_of_event
from contracts.identifiers import EVENT_PREFIX, KEY
from contracts.page_addresses import place_of
from contracts.problems import InvalidContract
from starters.client import NoAnswer, NotFound, Refused, events
from starters.client.references import short
from starters.web.forms import form_of, new_id, text
from starters.web.pages.asking import CONFIRMED, asked, confirming, id_of, unanswered
from starters.web.pages.audit_chains import chain_path
from starters.web.pages.shell import Outcome, PageModule, answered, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

_DISMISS_ABOUT = "Nothing comes of the event any more, whatever it says."

routes = APIRouter()


@routes.get("/events/{source}/{key:path}", dependencies=[needs(Permission.READ)])
async def event(source: str, key: str, request: Request, visitor: Present) -> Response:
    """An event."""
    record = await _record(request, visitor, source, key)
    return await _drawn(request, visitor, source, key, record)


@routes.post("/events/{source}/{key:path}", dependencies=[needs(Permission.MEND_EVENTS)])
async def decide(source: str, key: str, request: Request, visitor: Present) -> Response:
    """Deliver an event again, or dismiss it."""
    form, reference = await form_of(request), f"{source}/{key}"
    request_id = id_of(form)
    record = await _record(request, visitor, source, key)
    refusal = _may_not(visitor, record)
    if refusal:
        raise HttpProblem(403, refusal)
    c2c, action = c2c_of(request, visitor), text(form, "act")
    place = place_of(f"{EVENT_PREFIX}{reference}")
    if action == "again":
        try:
            await events.deliver_again(
                c2c.client, reference, by=visitor.person, request_id=request_id, sign=c2c.sign
            )
        except NoAnswer:
            return await unanswered(request, form, reference, back=place)
        except (Refused, InvalidContract, NotFound) as error:
            return await _drawn(request, visitor, source, key, record, str(error))
        return answered(request, "/exceptions", Outcome(f"{reference} is delivered again."))
    if action != "dismiss":
        raise HttpProblem(400, "the actions are again and dismiss")
    if not record.is_open:
        return answered(request, "/exceptions", Outcome(f"{reference} is done with."))
    if text(form, "reason") and not text(form, CONFIRMED):
        return await confirming(
            request,
            form,
            reference,
            title="Dismiss",
            about=_DISMISS_ABOUT,
            back=place,
        )
    try:
        await events.dismiss(
            c2c.client,
            reference,
            by=visitor.person,
            reason=text(form, "reason"),
            request_id=request_id,
            sign=c2c.sign,
        )
    except NoAnswer:
        return await unanswered(request, form, reference, back=place)
    except (Refused, InvalidContract, NotFound) as error:
        return await _drawn(request, visitor, source, key, record, str(error))
    return answered(request, "/exceptions", Outcome(f"{reference} is dismissed."))


PAGES = PageModule(routes)


async def _record(request: Request, visitor: Visitor, source: str, key: str) -> EventRecord:
    """Raises HttpProblem for what is not there, or is not for this visitor to see."""
    missing = HttpProblem(404, "there is no such event")
    if not KEY.match(source) or not key:
        raise missing
    reference = f"{source}/{key}"
    record = await asked(events.show(c2c_of(request, visitor).client, reference), reference)
    if not all(visitor.may(Permission.READ, entity) for entity in entities_of(record)):
        raise missing
    return record


def entities_of(record: EventRecord) -> list[str]:
    """Whose event it is; of all where that is not known."""
    return sorted({entity or EVERYWHERE for entity in record.legal_entities} or {EVERYWHERE})


def _may_not(visitor: Visitor, record: EventRecord) -> str:
    """Why they may not decide about it; empty where they may."""
    refusals = (
        access.refusal(visitor.roles_in(entity), Permission.MEND_EVENTS)
        for entity in entities_of(record)
    )
    return next(filter(None, refusals), "")


def _audit_link(request: Request, visitor: Visitor, record: EventRecord) -> str:
    """The record of what was decided about it, for whoever may read what belongs to no entity."""
    is_kept = workbench_of(request).audit is not None and bool(record.audit.made)
    may_read = visitor.may(Permission.READ, EVERYWHERE)
    event = record.event
    return chain_path(chain_of_event(event.source, event.key)) if is_kept and may_read else ""


async def _drawn(
    request: Request,
    visitor: Visitor,
    source: str,
    key: str,
    record: EventRecord,
    refusal: str = "",
) -> Response:
    return await page(
        request,
        "event.html",
        status=409 if refusal else 200,
        title=f"{record.event.kind} of {source}",
        record=record,
        touched=[(short(item), item) for item in record.delivery.touched],
        action_path=place_of(f"{EVENT_PREFIX}{source}/{key}"),
        may_not=_may_not(visitor, record),
        refusal=refusal,
        audit_link=_audit_link(request, visitor, record),
        new_id=new_id,
    )
