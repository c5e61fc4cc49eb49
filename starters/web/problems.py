"""Every failure as a problem document (RFC 9457), without a word about our insides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.problems import Problem, expectation, finding, first_of

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """What went wrong. `problems` names every field that is wrong, where it is about fields."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    problems: list[Problem] = []


class HttpProblem(Exception):
    """A request ends with this status. `why` is for our log only."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        why: str = "",
    ) -> None:
        super().__init__(why or detail)
        self.status = status
        self.detail = detail
        self.problems = list(problems)
        self.headers = dict(headers or {})
        self.why = why or detail


def response(failed: HttpProblem) -> JSONResponse:
    document = ProblemDocument(
        title=title_of(failed.status),
        status=failed.status,
        detail=failed.detail,
        problems=failed.problems,
    )
    shown = document.model_dump(mode="json", exclude_defaults=True)
    return JSONResponse(
        {"type": document.type, **shown}, failed.status, failed.headers, media_type=MEDIA_TYPE
    )


def _problem(item: Mapping[str, Any]) -> Problem:
    """What is wrong with a part of the address, or a header, by its name."""
    name = ".".join(str(part) for part in item["loc"][1:])
    code = str(item["type"])
    return finding(code, name, item.get("input"), expectation(item))


def title_of(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # GoCardless wants 498
        return "Invalid signature"


Shown = Callable[[Request, HttpProblem], Awaitable[Response]]


async def as_document(_: Request, failed: HttpProblem) -> Response:
    return response(failed)


def add_handlers(app: FastAPI, shown: Shown = as_document) -> None:
    """Answer whatever fails in the application: with a problem document, or as `shown` decides."""

    @app.exception_handler(HttpProblem)
    async def known(request: Request, error: HttpProblem) -> Response:
        request.state.why = error.why
        return await shown(request, error)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return await shown(request, HttpProblem(error.status_code, headers=error.headers))

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        problems = first_of(list(map(_problem, error.errors())))
        failed = HttpProblem(422, "the address or a header cannot be read", problems=problems)
        return await shown(request, failed)

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:
        return response(HttpProblem(500, "a defect; it is in our log"))


def schemas() -> dict[str, Any]:
    """The schemas that `documented` refers to, by their names."""
    found = ProblemDocument.model_json_schema(ref_template=_reference("{model}"))
    return {**found.pop("$defs"), "ProblemDocument": found}


def _reference(name: str) -> str:
    return f"#/components/schemas/{name}"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These answers for OpenAPI."""
    return {
        status: {
            "description": title_of(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _reference("ProblemDocument")}}},
        }
        for status in statuses
    }
