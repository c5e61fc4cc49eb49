"""Failures: as pages for browsers, as problem documents for programs."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from starters.web import problems
from starters.web.pages.shell import page
from starters.web.problems import HttpProblem

_FOR_PROGRAMS = ("/api/", "/webhooks/", "/codec/", "/schemas", "/health", "/ready", "/metrics")


async def shown(request: Request, failed: HttpProblem) -> Response:
    """The answer to whoever asks. htmx is sent to the login by a header, as it would otherwise
    follow a redirect and put what is there into the page."""
    location = failed.headers.get("Location")
    if location is not None and 300 <= failed.status < 400:
        if request.headers.get("HX-Request") == "true":
            return Response(status_code=204, headers={**failed.headers, "HX-Redirect": location})
        return Response(status_code=failed.status, headers=failed.headers)
    if not wants_page(request):
        return problems.response(failed)
    answer = await page(
        request,
        "error.html",
        status=failed.status,
        title=problems.title_of(failed.status),
        failed=failed,
    )
    answer.headers.update(failed.headers)
    return answer


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks."""
    is_program = request.url.path.startswith(_FOR_PROGRAMS)
    return not is_program and "text/html" in request.headers.get("accept", "")
