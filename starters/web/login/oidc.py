"""Signing in with the provider: authorization code with PKCE, and back. Signing out, from here and
from there."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from gateways.identity.login_settings import LoginSettings
from starters.web.login import tokens
from starters.web.login.cookies import TooLarge
from starters.web.login.identity import Identity
from starters.web.login.people import (
    Known,
    NotUsable,
    is_complete,
    known,
    roles_of,
)
from starters.web.login.provider import NotGranted, Provider, ProviderAway
from starters.web.login.replays import Seen
from starters.web.login.same_origin import HOME, login_address, target
from starters.web.login.sessions import Session
from starters.web.login.tokens import BadToken
from starters.web.problems import HttpProblem

CALLBACK = "/login/callback"
BEGUN_LASTS = timedelta(minutes=10)
MAX_BEGUN = 5
"""Tabs that may be signing in at once; their cookies must not fill a request."""
RETRY_AFTER_SECONDS = 30
_BEGUN = "login"
_STATE_LETTERS = 8
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_LASTS = timedelta(minutes=10)
_ASK_AGAIN = frozenset(
    {
        "login_required",
        "interaction_required",
        "consent_required",
        "account_selection_required",
    }
)
"""What a provider answers that would have to ask the person."""


class OidcLogin:
    """Each attempt to sign in has a cookie of its own, so that two tabs do not disturb each other;
    what comes back must match it."""

    def __init__(self, identity: Identity, provider: Provider, settings: LoginSettings) -> None:
        self._identity, self._provider, self._settings = identity, provider, settings
        self._seen = Seen()

    async def begin(self, request: Request, to: str, *, silent: bool) -> str:
        """Where the browser goes to sign in. Raises HttpProblem with 503."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        try:
            address = await self._provider.authorization_address(
                self._redirect, state=state, nonce=nonce, verifier=verifier, silent=silent
            )
        except ProviderAway as error:
            raise _away(error) from None
        cookies = self._identity.cookies
        begun = [name for name in request.cookies if name.startswith(self._name(""))]
        for name in begun if len(begun) >= MAX_BEGUN else ():
            cookies.drop(request, name)
        document = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "to": target(to),
            "silent": silent,
            "until": (self._identity.now() + BEGUN_LASTS).timestamp(),
        }
        try:
            sealed = cookies.sealer.seal(_BEGUN, document)
        except TooLarge:  # what was asked for is not worth failing for
            sealed = cookies.sealer.seal(_BEGUN, {**document, "to": HOME})
        cookies.keep(request, self._name(state), sealed, BEGUN_LASTS)
        return address

    async def finish(self, request: Request) -> str:
        """What the browser comes back with; where it goes then. Raises HttpProblem."""
        given = dict(request.query_params)
        begun = self._take(request, given.get("state", ""))
        try:
            await self._check_issuer(given)
            if given.get("error"):
                return self._refused(request, given["error"], begun)
            found = await self._granted(given.get("code", ""), begun)
        except ProviderAway as error:
            raise _away(error) from None
        except (NotGranted, BadToken) as error:
            raise HttpProblem(
                401, "signing in did not work; begin again at /login", why=str(error)
            ) from None
        except NotUsable as error:
            raise HttpProblem(403, str(error)) from None
        self._welcome(request, *found, silent=begun["silent"])
        return str(begun["to"])

    async def logout_address(self) -> str | None:
        """Where the browser signs out of the provider, too; None where it has no such place."""
        try:
            address = (await self._provider.metadata()).end_session_endpoint
        except ProviderAway:
            return None
        if address is None:
            return None
        asked = {
            "client_id": self._provider.settings.client_id,
            "post_logout_redirect_uri": f"{self._identity.cookies.base}/logout",
        }
        return f"{address}?{urlencode(asked)}"

    async def ended_at_provider(self, token: str) -> None:
        """The provider says that a session there has ended (OpenID Connect Back-Channel Logout).
        Raises HttpProblem with 400, or 503."""
        try:
            claims = await self._provider.verified(token)
            subject, sid = self._ended(token, claims)
        except ProviderAway as error:
            raise _away(error) from None
        except BadToken as error:
            raise HttpProblem(400, "this is no logout token", why=str(error)) from None
        self._identity.ended.end_at_provider(
            self._provider.issuer, subject, sid, self._identity.now()
        )

    # --- what comes back ------------------------------------------------------------------------

    def _take(self, request: Request, state: str) -> Mapping[str, Any]:
        """What was begun with this state: once, here, and not long ago."""
        name = self._name(state)
        sealed = request.cookies.get(name, "")
        begun = self._identity.cookies.sealer.open(_BEGUN, sealed) if sealed else None
        if begun is None or not _is_same(str(begun["state"]), state):
            raise HttpProblem(
                400,
                "this was not begun here, or long ago; begin again at /login",
                why="the state is not one of ours",
            )
        self._identity.cookies.drop(request, name)
        if self._identity.now().timestamp() >= begun["until"]:
            raise HttpProblem(400, "this took too long; begin again at /login")
        return begun

    async def _check_issuer(self, given: Mapping[str, str]) -> None:
        """The answer is of the provider that was asked (RFC 9207)."""
        found = await self._provider.metadata()
        says = given.get("iss")
        if says is None and found.authorization_response_iss_parameter_supported:
            raise BadToken("the answer does not say who gave it")
        if says is not None and says != self._provider.issuer:
            raise BadToken("another provider's answer")

    def _refused(self, request: Request, error: str, begun: Mapping[str, Any]) -> str:
        """The provider did not let them in. One that was to ask nothing asks now."""
        if begun["silent"] and error in _ASK_AGAIN:
            self._identity.forget(request, self._identity.session(request))
            return login_address(str(begun["to"]))
        why = f"the provider says {error[:80]}"
        if error == "access_denied":
            raise HttpProblem(403, "the provider does not let you in", why=why)
        raise HttpProblem(401, "signing in did not work; begin again at /login", why=why)

    async def _granted(self, code: str, begun: Mapping[str, Any]) -> tuple[Known, str]:
        """Who that is, and the name of the provider's session."""
        settings = self._provider.settings
        answer = await self._provider.tokens(code, self._redirect, str(begun["verifier"]))
        claims = await self._provider.verified(tokens.text(answer, "id_token", at_most=16_000))
        tokens.check(
            claims,
            issuer=self._provider.issuer,
            audiences=[settings.client_id],
            now=self._identity.now(),
        )
        if len(tokens.audiences_of(claims)) > 1 and claims.get("azp") != settings.client_id:
            raise BadToken("for several audiences, and another client")
        if not _is_same(str(begun["nonce"]), tokens.text(claims, "nonce")):
            raise BadToken("another nonce")
        more = await self._more(claims, answer)
        found = known({**more, **claims}, settings, self._settings.systems)
        return found, tokens.text(claims, "sid")

    async def _more(
        self, claims: Mapping[str, Any], answer: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the token leaves out, many providers say when they are asked for it."""
        access_token = tokens.text(answer, "access_token", at_most=16_000)
        if not access_token or is_complete(claims, self._provider.settings):
            return {}
        more = await self._provider.userinfo(access_token)
        if more and more.get("sub") != claims.get("sub"):
            raise BadToken("what else the provider says is about somebody else")
        return more

    def _welcome(self, request: Request, found: Known, sid: str, *, silent: bool) -> None:
        """Sign in, or go on: whoever was only asked again is in since they really signed in."""
        identity, now = self._identity, self._identity.now()
        roles = roles_of(found.person, found.groups, self._settings.roles)
        before = identity.session(request)
        if not roles:
            identity.forget(request, before)
            raise HttpProblem(
                403,
                f"{found.person} has signed in, and has no role here: an administrator gives it "
                "([identity.roles])",
            )
        session = Session(
            found.issuer, found.subject, found.person, found.name, roles, now, now, now, sid
        )
        if before is not None:
            if silent and (before.issuer, before.subject) == (found.issuer, found.subject):
                session = before.read_again(session)
            else:
                identity.ended.end(before, now)
        identity.remember(request, session)

    # --- signing out ----------------------------------------------------------------------------

    def _ended(self, token: str, claims: Mapping[str, Any]) -> tuple[str, str]:
        """Subject and session of a logout token, which must be one."""
        header, _ = tokens.unverified(token)
        now = self._identity.now()
        if str(header.get("typ", "logout+jwt")).lower() not in ("logout+jwt", "jwt"):
            raise BadToken("of another type")
        tokens.check(
            claims,
            issuer=self._provider.issuer,
            audiences=[self._provider.settings.client_id],
            now=now,
            longest=_LOGOUT_LASTS,
        )
        events = claims.get("events")
        if not (isinstance(events, dict) and isinstance(events.get(_LOGOUT_EVENT), dict)):
            raise BadToken("says nothing of signing out")
        if "nonce" in claims:
            raise BadToken("has a nonce, as an ID token")
        subject, sid, jti = (tokens.text(claims, name) for name in ("sub", "sid", "jti"))
        if not jti or not (subject or sid):
            raise BadToken("names neither a session nor a person, or has no id")
        ends = tokens.moment(claims, "exp", now) or now
        if not self._seen.is_new((self._provider.issuer, jti), ends + tokens.SKEW, now):
            raise BadToken("was used before")
        return subject, sid

    @property
    def _redirect(self) -> str:
        return f"{self._identity.cookies.base}{CALLBACK}"

    def _name(self, state: str) -> str:
        return f"{self._identity.cookies.name}-login-{state[:_STATE_LETTERS]}"


def _is_same(ours: str, given: str) -> bool:
    """Compares in constant time what may be any text."""
    return hmac.compare_digest(ours.encode(), given.encode(errors="replace"))


def _away(error: ProviderAway) -> HttpProblem:
    return HttpProblem(
        503,
        "the provider that people sign in with does not answer; try again soon",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        why=str(error),
    )
