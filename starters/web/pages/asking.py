"""From a page to a workflow: what is asked, how it fails, and what is sent.

A question that gets no answer ends the request, in words that say what to do. What is sent under
the id of its form counts once, however often the form is sent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from starlette.datastructures import FormData
from starlette.responses import Response
from temporalio.service import RPCError

from contracts.identifiers import KEY, contract_workflow_id, invoice_workflow_id
from contracts.page_addresses import place_of
from starters.client import BadReference, NoAnswer, NotFound, Refused
from starters.client.references import short
from starters.web.forms import ONCE, text
from starters.web.pages.shell import page
from starters.web.problems import HttpProblem

T = TypeVar("T")

CSRF = "csrf"
CONFIRMED = "confirmed"
_RETRY_SECONDS = "10"
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


async def asked(question: Awaitable[T], what: str) -> T:
    """The answer. Raises HttpProblem: there is nothing of that name, or nobody answers now."""
    try:
        return await question
    except (NotFound, BadReference):
        raise HttpProblem(
            404,
            f"Nothing is known of {what}: it was never there, or it ended longer ago than Temporal "
            "keeps what has ended.",
        ) from None
    except Refused as error:
        raise HttpProblem(
            503, f"{what} cannot be shown: {error}", why=f"{what} refused a question"
        ) from error
    except NoAnswer as error:
        raise HttpProblem(
            503,
            f"No worker answers for {what} at the moment. Try again in some seconds; if it stays "
            "so, operations has to see that one runs.",
            headers={"Retry-After": _RETRY_SECONDS},
            why=str(error),
        ) from error
    except (RPCError, RuntimeError) as error:
        raise HttpProblem(
            503,
            "Temporal does not answer at the moment. Try again in some seconds.",
            headers={"Retry-After": _RETRY_SECONDS},
            why=f"Temporal: {type(error).__name__}: {error}",
        ) from error


def contract_ref(entity: str, contract: str) -> str:
    """The workflow id of the contract of an address. Raises HttpProblem."""
    if not (KEY.match(entity) and KEY.match(contract)):
        raise HttpProblem(404, "there is no such thing")
    return contract_workflow_id(entity, contract)


def invoice_ref(entity: str, contract: str, number: int) -> str:
    """The workflow id of the invoice of an address. Raises HttpProblem."""
    return invoice_workflow_id(contract_ref(entity, contract), number)


def id_of(form: FormData) -> str:
    """The id that the form was drawn with. Raises HttpProblem for one that is none of ours."""
    found = text(form, ONCE)
    if not _ID.fullmatch(found):
        raise HttpProblem(400, "this form is not complete: open the page again")
    return found


@dataclass(frozen=True)
class Again:
    """What is sent again as it was: the fields of a form, without its signature."""

    action: str
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, request: Request, form: FormData) -> Again:
        said = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        kept = tuple((name, value) for name, value in said if name not in (CSRF, CONFIRMED))
        return cls(request.url.path, kept)


async def unanswered(
    request: Request, form: FormData, workflow_id: str, *, back: str = ""
) -> Response:
    """The page that says that no answer came, with a button that sends the same under the same id:
    if it was carried out after all, it is not carried out twice. `back` is where whoever does not
    goes on; left out, the workflow's page."""
    return await page(
        request,
        "unanswered.html",
        status=504,
        title="No answer came",
        of=short(workflow_id),
        back=back or place_of(workflow_id),
        again=Again.of(request, form),
        confirmed=text(form, CONFIRMED),
    )


async def confirming(
    request: Request,
    form: FormData,
    workflow_id: str,
    *,
    title: str,
    about: str,
    back: str = "",
) -> Response:
    """The page that asks once more before what nothing takes back."""
    return await page(
        request,
        "confirm.html",
        title=title,
        about=about,
        of=short(workflow_id),
        back=back or place_of(workflow_id),
        again=Again.of(request, form),
    )
