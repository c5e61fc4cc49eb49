"""Whatever is sent to the pages of signing in and to the codec server, it is no defect, signs
nobody in and leads nowhere else.

`C2C_API_EXAMPLES` is how many requests each gets: few in a test run, more by `make fuzz-api`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from temporalio.api.common.v1 import Payload

from contracts.access import Role
from gateways.encryption.settings import CodecSettings
from gateways.record_store.folder import FolderStore
from starters.web import codec
from starters.web.app import application
from starters.web.login.identity import Cookies, Identity
from starters.web.login.personas import ISSUER
from starters.web.login.sessions import Session
from tests.fuzz.bounds import EXAMPLES, bounded
from tests.oidc import Judge
from tests.unit.encryption.stores import CONTRACT, sealing_codec
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import Clock, app_of
from tests.unit.web.login.test_oidc import configured
from tests.unit.web.workflows import Workflows
from wiring.settings import Settings, WebSettings

BOUNDED = bounded(EXAMPLES * 8, random_from=100)
BASE = "http://127.0.0.1:8400"
WEB = {"requests_per_minute": 1_000_000}
ANA = "ana@northwind.example"
KEY = ECKey.generate_key("P-256", private=True)

WORDS = st.text(max_size=60) | st.sampled_from(
    ["", "/", "//evil.example", "/inbox", "https://evil.example", "1", "\x00", "é" * 90, ANA]
)
TOKENS = WORDS | st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "iat", "jti", "sid", "events", "nonce", "typ"]),
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.lists(WORDS, max_size=3),
).map(lambda claims: jwt.encode({"alg": "ES256"}, claims, KEY))
FIELDS = st.dictionaries(
    st.sampled_from(
        ["to", "again", "there", "state", "code", "iss", "error", "person", "csrf", "logout_token"]
    ),
    TOKENS,
    max_size=5,
)
PATHS = st.sampled_from(
    [
        "/login",
        "/login/callback",
        "/login/command-line",
        "/logout",
        "/logout/backchannel",
        "/try",
        "/probe/northwind",
    ]
)
METHODS = st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "OPTIONS"])
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "accept": st.sampled_from(["text/html", "application/json"]),
        "authorization": TOKENS.map(lambda token: f"Bearer {token}").filter(str.isascii)
        | PRINTABLE,
        "content-type": st.sampled_from(
            ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
        ),
        "origin": st.sampled_from([BASE, "null", "http://evil.example"]) | PRINTABLE,
        "sec-fetch-site": st.sampled_from(["same-origin", "none", "cross-site"]) | PRINTABLE,
        "sec-fetch-mode": st.sampled_from(["navigate", "cors"]),
        "hx-request": st.just("true"),
        "hx-current-url": PRINTABLE,
        "host": st.sampled_from(["127.0.0.1:8400", "evil.example"]),
    },
)
BODIES = FIELDS.map(lambda fields: urlencode(fields).encode()) | st.binary(max_size=200)


@dataclass
class Asked:
    """The application with one browser's cookies, and what it sealed itself."""

    app: FastAPI
    runner: asyncio.Runner
    identity: Identity | None = None
    issuer: str = ""

    @property
    def cookies(self) -> Cookies:
        assert self.identity is not None
        return self.identity.cookies

    def send(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
                return await http.request(method, path, **how)

        return self.runner.run(sent())

    def check(self, answer: httpx.Response) -> None:
        """It is no defect, signs nobody in, and leads to us or to the provider."""
        assert answer.status_code < 500, answer.text
        assert "content-security-policy" in answer.headers
        location = answer.headers.get("location", "/")
        is_ours = location.startswith("/") and not location.startswith("//")
        assert is_ours or (self.issuer and location.startswith(self.issuer)), location
        for cookie in answer.headers.get_list("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            assert name != self.cookies.name or not value, "nobody has signed in"


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all: connections to the provider belong to it."""
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def chosen(runner: asyncio.Runner) -> Asked:
    """Without a provider."""
    return Asked(*_with(runner, settings(WEB)))


@pytest.fixture(scope="module")
def provided(runner: asyncio.Runner, judge: Judge) -> Asked:
    """With one."""
    return Asked(*_with(runner, configured(judge, web=WEB)), judge.issuer)


def _with(runner: asyncio.Runner, configured: Settings) -> tuple[FastAPI, asyncio.Runner, Identity]:
    app, identity = app_of(configured, Clock())
    app.state.temporal = Workflows()  # what a page asks for that is drawn for somebody signed in
    return app, runner, identity


def sealed_of(purpose: str) -> dict[str, Any]:
    """What the application seals: whoever is signed in, or who was sent to the provider."""
    now = datetime.now(UTC)
    if purpose == "session":
        viewer = {"northwind": frozenset({Role.VIEWER})}
        return Session(ISSUER, ANA, ANA, "Ana", viewer, now, now, now).document()
    return {
        "state": "s",
        "nonce": "n",
        "verifier": "v",
        "to": "/",
        "silent": True,
        "until": now.timestamp() + 600,
    }


@pytest.mark.parametrize("which", ["chosen", "provided"])
@given(
    method=METHODS,
    path=PATHS,
    query=FIELDS,
    headers=HEADERS,
    body=BODIES,
    purpose=st.sampled_from(["session", "login", "other", ""]),
    garbage=PRINTABLE,
)
@BOUNDED
def test_nothing_that_is_sent_to_the_login_is_a_defect(
    request: pytest.FixtureRequest,
    which: str,
    method: str,
    path: str,
    query: dict[str, str],
    headers: dict[str, str],
    body: bytes,
    purpose: str,
    garbage: str,
) -> None:
    asked: Asked = request.getfixturevalue(which)
    name, state = asked.cookies.name, query.get("state", "")[:8]
    value = asked.cookies.sealer.seal(purpose, sealed_of(purpose)) if purpose else garbage
    cookie = f"{name}={value}; {name}-login-{state}={value}".encode("ascii", "ignore").decode()
    if not query.get("person", "").startswith("ana@") and b"ana%40" not in body:
        answer = asked.send(
            method, path, params=query, content=body, headers={**headers, "cookie": cookie}
        )
        asked.check(answer)


@given(fields=FIELDS, headers=HEADERS)
@BOUNDED
def test_nothing_that_comes_back_from_a_login_that_was_begun_is_a_defect(
    provided: Asked, fields: dict[str, str], headers: dict[str, str]
) -> None:
    begun = provided.send("GET", "/login", params={"to": fields.get("to", "")})
    state = dict(httpx.URL(begun.headers["location"]).params)["state"]
    cookie = begun.headers["set-cookie"].partition(";")[0]
    answer = provided.send(
        "GET",
        "/login/callback",
        params={"iss": provided.issuer, **fields, "state": state},
        headers={**headers, "cookie": cookie},
    )
    provided.check(answer)
    assert answer.status_code in (400, 401, 403)


# --- the codec server -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def decoding(runner: asyncio.Runner, folder: Path) -> Asked:
    async def connect() -> None:
        return None

    web = WebSettings(**WEB)
    configured = CodecSettings.model_validate({"tokens": {"ui": {"token": "t"}}})
    served = codec.server(sealing_codec(folder), FolderStore(folder), configured, web)
    return Asked(application(web, {}, connect, codec=served), runner)


@pytest.fixture(scope="module")
def sealed(runner: asyncio.Runner, folder: Path) -> Payload:
    clear = Payload(metadata={"encoding": b"json/plain"}, data=b'"Acme Industries"' * 100)
    [payload] = runner.run(sealing_codec(folder, scope=CONTRACT).encode([clear]))
    return payload


@given(
    route=st.sampled_from(["decode", "download", "encode"]),
    name=st.sampled_from(["encoding", "encryption-key-id", "encryption-algorithm", "data", ""]),
    value=st.binary(max_size=40) | WORDS.map(lambda text: text.encode()),
    at=st.integers(0, 400),
    contract=PRINTABLE,
)
@BOUNDED
def test_no_payload_that_was_changed_is_a_defect(
    decoding: Asked,
    sealed: Payload,
    route: str,
    name: str,
    value: bytes,
    at: int,
    contract: str,
) -> None:
    changed = json_format.MessageToDict(sealed)
    if name == "data":
        raw = base64.b64decode(changed["data"])
        changed["data"] = base64.b64encode(raw[:at] + value + raw[at + len(value) :]).decode()
    elif name:
        changed["metadata"][name] = base64.b64encode(value).decode()
    headers = {"authorization": "Bearer t", "x-contract": contract, "x-namespace": contract}
    answer = decoding.send(
        "POST", f"/codec/{route}", content=json.dumps({"payloads": [changed]}), headers=headers
    )
    assert answer.status_code in (200, 400, 403, 422), answer.text
