"""Signing in with a provider that others wrote and that is certified; whatever is forged, too old
or meant for somebody else is refused, and is never a defect."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey

from starters.web.login.provider import Provider
from tests import oidc
from tests.oidc import AUDIENCE, CLI, CLIENT, SECRET, Judge
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import Site, opened
from wiring.settings import Settings

ANA = "ana@northwind.example"


def configured(judge: Judge, **more: Any) -> Settings:
    provider = {
        "issuer": judge.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "audience": AUDIENCE,
        "cli_client_id": CLI,
        **more.pop("oidc", {}),
    }
    roles = {
        "northwind": {"finance": {"groups": ["accounts"]}, "viewer": {"people": [ANA]}},
        "northwind-uk": {"controller": {"groups": ["directors"]}},
    }
    return settings(**{"oidc": provider, "roles": roles, **more})


@pytest.fixture
async def site(judge: Judge) -> AsyncIterator[Site]:
    judge.person("ana", ANA, "accounts")
    judge.act("lifetimes", code=60)
    async with opened(configured(judge)) as found:
        yield found


async def begun(site: Site, to: str = "/try") -> str:
    """Where the browser is sent to sign in."""
    answer = await site.get(f"/login?{urlencode({'to': to})}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def returned(site: Site, address: str) -> httpx.Response:
    parts = urlsplit(address)
    return await site.get(f"{parts.path}?{parts.query}")


async def signed_in(site: Site, judge: Judge, browser: httpx.Client, who: str = "ana") -> None:
    answer = await returned(site, judge.sign_in(browser, await begun(site), who))
    assert (answer.status_code, answer.headers["location"]) == (303, "/try"), answer.text


def changed(address: str, **values: str | None) -> str:
    """The address with other parameters; None leaves one out."""
    parts = urlsplit(address)
    given = {name: found[0] for name, found in parse_qs(parts.query).items()}
    kept = {name: value for name, value in {**given, **values}.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


async def test_a_person_signs_in_and_has_the_roles_of_their_groups(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    await signed_in(site, judge, browser)
    who = await site.who()
    assert (who["issuer"], who["subject"], who["person"]) == (judge.issuer, "ana", ANA)
    assert (who["name"], who["banner"], who["machine"]) == ("Ana", "", False)
    assert who["roles"] == {"northwind": ["finance", "viewer"]}
    assert (await site.http.get("/probe/northwind")).status_code == 200
    assert (await site.http.get("/probe/northwind-uk")).status_code == 404
    assert list(site.http.cookies) == ["c2c-8400"], "nothing is left of how they signed in"


async def test_behind_tls_cookies_are_bound_to_the_host_and_go_nowhere_in_clear(
    judge: Judge, browser: httpx.Client
) -> None:
    base = "https://c2c.example"
    judge.client("c2c-tls", base)
    judge.person("ana", ANA, "accounts")
    web = {"public_url": f"{base}/", "tls_in_front": True, "proxies": ["127.0.0.1"]}
    async with opened(configured(judge, web=web, oidc={"client_id": "c2c-tls"}), base=base) as site:
        begun_ = await site.get("/login?to=/try")
        back = await returned(site, judge.sign_in(browser, begun_.headers["location"], "ana"))
        cookies = [*begun_.headers.get_list("set-cookie"), *back.headers.get_list("set-cookie")]
        assert len(cookies) == 3, "begun, done with, signed in"
        for cookie in cookies:
            assert cookie.startswith("__Host-c2c")
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
            assert "Domain" not in cookie
        csrf = (await site.who())["csrf"]
        assert (await site.post("/try", {"csrf": csrf}, origin=base)).status_code == 200
        assert back.headers["strict-transport-security"]


async def test_claims_that_the_token_leaves_out_are_asked_for(
    judge: Judge, browser: httpx.Client
) -> None:
    judge.client("c2c-lean", "http://127.0.0.1:8400", id_token_signed_response_alg="ES256")
    judge.person("lean", "lean@northwind.example", "accounts")
    oidc = {"client_id": "c2c-lean", "scopes": ["openid", "email", "profile"]}
    async with opened(configured(judge, oidc=oidc)) as site:
        await signed_in(site, judge, browser, "lean")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"state": "forged"}, 400),
        ({"state": None}, 400),
        ({"code": "forged"}, 401),
        ({"code": None}, 401),
        ({"iss": "https://elsewhere.example"}, 401),
        ({"iss": None}, 401),
        ({"error": "server_error"}, 401),
        ({"error": "access_denied"}, 403),
    ],
)
async def test_what_is_forged_on_the_way_back_is_refused(
    site: Site,
    judge: Judge,
    browser: httpx.Client,
    change: dict[str, str | None],
    status: int,
) -> None:
    address = judge.sign_in(browser, await begun(site), "ana")
    assert (await returned(site, changed(address, **change))).status_code == status
    assert (await site.http.get("/try")).status_code == 401


async def test_a_state_that_begins_as_ours_and_is_of_any_letters_is_refused(site: Site) -> None:
    [state] = parse_qs(urlsplit(await begun(site)).query)["state"]
    address = f"/login/callback?{urlencode({'state': state[:8] + 'é'})}"
    assert (await site.get(address)).status_code == 400


async def test_a_way_back_is_good_for_one_browser_once_and_not_for_long(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    address = judge.sign_in(browser, await begun(site), "ana")
    async with opened(configured(judge)) as other:
        assert (await returned(other, address)).status_code == 400
    assert (await returned(site, address)).status_code == 303
    assert (await returned(site, address)).status_code == 400
    late = judge.sign_in(browser, await begun(site), "ana")
    site.clock.pass_(minutes=11)
    assert (await returned(site, late)).status_code == 400


async def test_another_nonce_and_an_expired_code_are_refused(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    address = changed(await begun(site), nonce="of-another")
    answer = await returned(site, judge.sign_in(browser, address, "ana"))
    assert answer.status_code == 401
    judge.act("lifetimes", code=1)
    address = judge.sign_in(browser, await begun(site), "ana")
    await asyncio.sleep(1.1)
    assert (await returned(site, address)).status_code == 401


async def test_two_tabs_sign_in_at_once(site: Site, judge: Judge, browser: httpx.Client) -> None:
    first, second = await begun(site, "/try?a=1"), await begun(site, "/try?b=2")
    for address, to in ((second, "/try?b=2"), (first, "/try?a=1")):
        answer = await returned(site, judge.sign_in(browser, address, "ana"))
        assert answer.headers["location"] == to


async def test_new_keys_of_the_provider_are_found(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    await signed_in(site, judge, browser)
    judge.act("rotate")
    site.clock.pass_(seconds=11)
    await signed_in(site, judge, browser)


async def test_changed_groups_are_seen_when_a_page_is_opened_later(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    judge.person("eva", "eva@northwind.example", "accounts")
    await signed_in(site, judge, browser, "eva")
    judge.person("eva", "eva@northwind.example", "directors")
    assert (await site.get("/try")).json()["roles"] == {"northwind": ["finance"]}
    site.clock.pass_(minutes=16)
    assert (await site.http.get("/try")).status_code == 200, "a part of a page, and no navigation"
    asked = await site.get("/try?x=1")
    assert asked.headers["location"] == "/login?to=%2Ftry%3Fx%3D1&again=1"
    address = (await site.get(asked.headers["location"])).headers["location"]
    assert parse_qs(urlsplit(address).query)["prompt"] == ["none"]
    answer = await returned(site, judge.sign_in(browser, address, "nobody is asked"))
    assert answer.headers["location"] == "/try?x=1"
    assert (await site.get("/try")).json()["roles"] == {"northwind-uk": ["controller"]}


async def test_whoever_is_signed_out_there_is_asked_again_and_whoever_lost_all_roles_is_out(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    judge.person("ivo", "ivo@northwind.example", "accounts")
    await signed_in(site, judge, browser, "ivo")
    site.clock.pass_(minutes=16)
    address = (await site.get("/login?to=/try&again=1")).headers["location"]
    with oidc.browser() as signed_out:
        answer = await returned(site, judge.sign_in(signed_out, address, ""))
    assert answer.headers["location"] == "/login?to=%2Ftry"
    assert (await site.http.get("/try")).status_code == 401
    judge.person("ivo", "ivo@northwind.example")
    answer = await returned(site, judge.sign_in(browser, await begun(site), "ivo"))
    assert answer.status_code == 403
    assert "no role here" in answer.text


async def test_roles_do_not_grow_old_in_a_form_that_stays_open(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    await signed_in(site, judge, browser)
    csrf = (await site.who())["csrf"]
    for minutes, status in ((20, 200), (15, 401)):
        site.clock.pass_(minutes=minutes)
        assert (await site.post("/try", {"csrf": csrf})).status_code == status


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email_verified": False}, 403),
        ({"email_verified": "true"}, 403),
        ({"email": "two\nlines@northwind.example"}, 403),
        ({"email": ""}, 403),
        ({"email": "\u212aim@northwind.example"}, 403),
        ({"email": "Kim@northwind.example"}, 303),
        ({"groups": "accounts"}, 303),
        ({"groups": {"accounts": True}}, 403),
        ({"name": 7}, 303),
    ],
)
async def test_a_name_that_is_not_verified_or_malformed_is_nobody(
    site: Site, judge: Judge, browser: httpx.Client, claims: dict[str, Any], status: int
) -> None:
    sound = {"email": "odd@northwind.example", "email_verified": True, "groups": ["accounts"]}
    judge.claims("odd", **{**sound, **claims})
    answer = await returned(site, judge.sign_in(browser, await begun(site), "odd"))
    assert answer.status_code == status, answer.text


async def test_nobody_is_let_in_by_the_name_of_a_system(
    judge: Judge, browser: httpx.Client
) -> None:
    judge.claims("odd", email="x@northwind.example", groups=["accounts"], name="Portal")
    machine = {"public_key_file": "k", "roles": {"northwind": ["finance"]}}
    oidc = {"person_claim": "name"}
    async with opened(configured(judge, oidc=oidc, machines={"portal": machine})) as site:
        answer = await returned(site, judge.sign_in(browser, await begun(site), "odd"))
        assert answer.status_code == 403
        assert "name of a system" in answer.text


async def test_a_list_that_is_narrowed_after_a_while_leads_to_the_provider_by_a_page(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    await signed_in(site, judge, browser)
    site.clock.pass_(minutes=20)
    asked = await site.get("/try?entity=northwind", sec_fetch_site="same-origin")
    assert asked.status_code == 303, "to our own page"
    page = await site.get(asked.headers["location"], sec_fetch_site="same-origin")
    assert page.status_code == 200, "a form of ours leads nowhere else, the policy says"
    there = html.unescape(page.text.partition('content="0; url=')[2].partition('"')[0])
    back = await returned(site, judge.sign_in(browser, there, "nobody is asked"))
    assert back.headers["location"] == "/try?entity=northwind"


@pytest.mark.parametrize("letter", ['"', "é", "\U0001f600"])
async def test_an_address_that_is_too_long_to_be_kept_is_left_out(site: Site, letter: str) -> None:
    answer = await site.get(f"/login?{urlencode({'to': '/' + letter * 1_900})}")
    assert answer.status_code == 303, answer.text


async def test_a_provider_that_is_away_is_503(judge: Judge) -> None:
    async with opened(configured(judge, oidc={"issuer": "http://127.0.0.1:9"})) as site:
        answer = await site.get("/login")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
        token = jwt.encode({"alg": "ES256"}, {"iss": "x"}, ECKey.generate_key("P-256"))
        api = await site.http.get("/try", headers={"authorization": f"Bearer {token}"})
        assert api.status_code == 503
    async with opened(configured(judge, oidc={"issuer": f"{judge.issuer}/"})) as site:
        assert (await site.get("/login")).status_code == 503, "it calls itself otherwise"
    secret = {"client_secret": None, "client_secret_file": "/absent/secret"}
    async with opened(configured(judge, oidc=secret)) as site:
        answer = await site.get("/login")
        assert (answer.status_code, "absent" in answer.text) == (503, False)


async def test_signing_out_ends_the_session_there_too(
    site: Site, judge: Judge, browser: httpx.Client
) -> None:
    await signed_in(site, judge, browser)
    csrf = (await site.who())["csrf"]
    answer = await site.post("/logout", {"csrf": csrf})
    assert answer.headers["location"] == "/logout?there=1"
    page = (await site.get("/logout?there=1")).text
    there = html.unescape(page.partition('content="0; url=')[2].partition('"')[0])
    assert judge.sign_out(browser, there) == "http://127.0.0.1:8400/logout"
    page = (await site.get("/logout")).text
    assert "signed out" in page
    assert "refresh" not in page
    assert (await site.http.get("/try")).status_code == 401


async def test_the_client_proves_itself_by_a_key(judge: Judge, browser: httpx.Client) -> None:
    key = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
    judge.client(
        "c2c-key",
        "http://127.0.0.1:8400",
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="ES256",
        jwks={"keys": [key.as_dict(private=False)]},
    )
    judge.person("ana", ANA, "accounts")
    for form in (key.as_pem(private=True).decode(), json.dumps(key.as_dict(private=True))):
        oidc = {
            "client_id": "c2c-key",
            "client_secret": None,
            "private_key": form,
            "private_key_algorithm": "ES256",
        }
        async with opened(configured(judge, oidc=oidc)) as site:
            await signed_in(site, judge, browser)


# --- what the provider says behind the browser's back -------------------------------------------


def forged(key: ECKey, typ: str, **claims: Any) -> str:
    said = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "known", "typ": typ}, said, key, default_type=None)


@pytest.fixture
def known(site: Site, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> ECKey:
    """A key of the provider in the hands of the test: whatever it says is signed."""
    key = ECKey.generate_key("P-256", {"kid": "known"}, private=True)

    async def fetched(self: Provider, lasting: timedelta) -> dict[str, Key]:
        return {"known": key}

    monkeypatch.setattr(Provider, "_known_keys", fetched)
    return key


def logout_claims(site: Site, judge: Judge, **changes: Any) -> dict[str, Any]:
    now = int(site.clock().timestamp())
    event = "http://schemas.openid.net/event/backchannel-logout"
    said = {"iss": judge.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "sub": "ana"}
    return {**said, "jti": secrets.token_hex(8), "events": {event: {}}, **changes}


async def told(site: Site, token: str) -> int:
    answer = await site.http.post("/logout/backchannel", data={"logout_token": token})
    return answer.status_code


async def test_the_provider_signs_a_person_out_and_they_may_come_back(
    site: Site, judge: Judge, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the provider itself says it, over HTTP."""
    sent: list[str] = []
    server = await listening(sent)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    judge.client("c2c-live", "http://127.0.0.1:8400", backchannel_logout_uri=base)
    async with server, opened(configured(judge, oidc={"client_id": "c2c-live"})) as live:
        await signed_in(live, judge, browser)
        await asyncio.to_thread(judge.sign_out, browser, f"{judge.issuer}/session/end")
        [token] = sent
        assert (await live.http.get("/try")).status_code == 200
        assert await told(live, token) == 200
        assert (await live.http.get("/try")).status_code == 401
        assert await told(live, token) == 400, "it is good for one use"
        live.clock.pass_(seconds=1)
        await signed_in(live, judge, browser)
        assert (await live.http.get("/try")).status_code == 200


async def listening(sent: list[str]) -> asyncio.Server:
    """Takes what the provider posts."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        form = parse_qs((await reader.readexactly(length)).decode())
        sent.append(form["logout_token"][0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    return await asyncio.start_server(take, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": None},
        {"exp": 0},
        {"exp": None},
        {"exp": True},
        {"exp": "soon"},
        {"exp": 10**30},
        {"iat": 2**40},
        {"jti": None},
        {"jti": "x" * 400},
        {"sub": None},
        {"events": None},
        {"events": {}},
        {"events": []},
        {"nonce": "n"},
    ],
)
async def test_a_logout_token_that_is_none_signs_nobody_out(
    site: Site, judge: Judge, known: ECKey, change: dict[str, Any]
) -> None:
    assert await told(site, forged(known, "logout+jwt", **logout_claims(site, judge))) == 200
    wrong = forged(known, "logout+jwt", **logout_claims(site, judge, **change))
    assert await told(site, wrong) == 400


async def test_no_token_is_a_defect(site: Site, judge: Judge, known: ECKey) -> None:
    said = logout_claims(site, judge)
    right = forged(known, "logout+jwt", **said)
    header, claims, signature = right.split(".")
    shared = OctKey.import_key("a secret that both have")
    others = [
        "",
        "a",
        "..",
        "a.b.c",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{header}.e30.{signature}",
        "x" * 20_000,
        forged(ECKey.generate_key("P-256"), "logout+jwt", **said),
        forged(known, "at+jwt", **said),
        jwt.encode({"alg": "HS256", "kid": "known"}, said, shared, algorithms=["HS256"]),
        _unsigned({"alg": "none", "kid": "known"}, said),
        _unsigned({"alg": "RS256", "kid": "known"}, said),
        _unsigned({"alg": ["ES256"], "kid": "known"}, said),
        _unsigned({"alg": "ES256", "kid": {"a": 1}}, said),
        _unsigned({"alg": "ES256", "kid": "known", "crit": ["x"], "x": 1}, said),
    ]
    for token in others:
        assert await told(site, token) == 400, token
        answer = await site.http.get("/try", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token


def _unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])
