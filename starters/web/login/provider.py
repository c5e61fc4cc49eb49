"""The OpenID Connect provider: its addresses and keys, and what is asked of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from pydantic import BaseModel, ValidationError

from gateways.errors import GatewayError
from gateways.http import proxy_for
from gateways.identity.login_settings import Address, OidcSettings
from starters.web.login import tokens
from starters.web.login.tokens import BROKEN, BadToken, Keys, UnknownKey

METADATA_LASTS = timedelta(hours=1)
KEYS_LAST = timedelta(hours=1)
KEYS_ASKED_EVERY = timedelta(seconds=10)
"""A token by an unknown key has the keys read again, no more often than this."""
MAX_ANSWER_BYTES = 1_000_000
ASSERTION_LASTS = timedelta(seconds=60)
_TIMEOUT = httpx2.Timeout(10, connect=5)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ProviderAway(Exception):
    """The provider does not answer, or with nothing that can be used; the text is for our log."""


class NotGranted(Exception):
    """The provider gives no tokens. `code` is OAuth's."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the provider says {code[:80]}")
        self.code = code


class Metadata(BaseModel):
    """What a provider publishes of itself (OpenID Connect Discovery, RFC 8414)."""

    issuer: str
    authorization_endpoint: Address
    token_endpoint: Address
    jwks_uri: Address
    userinfo_endpoint: Address | None = None
    end_session_endpoint: Address | None = None
    device_authorization_endpoint: Address | None = None
    authorization_response_iss_parameter_supported: bool = False


class Provider:
    """One provider. What it publishes is kept for an hour; a key that nobody has seen yet has the
    keys read again."""

    def __init__(
        self,
        settings: OidcSettings,
        now: Callable[[], datetime],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings, self._now = settings, now
        self._transport = _Bounded(settings.issuer, transport)
        self._metadata: tuple[datetime, Metadata] | None = None
        self._keys: tuple[datetime, Keys] | None = None

    @property
    def issuer(self) -> str:
        return self.settings.issuer

    async def metadata(self) -> Metadata:
        """Raises ProviderAway."""
        if self._metadata is None or self._now() >= self._metadata[0] + METADATA_LASTS:
            address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            try:
                found = Metadata.model_validate(await self._get(address))
            except ValidationError as error:
                raise ProviderAway(f"its metadata: {error.error_count()} problems") from None
            if found.issuer != self.issuer:
                raise ProviderAway(f"it calls itself {found.issuer[:200]}, not {self.issuer}")
            self._metadata = (self._now(), found)
        return self._metadata[1]

    async def verified(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that the provider signed. Raises BadToken, ProviderAway."""
        try:
            return tokens.verified(token, await self._known_keys(KEYS_LAST))
        except UnknownKey:
            return tokens.verified(token, await self._known_keys(KEYS_ASKED_EVERY))

    async def _known_keys(self, lasting: timedelta) -> Keys:
        now = self._now()
        if self._keys is None or now >= self._keys[0] + lasting:
            document = await self._get((await self.metadata()).jwks_uri)
            self._keys = (now, tokens.public_keys(document))
        return self._keys[1]

    # --- signing in -----------------------------------------------------------------------------

    async def authorization_address(
        self, redirect: str, *, state: str, nonce: str, verifier: str, silent: bool
    ) -> str:
        """Where a browser signs in. With `silent` the provider asks the person nothing."""
        found = await self.metadata()
        async with self._client(redirect) as client:
            address, _ = client.create_authorization_url(
                found.authorization_endpoint,
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                **({"prompt": "none"} if silent else {}),
            )
        return str(address)

    async def tokens(self, code: str, redirect: str, verifier: str) -> Mapping[str, Any]:
        """What a code is worth. Raises NotGranted, ProviderAway."""
        found = await self.metadata()
        try:
            async with self._client(redirect) as client:
                answer = await client.fetch_token(
                    found.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    **self._assertion(found),
                )
        except OAuthError as error:
            raise NotGranted(str(error.error)) from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway(f"token endpoint: {type(error).__name__}") from None
        except (GatewayError, BadToken) as error:
            raise ProviderAway(f"the client's own secret or key: {error}") from None
        return dict(answer)

    async def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """What else the provider says of the person. Raises ProviderAway."""
        address = (await self.metadata()).userinfo_endpoint
        if address is None:
            return {}
        return await self._get(address, {"Authorization": f"Bearer {access_token}"})

    def _client(self, redirect: str) -> AsyncOAuth2Client:
        settings = self.settings
        try:
            secret = settings.secret.reveal() if settings.secret else None
        except GatewayError as error:
            raise ProviderAway(f"the client's own secret: {error}") from None
        return AsyncOAuth2Client(
            settings.client_id,
            secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=" ".join(settings.scopes),
            redirect_uri=redirect,
            code_challenge_method="S256",
            transport=self._transport,
            timeout=_TIMEOUT,
        )

    def _assertion(self, found: Metadata) -> dict[str, str]:
        """How the application proves itself by a key (RFC 7523); nothing where it has a secret."""
        key = self.settings.key
        if key is None:
            return {}
        private, now = tokens.signing_key(key.reveal()), self._now()
        claims = {
            "iss": self.settings.client_id,
            "sub": self.settings.client_id,
            "aud": found.issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": int(now.timestamp()),
            "exp": int((now + ASSERTION_LASTS).timestamp()),
        }
        algorithm = self.settings.private_key_algorithm
        header = {"alg": algorithm, **({"kid": private.kid} if private.kid else {})}
        try:
            signed = jwt.encode(header, claims, private, algorithms=[algorithm])
        except BROKEN as error:
            raise BadToken(f"no key for {algorithm} ({type(error).__name__})") from None
        return {"client_assertion_type": _ASSERTION, "client_assertion": signed}

    async def _get(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(transport=self._transport, timeout=_TIMEOUT) as client:
                answer = await client.get(address, headers=dict(headers or {}))
            found = json.loads(answer.content) if answer.is_success else None
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            raise ProviderAway(f"{address}: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise ProviderAway(f"{address}: HTTP {answer.status_code}, no JSON object")
        return found


class _Bounded(httpx2.AsyncBaseTransport):
    """Connections that outlive a client, whose answers are read whole and no further than the
    limit."""

    def __init__(self, issuer: str, inner: httpx2.AsyncBaseTransport | None) -> None:
        self._issuer, self._inner = issuer, inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._inner is None:  # late: reading the authorities' certificates takes a while
            self._inner = httpx2.AsyncHTTPTransport(proxy=proxy_for(httpx.URL(self._issuer)))
        answer = await self._inner.handle_async_request(request)
        body = bytearray()
        try:
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise httpx2.ReadError("the answer is too large", request=request)
        finally:
            await answer.aclose()
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=httpx2.ByteStream(bytes(body)),
            extensions=answer.extensions,
        )

    async def __aexit__(self, *_: object) -> None:
        """The next client uses the same connections."""
