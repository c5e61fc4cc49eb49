"""The inbox: what awaits approval, oldest first, and decisions on many of it at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from contracts.access import Permission, refusal
from contracts.approvals import ApprovalDecision, ApprovalKind, Decision
from contracts.identifiers import is_invoice_workflow_id
from contracts.page_addresses import approval_path
from contracts.problems import InvalidContract
from contracts.views.approval import Change, changes
from starters.client import calls
from starters.client.approvals import Ballot
from starters.client.protocol import built
from starters.client.references import BadReference, Entities, any_id, short
from starters.web.forms import ONCE, form_of, new_id, text, texts
from starters.web.login.same_origin import target
from starters.web.pages.awaiting import Filters, Row, decidable, waiting_for
from starters.web.pages.decided import verdicts_of
from starters.web.pages.rendering import address
from starters.web.pages.shell import (
    Link,
    Outcome,
    OutcomeLine,
    PageModule,
    answered,
    counts_of,
    page,
)
from starters.web.pages.workbench import c2c_of, entities_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

PATH = "/inbox"
MAX_PICKED = 500
_MAX_SINCE = 20
"""Rows whose changes are told at a time: each asks its workflow."""
_ASK_FOR_CHANGES = "ask"
_NOT_KEPT = Change("", "it is not what you saw; what it said then is not kept")

routes = APIRouter()
PAGES = PageModule(routes, (Link("Inbox", PATH, Permission.READ, decidable),))


@routes.get(PATH, dependencies=[needs(Permission.READ)])
async def inbox(request: Request, visitor: Present) -> Response:
    """What awaits approval. `since` names what this browser saw of a row, which then says what
    changed."""
    return await _shown(request, visitor)


@routes.post(PATH + "/decide", dependencies=[needs(Permission.DECIDE)])
async def decide(request: Request, visitor: Present) -> Response:
    """Decide about each row that is picked. What one is refused for does not stop the others."""
    form = await form_of(request)
    verb, reason, picked = text(form, "decision"), text(form, "reason", 2_000), texts(form, "pick")
    if verb not in (Decision.APPROVE, Decision.REJECT, _ASK_FOR_CHANGES):
        raise HttpProblem(422, "a decision is approve, reject or ask")
    if len(picked) > MAX_PICKED:
        raise HttpProblem(422, f"at most {MAX_PICKED} at a time")
    problem = _problem(verb, reason, picked)
    if problem:
        outcome = Outcome(problem, is_good=False)
        if place := text(form, "back"):
            place = target(place)
            return answered(request, place if place.startswith("/c/") else PATH, outcome)
        return await _shown(request, visitor, form=form, outcome=outcome, status=422)
    lines: list[OutcomeLine] = []
    ballots: list[Ballot] = []
    done, entities = 0, entities_of(request)
    for item in dict.fromkeys(picked):
        ballot, why = _ballot(item, visitor, entities, verb, reason, text(form, ONCE, 100))
        if ballot is None:
            lines.append(OutcomeLine(f"{item.partition(':')[0][:200]}: {why}"))
        else:
            ballots.append(ballot)
    outcomes = await c2c_of(request, visitor).decide_all(ballots)
    now, verdicts = datetime.now(UTC), verdicts_of(request)
    for ballot, decided in zip(ballots, outcomes, strict=True):
        if decided.after is not None:
            done += 1
            verdicts.note(ballot.workflow_id, decided.after, now)
        else:
            href = approval_path(ballot.workflow_id, ballot.decision.content_hash)
            lines.append(OutcomeLine(f"{short(ballot.workflow_id)}: {decided.problem}", href))
    counts_of(request).forget(visitor)
    return answered(request, _back(form), _told(verb, done, lines))


# --- the page -------------------------------------------------------------------------------------


async def _shown(
    request: Request,
    visitor: Visitor,
    *,
    form: FormData | None = None,
    status: int = 200,
    **context: object,
) -> Response:
    params = {name: text(form, name) for name in form} if form else dict(request.query_params)
    filters = Filters.of(params)
    waiting = await waiting_for(request, visitor)
    rows = [row for row in waiting.rows if filters.fits(row)]
    since = dict(_seen(item) for item in request.query_params.getlist("since")[:_MAX_SINCE])
    if since:
        rows = await calls.at_once([_with_changes(request, visitor, row, since) for row in rows])
    return await page(
        request,
        "inbox.html",
        status=status,
        title="Inbox",
        rows=rows,
        waiting=waiting,
        filters=filters,
        params=filters.given,
        kinds={kind: kind.words for kind in ApprovalKind},
        entities=visitor.entities(Permission.READ, workbench_of(request).entities),
        picked=set(texts(form, "pick")) if form else set(),
        reason=text(form, "reason") if form else "",
        once=text(form, ONCE) if form else new_id(),
        **context,
    )


def _seen(item: str) -> tuple[str, str]:
    ref, _, content_hash = item.rpartition(":")
    return ref, content_hash


async def _with_changes(request: Request, visitor: Visitor, row: Row, since: dict[str, str]) -> Row:
    """The row with what changed since this browser saw it."""
    seen = since.get(row.ref)
    now = row.approval_round.subject
    if not seen or now.content_hash == seen:
        return row
    if not is_invoice_workflow_id(row.workflow_id):
        return replace(row, changed=(_NOT_KEPT,))
    try:
        state = await c2c_of(request, visitor).invoice(row.workflow_id).state()
    except calls.FAILURES:
        return row
    before = next((item for item in state.superseded if item.content_hash == seen), None)
    if before is None or state.open_round is None:
        return replace(row, changed=(_NOT_KEPT,))
    return replace(row, changed=tuple(changes(before, state.open_round.subject)))


# --- decisions ------------------------------------------------------------------------------------


def _problem(verb: str, reason: str, picked: Sequence[str]) -> str:
    if not picked:
        return "Nothing is picked."
    if verb != Decision.APPROVE and not reason:
        return "Say why: a rejection, or to ask for changes, needs a reason."
    return ""


def _ballot(
    item: str, visitor: Visitor, entities: Entities, verb: str, reason: str, once: str
) -> tuple[Ballot | None, str]:
    """What one row asks for, bound to what was seen; or why it cannot be sent."""
    ref, content_hash, amount = [*item.rsplit(":", 2), "", ""][:3]
    try:
        workflow_id = any_id(ref, entities)
        decision = built(
            ApprovalDecision,
            decision=Decision.APPROVE if verb == Decision.APPROVE else Decision.REJECT,
            by=visitor.person,
            content_hash=content_hash,
            amount=amount or None,
            comment=f"Changes asked for: {reason}" if verb == _ASK_FOR_CHANGES else reason,
        )
    except (BadReference, InvalidContract) as error:
        return None, str(error)
    roles = visitor.roles_in(short(workflow_id).partition("/")[0])
    why = refusal(roles, Permission.DECIDE) if roles else "there is no such thing"
    if why:
        return None, why
    seed = f"{visitor.issuer} {visitor.subject} {once} {workflow_id} {content_hash} {verb}"
    request_id = f"web-{hashlib.sha256(seed.encode()).hexdigest()[:32]}"
    return Ballot(workflow_id, decision, request_id), ""


def _told(verb: str, done: int, lines: Sequence[OutcomeLine]) -> Outcome:
    words = {
        Decision.APPROVE: "approved",
        Decision.REJECT: "rejected",
        _ASK_FOR_CHANGES: "sent back for changes",
    }[verb]
    refused = f", {len(lines)} not" if lines else ""
    return Outcome(f"{done} {words}{refused}.", is_good=not lines, lines=tuple(lines))


def _back(form: FormData) -> str:
    """The inbox as it was narrowed."""
    given = {name: text(form, name, 200) for name in ("customer", "kind", "entity", "up_to")}
    return address(PATH, given)
