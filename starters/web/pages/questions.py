"""Questions about all contracts at once: numbers that open into lists."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from contracts.access import EVERYWHERE, Permission
from starters.questions import Age, Asked, Question, words_of
from starters.web.pages.shell import Link, PageModule, page
from starters.web.pages.workbench import books_of, chosen_entities, workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Present, Visitor, needs

PAGE_ROWS = 200

routes = APIRouter()
PAGES = PageModule(routes, (Link("Questions", "/questions"),))


@routes.get("/questions", dependencies=[needs(Permission.READ)])
async def asked(request: Request, visitor: Present) -> Response:
    """All numbers."""
    answers = await _asked(request, visitor).answers()
    return await page(request, "questions.html", answers=answers)


@routes.get("/questions/{question}", dependencies=[needs(Permission.READ)])
async def listed(request: Request, visitor: Present, question: str) -> Response:
    """What a number counts."""
    try:
        wanted = Question(question)
        age = Age(request.query_params["age"]) if request.query_params.get("age") else None
        number = max(int(request.query_params.get("page", "1")), 1)
    except ValueError:
        raise HttpProblem(404, "there is no such question") from None
    found = await _asked(request, visitor).listed(wanted, age)
    first = (number - 1) * PAGE_ROWS
    return await page(
        request,
        "question.html",
        question=wanted,
        age_words=words_of(age) if age else "",
        found=found,
        count=len(found.rows),
        first=first,
        number=number,
        rows=found.rows[first : first + PAGE_ROWS],
        more=len(found.rows) > first + PAGE_ROWS,
        zone_of=workbench_of(request).zone,
    )


def _asked(request: Request, visitor: Visitor) -> Asked:
    entities = chosen_entities(request, visitor)
    # As the list of exceptions: what is of nobody yet is for those who may see all.
    of_none = visitor.may(Permission.READ, EVERYWHERE)
    return Asked(request.app.state.temporal, books_of(request), entities, of_none=of_none)
