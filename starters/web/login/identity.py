"""Who asks: by the cookie of whoever signed in, or by a token that a program sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fastapi import Request

from starters.web.lately import Lately
from starters.web.login.bearer import Bearer
from starters.web.login.cookies import Sealer, TooLarge
from starters.web.login.personas import BANNER, Persona
from starters.web.login.same_origin import SAFE, check_same_origin, login_address, target
from starters.web.login.sessions import LONGEST, SEEN_EVERY, Ended, Session
from starters.web.problems import HttpProblem
from starters.web.this_machine import comes_from_here
from starters.web.visitors import Visitor

CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
_SESSION, _CSRF = "session", "csrf"


@dataclass
class Cookies:
    """How this application names and protects its cookies. `base` is its address as browsers know
    it: with https they are bound to it and to its host alone (`__Host-`), and on this machine,
    without TLS, to its port by their name."""

    base: str
    sealer: Sealer

    @property
    def is_secure(self) -> bool:
        return urlsplit(self.base).scheme == "https"

    @property
    def name(self) -> str:
        return "__Host-c2c" if self.is_secure else f"c2c-{urlsplit(self.base).port or 80}"

    def keep(
        self, request: Request, name: str, value: str, lasts: timedelta, same_site: str = "Lax"
    ) -> None:
        """Have the answer set a cookie (`middleware.Around` writes it)."""
        secure = "; Secure" if self.is_secure else ""
        kept: dict[str, str] = request.scope.setdefault("state", {}).setdefault("cookies", {})
        kept[name] = (
            f"{name}={value}; Path=/; Max-Age={int(lasts.total_seconds())}; HttpOnly; "
            f"SameSite={same_site}{secure}"
        )

    def drop(self, request: Request, name: str) -> None:
        self.keep(request, name, "", timedelta())


class FormKept(HttpProblem):
    """A form came from somebody who was signed out meanwhile: it is given back, to be sent again
    after signing in."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__(401, "you were signed out meanwhile", why="signed out; form given back")
        self.fields = list(fields)


class Identity:
    """Finds out who asks (`visitors.Visits`)."""

    def __init__(
        self,
        cookies: Cookies,
        *,
        personas: Mapping[str, Persona] | None = None,
        bearer: Bearer | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.cookies, self.now, self._bearer = cookies, now, bearer
        self.personas = dict(personas or {})
        """Who may be chosen; nobody where a provider is configured, or others reach this."""
        self.ended = Ended()
        self.lately = Lately(now)

    # --- visitors -------------------------------------------------------------------------------

    async def visitor(self, request: Request) -> Visitor | None:
        """None for whoever is not signed in. Raises HttpProblem: with 401 for a token that is not
        right, with 403 for what no page of ours sent, with 303 where a browser is to ask the
        provider once more."""
        token = bearer_token(request)
        if token and self._bearer is not None:
            return self.lately.note(await self._bearer.visitor(token))
        session = None if token else self.session(request)
        now = self.now()
        if session is None or session.is_outdated(now):
            await self._give_back(request)
            return None
        if request.method not in SAFE:
            await self.check_form(request, session)
        elif session.is_stale(now) and is_navigation(request):
            raise to_login(request, again="1")
        if now >= session.seen_at + SEEN_EVERY:
            self.remember(request, session.seen(now))
        return self.lately.note(self.visitor_of(session))

    async def reader(self, request: Request) -> Visitor | None:
        """Who reads from a page of another origin, which whoever asks here has checked: no form of
        ours, and no page to come back to. Raises HttpProblem for a token that is not right."""
        token = bearer_token(request)
        if token and self._bearer is not None:
            return self.lately.note(await self._bearer.visitor(token))
        session = None if token else self.session(request)
        if session is None or session.is_outdated(self.now()) or "origin" not in request.headers:
            return None
        return self.lately.note(self.visitor_of(session))

    def sign_in(self, request: Request) -> HttpProblem:
        """A page is come back to after signing in; anything else is 401."""
        if is_navigation(request) and request.method in SAFE:
            return to_login(request)
        headers = {"WWW-Authenticate": "Bearer"}
        if request.headers.get("hx-request"):
            # A part of a page: the whole page is to be left.
            page = urlsplit(request.headers.get("hx-current-url", ""))
            to = page.path + (f"?{page.query}" if page.query else "")
            headers["HX-Redirect"] = login_address(to)
        return HttpProblem(401, "sign in first", headers=headers)

    def visitor_of(self, session: Session) -> Visitor:
        return Visitor(
            issuer=session.issuer,
            subject=session.subject,
            person=session.person,
            name=session.name,
            roles=session.roles,
            csrf=self.cookies.sealer.mark(_CSRF, _whose(session)),
            banner=BANNER if session.is_chosen else "",
        )

    # --- sessions -------------------------------------------------------------------------------

    def session(self, request: Request) -> Session | None:
        """Whoever is signed in; None once it is over, or was ended."""
        value = request.cookies.get(self.cookies.name, "")
        document = self.cookies.sealer.open(_SESSION, value) if value else None
        session = Session.of(document) if document else None
        if session is None or session.is_over(self.now()) or self.ended.has(session):
            return None
        if session.is_chosen and not self.may_choose(request):
            return None
        return session

    def remember(self, request: Request, session: Session) -> None:
        """Have the answer set the cookie of the session. Raises HttpProblem with 403 where the
        roles are more than a cookie holds."""
        try:
            value = self.cookies.sealer.seal(_SESSION, session.document())
        except TooLarge as error:
            raise HttpProblem(
                403,
                f"{session.person} has roles of their own for {len(session.roles)} legal entities, "
                "more than a browser can keep: an administrator gives those that are the same "
                'everywhere in [identity.roles."*"]',
                why=str(error),
            ) from None
        self.cookies.keep(request, self.cookies.name, value, LONGEST)

    def forget(self, request: Request, session: Session | None) -> None:
        """Sign out here."""
        if session is not None:
            self.ended.end(session, self.now())
        self.cookies.drop(request, self.cookies.name)

    def may_choose(self, request: Request) -> bool:
        """Whether a persona may be chosen by whoever asks: on this machine, without a provider."""
        return bool(self.personas) and comes_from_here(request)

    async def _give_back(self, request: Request) -> None:
        """Raises FormKept for a form of one of our pages, which its person has filled in."""
        if request.method in SAFE or "text/html" not in request.headers.get("accept", ""):
            return
        fields = await _fields_of(request)
        if any(name == CSRF_FIELD for name, _ in fields):
            check_same_origin(request, self.cookies.base)
            raise FormKept(fields)

    # --- forms ----------------------------------------------------------------------------------

    async def check_form(self, request: Request, session: Session) -> None:
        """What changes something comes from a page of ours that was made for this person. Raises
        HttpProblem with 403."""
        check_same_origin(request, self.cookies.base)
        given = request.headers.get(CSRF_HEADER) or await _csrf_of(request)
        if not self.cookies.sealer.is_mark(_CSRF, _whose(session), given):
            raise HttpProblem(
                403,
                "this form was made for somebody else, or is too old: open the page again",
                why="the form's token is not right",
            )


def bearer_token(request: Request) -> str:
    """The token that a program sends; empty where it sends none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_navigation(request: Request) -> bool:
    """Whether a browser opens a page."""
    if request.headers.get("hx-request"):
        return False
    mode = request.headers.get("sec-fetch-mode")
    if mode is not None:
        return mode == "navigate"
    return "text/html" in request.headers.get("accept", "")


def to_login(request: Request, **more: str) -> HttpProblem:
    """The way to the login and back to what was asked for."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    headers = {"Location": login_address(target(path), **more)}
    return HttpProblem(303, "sign in first", headers=headers)


async def _csrf_of(request: Request) -> str:
    return next((value for name, value in await _fields_of(request) if name == CSRF_FIELD), "")


async def _fields_of(request: Request) -> list[tuple[str, str]]:
    """The texts of a form; none of what is no form."""
    content = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return []
    given = (await request.form()).multi_items()
    return [(name, value) for name, value in given if isinstance(value, str)]


def _whose(session: Session) -> str:
    """A form outlives a session of the person: who signs in again may send it."""
    return f"{session.issuer}\n{session.subject}"
