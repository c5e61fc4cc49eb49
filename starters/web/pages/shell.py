"""One page in the layout, and how a form is answered.

A page module has a `PageModule`: its routes, and the links it adds to the navigation. A route
returns `await page(request, "inbox.html", ...)`; a form's route `answered(request, "/inbox",
Outcome("3 approved"))`. Both are the same with and without scripts: htmx follows the redirect, and
gets of a page what is inside the layout.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response
from temporalio.service import RPCError

from contracts.access import Permission
from starters.client.errors import NoAnswer, NotFound, Refused
from starters.web.pages import rendering
from starters.web.pages.workbench import workbench_of
from starters.web.problems import HttpProblem
from starters.web.visitors import Visitor

CSP = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_OUTCOME = "c2c-outcome"
_OUTCOME_SECONDS = 60
_OUTCOME_BYTES = 3000
"""A cookie holds about 4,000."""
_MAX_LINES = 20
_COUNTED_FOR_SECONDS = 10
_COUNT_WITHIN_SECONDS = 1.0
_MAX_COUNTS = 2000

Count = Callable[[Request, Visitor], Awaitable[int]]


@dataclass(frozen=True)
class Link:
    """A link of the navigation, for whoever has the permission somewhere. `count` gives the number
    beside it, which is the length of the list that it opens."""

    text: str
    path: str
    permission: Permission = Permission.READ
    count: Count | None = None


@dataclass(frozen=True)
class PageModule:
    """The routes of some pages, and their links."""

    routes: APIRouter
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class OutcomeLine:
    """What became of one thing; `href` is its page."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of what a form asked for: shown once, on the page that follows. `lines` say so of
    each thing that did not go as asked, where there are many."""

    text: str
    is_good: bool = True
    lines: tuple[OutcomeLine, ...] = ()


def answered(request: Request, location: str, outcome: Outcome | None = None) -> Response:
    """The answer to a form: the browser goes on to `location`, which shows the outcome. Raises
    ValueError for a place that is not ours."""
    if not location.startswith("/") or location.startswith("//") or "\\" in location:
        raise ValueError(f"{location!r} is no path of this application")
    response = RedirectResponse(location, status_code=303)
    if outcome is not None:
        secure = workbench_of(request).secure
        response.set_cookie(
            _cookie(request),
            _packed(outcome),
            max_age=_OUTCOME_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )
    return response


async def page(
    request: Request, template: str, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page: whole for a browser, what is inside the layout for htmx. The context has besides
    what is given: `title`, `visitor` (None on a page of an error before login), `workbench`, `now`,
    `params` (what narrows the list, from the address) and `outcome`."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    workbench = workbench_of(request)
    shown = {
        "visitor": visitor,
        "workbench": workbench,
        "title": "Workbench",
        "is_partial": is_partial(request),
        "now": datetime.now(UTC),
        "path": request.url.path,
        "params": dict(request.query_params),
        "outcome": _outcome(request),
        "chosen": request.path_params.get("entity") or request.query_params.get("entity", ""),
        **context,
    }
    if not shown["is_partial"]:
        shown["navigation"] = await _navigation(request, visitor) if visitor else []
        shown["own"] = visitor.entities(Permission.READ, workbench.entities) if visitor else []
    response = HTMLResponse(rendering.rendered(template, shown), status)
    response.headers["Content-Security-Policy"] = CSP
    # With "no-referrer" a browser sends a form as coming from nowhere (Origin: null).
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Vary"] = "HX-Request, HX-Request-Type, Cookie"
    if _cookie(request) in request.cookies:
        response.delete_cookie(
            _cookie(request), httponly=True, samesite="lax", secure=workbench.secure
        )
    return response


def is_partial(request: Request) -> bool:
    """Whether htmx asks, which puts what is inside the layout in its place."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-Request-Type") != "full"


# --- navigation ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shown:
    text: str
    path: str
    is_here: bool
    count: int | None


@dataclass
class Counts:
    """The numbers of the navigation, kept for a few seconds for each visitor."""

    kept: OrderedDict[tuple[str, str, str], tuple[float, int]] = field(default_factory=OrderedDict)

    async def of(self, link: Link, request: Request, visitor: Visitor) -> int | None:
        """None where it cannot be said now: a page is not later, nor worse, for it."""
        if link.count is None:
            return None
        key = (link.path, visitor.issuer, visitor.subject)
        at, number = self.kept.get(key, (0.0, 0))
        if time.monotonic() - at < _COUNTED_FOR_SECONDS and key in self.kept:
            return number
        try:
            async with asyncio.timeout(_COUNT_WITHIN_SECONDS):
                number = await link.count(request, visitor)
        except (TimeoutError, RPCError, RuntimeError, NoAnswer, NotFound, Refused, HttpProblem):
            return None
        self.kept[key] = (time.monotonic(), number)
        while len(self.kept) > _MAX_COUNTS:
            self.kept.popitem(last=False)
        return number

    def forget(self, visitor: Visitor) -> None:
        """What they decided changes their numbers at once."""
        own = (visitor.issuer, visitor.subject)
        for key in [key for key in self.kept if key[1:] == own]:
            del self.kept[key]


def counts_of(request: Request) -> Counts:
    found: Counts = request.app.state.counts
    return found


async def _navigation(request: Request, visitor: Visitor) -> Sequence[_Shown]:
    links = [link for link in request.app.state.links if visitor.may_somewhere(link.permission)]
    counts = counts_of(request)
    numbers = await asyncio.gather(*(counts.of(link, request, visitor) for link in links))
    here = request.url.path
    return [
        _Shown(link.text, link.path, here == link.path or here.startswith(f"{link.path}/"), number)
        for link, number in zip(links, numbers, strict=True)
    ]


# --- the outcome, from one request to the next --------------------------------------------------


def _cookie(request: Request) -> str:
    return f"__Host-{_OUTCOME}" if workbench_of(request).secure else _OUTCOME


def _packed(outcome: Outcome) -> str:
    """The outcome in a cookie; of many lines as many as it holds, and how many there are more."""
    lines = list(outcome.lines[:_MAX_LINES])
    while True:
        more = len(outcome.lines) - len(lines)
        told = [*lines, OutcomeLine(f"and {more} more")] if more else lines
        text = rendering.cut(outcome.text, 500)
        packed = asdict(Outcome(text, outcome.is_good, tuple(told)))
        raw = base64.urlsafe_b64encode(json.dumps(packed).encode()).decode()
        if len(raw) <= _OUTCOME_BYTES or not lines:
            return raw
        lines.pop()


def _outcome(request: Request) -> Outcome | None:
    raw = request.cookies.get(_cookie(request))
    if raw is None:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(raw))
        lines = tuple(
            OutcomeLine(str(line["text"]), _local(line["href"])) for line in told["lines"]
        )
        return Outcome(str(told["text"]), bool(told["is_good"]), lines)
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None  # not ours, or of another release


def _local(href: object) -> str:
    """The address if it is one of ours."""
    text = str(href)
    is_ours = text.startswith("/") and not text.startswith("//") and not urlsplit(text).netloc
    return text if is_ours else ""
