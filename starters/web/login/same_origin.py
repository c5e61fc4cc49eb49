"""Whether a page of ours sends a request, or leads to one."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from fastapi import Request

from starters.web.problems import HttpProblem

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HOME = "/"
_MAX_TARGET = 2_000


def check_same_origin(request: Request, base: str) -> None:
    """A browser says where a request comes from, and no page of another origin can change that.
    `base` is the application's address. Raises HttpProblem with 403."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        raise _elsewhere("neither Sec-Fetch-Site nor Origin")
    if site is not None and site != "same-origin":
        raise _elsewhere(f"Sec-Fetch-Site {site[:40]}")
    # A page that tells nobody its address sends `null`; then the other header counts alone.
    is_hidden = origin == "null" and site is not None
    if origin is not None and not is_hidden and origin not in (origin_of(base), _asked(request)):
        raise _elsewhere("Origin is another")


def _asked(request: Request) -> str:
    """The origin that the request itself was sent to."""
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


def origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _elsewhere(why: str) -> HttpProblem:
    return HttpProblem(403, "only the application's own pages may send this", why=why)


def target(given: str) -> str:
    """A page of ours that somebody wanted; the first one for anything else."""
    is_plain = given.isprintable() and "\\" not in given and len(given) <= _MAX_TARGET
    if not is_plain or not given.startswith("/") or given.startswith("//"):
        return HOME
    try:
        parts = urlsplit(given)
    except ValueError:
        return HOME
    leads_round = parts.path.startswith(("/login", "/logout"))
    return HOME if parts.scheme or parts.netloc or leads_round else given


def login_address(to: str, **more: str) -> str:
    """The login, and then that page."""
    asked = {**({"to": target(to)} if target(to) != HOME else {}), **more}
    return f"/login?{urlencode(asked)}" if asked else "/login"
