"""The page of a bank's file: what waits of it, and a form for each line and for the whole."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from contracts import access
from contracts.access import Permission
from contracts.bank.file import FILE_STEP, NOTICE_STEP, FileDecision, ParkedLine, Settlement
from contracts.page_addresses import place_of
from contracts.parking import AUDIT
from contracts.problems import InvalidContract
from starters.client import Entities, NoAnswer, NotFound, Refused, bank
from starters.client.protocol import built
from starters.web.forms import form_of, new_id, text
from starters.web.pages.asking import CONFIRMED, asked, confirming, id_of, unanswered
from starters.web.pages.audit_chains import chain_path
from starters.web.pages.shell import Outcome, PageModule, answered, page
from starters.web.pages.workbench import c2c_of, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

_LINE = re.compile(r"[1-9][0-9]{0,6}")
_IGNORE_ABOUT = "Nothing comes of the line: it is left to the accountants."
_REFUSE_ABOUT = "Nothing of the file is applied."

_RETRY, _ACCEPT = ("retry", "Try again"), ("accept", "Accept")
_WAYS = {FILE_STEP: (_RETRY,), NOTICE_STEP: (_ACCEPT,), AUDIT.name: (_RETRY, _ACCEPT)}
"""What may be decided about what waits of a file as a whole, by its step."""

routes = APIRouter()


@routes.get("/bank/{entity}/{file}", dependencies=[needs(Permission.READ)])
async def bank_file(entity: str, file: str, request: Request, visitor: Present) -> Response:
    """A file, and every line of it that waits."""
    workflow_id = await _file(request, visitor, entity, file)
    return await _drawn(request, visitor, entity, workflow_id)


@routes.post("/bank/{entity}/{file}", dependencies=[needs(Permission.MEND_MONEY)])
async def decide(entity: str, file: str, request: Request, visitor: Present) -> Response:
    """Decide about a line, or about the file as a whole."""
    form = await form_of(request)
    request_id, action = id_of(form), text(form, "act")
    workflow_id = await _file(request, visitor, entity, file)
    place, c2c = place_of(workflow_id), c2c_of(request, visitor)
    grave = {"ignore": _IGNORE_ABOUT, "refuse": _REFUSE_ABOUT}
    if action in grave and text(form, "reason") and not text(form, CONFIRMED):
        return await confirming(
            request, form, workflow_id, title=action.capitalize(), about=grave[action], back=place
        )
    try:
        if action in set(FileDecision):
            told = await bank.decide(
                c2c.client,
                workflow_id,
                FileDecision(action),
                by=visitor.person,
                reason=text(form, "reason"),
                request_id=request_id,
                sign=c2c.sign,
            )
        else:
            asked_for = _settlement(form, action, visitor.person)
            told = await bank.settle(
                c2c.client, workflow_id, asked_for, request_id=request_id, sign=c2c.sign
            )
    except (Refused, NotFound, InvalidContract) as error:
        wrong = (text(form, "line"), str(error))
        return await _drawn(request, visitor, entity, workflow_id, form, wrong)
    except NoAnswer:
        return await unanswered(request, form, workflow_id, back=place)
    return answered(request, place, Outcome(told))


PAGES = PageModule(routes)


def _settlement(form: FormData, action: str, by: str) -> Settlement:
    """What is decided about a line. Raises HttpProblem, InvalidContract."""
    line = text(form, "line")
    if not _LINE.fullmatch(line) or action not in ("settle", "undo", "ignore"):
        raise HttpProblem(400, "this form is not complete: open the page again")
    said: dict[str, Any] = {}
    if action == "settle":
        picked = [item for item in form.getlist("invoice") if isinstance(item, str)]
        written = [item.strip() for item in text(form, "invoices").split(",")]
        said["invoices"] = [item for item in dict.fromkeys([*picked, *written]) if item]
    elif action == "undo":
        said["undoes"] = text(form, "undoes")
    else:
        said["ignore"] = text(form, "reason")
    return built(Settlement, line=int(line), by=by, **said)


async def _file(request: Request, visitor: Visitor, entity: str, file: str) -> str:
    """The workflow id of the file; the beginning of its hash is enough. Raises HttpProblem."""
    client = c2c_of(request, visitor).client
    return await asked(
        bank.find(client, f"{entity}/{file}", Entities.of(entity)), "the bank's file"
    )


async def _drawn(
    request: Request,
    visitor: Visitor,
    entity: str,
    workflow_id: str,
    form: FormData | None = None,
    wrong: tuple[str, str] = ("", ""),
) -> Response:
    shown = await asked(bank.show(c2c_of(request, visitor).client, workflow_id), "the bank's file")
    state = shown.state
    return await page(
        request,
        "bank_file.html",
        status=409 if wrong[1] else 200,
        title=f"{state.file.name} of {state.file.bank}",
        audit_link=chain_path(workflow_id)
        if workbench_of(request).audit and state.audit.made
        else "",
        state=state,
        whole=[item for item in state.exceptions if not item.step.startswith("line-")],
        file_step=FILE_STEP,
        ways=_WAYS,
        action_path=place_of(workflow_id),
        may_not=access.refusal(visitor.roles_in(entity), Permission.MEND_MONEY) or "",
        new_id=new_id,
        wrong_line=wrong[0],
        wrong=wrong[1],
        said=form or {},
        invoices_of=_invoices_of,
        zone=workbench_of(request).zone(entity),
    )


def _invoices_of(line: ParkedLine) -> list[str]:
    """The invoices that the line may pay, the likeliest first."""
    return list(dict.fromkeys(number for one in line.candidates for number in one.invoices))
