"""People are chosen from a list on this machine, and nowhere else; their cookie, and how long it
lasts; forms of others are refused."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import httpx
import pytest

from contracts.access import Role
from starters.web.login.cookies import Sealer
from starters.web.login.personas import personas
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import Site, opened

ANA, VIEWER = "ana@northwind.example", "viewer@c2c.example"
OIDC = {"issuer": "https://id.example", "client_id": "c2c", "client_secret": "s"}


async def choose(site: Site, person: str = ANA, to: str = "/try", **headers: str) -> int:
    return (await site.post("/login", {"person": person, "to": to}, **headers)).status_code


def test_the_rules_give_the_people_and_the_roles_that_fit() -> None:
    found = personas(settings().entities)
    ana, cleo = found[ANA], found["cleo@northwind.example"]
    assert ana.name == "Ana"
    assert ana.roles["northwind"] == {Role.FINANCE}
    assert cleo.roles == {key: {Role.CONTROLLER} for key in ("northwind", "northwind-uk")}
    assert {role for one in found.values() for roles in one.roles.values() for role in roles} == {
        *Role
    } - {Role.SENDER}


async def test_whoever_is_chosen_is_signed_in_and_the_page_says_that_nothing_is_proven(
    site: Site,
) -> None:
    asked = await site.get("/try?x=1")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?to=%2Ftry%3Fx%3D1")
    page = await site.get(asked.headers["location"])
    assert "Cleo" in page.text
    assert 'value="/try?x=1"' in page.text
    assert await choose(site) == 303
    who = await site.who()
    assert (who["person"], who["issuer"]) == (ANA, "c2c:personas")
    assert "nobody has signed in" in who["banner"]


async def test_a_program_without_identity_gets_401_and_htmx_the_way_to_the_login(
    site: Site,
) -> None:
    program = await site.http.get("/try")
    assert (program.status_code, program.headers["www-authenticate"]) == (401, "Bearer")
    part = {"hx-request": "true", "hx-current-url": "http://127.0.0.1:8400/inbox?up_to=5"}
    answer = await site.http.get("/try", headers=part)
    assert answer.headers["hx-redirect"] == "/login?to=%2Finbox%3Fup_to%3D5"


@pytest.mark.parametrize(
    ("client", "base", "headers"),
    [
        ("10.0.0.8", "http://127.0.0.1:8400", {}),
        ("127.0.0.1", "http://c2c.example:8400", {}),
        ("127.0.0.1", "http://127.0.0.1:8400", {"x_forwarded_for": "10.0.0.8"}),
        ("127.0.0.1", "http://127.0.0.1:8400", {"via": "1.1 proxy"}),
    ],
)
async def test_nobody_is_chosen_from_elsewhere(
    client: str, base: str, headers: dict[str, str]
) -> None:
    async with opened(settings(), client=client, base=base) as site:
        assert await choose(site, **headers) == 403
        assert (await site.get("/login", **headers)).status_code == 403


@pytest.mark.parametrize(
    ("web", "identity"),
    [
        ({"host": "0.0.0.0", "tls_in_front": True}, {}),  # noqa: S104
        ({"tls_in_front": True}, {}),
        ({"proxies": ["127.0.0.1"]}, {}),
        ({}, {"oidc": OIDC}),
    ],
)
async def test_nobody_is_chosen_where_others_reach_it_or_a_provider_is_configured(
    web: dict[str, object], identity: dict[str, object]
) -> None:
    async with opened(settings(web, **identity)) as site:
        assert site.identity.personas == {}
        assert await choose(site) in (403, 404, 405, 503)


async def test_a_cookie_of_a_persona_is_worth_nothing_from_elsewhere(site: Site) -> None:
    await choose(site)
    answer = await site.http.get("/try", headers={"x-forwarded-for": "10.0.0.8"})
    assert answer.status_code == 401


async def test_the_cookie_is_bound_to_this_application(site: Site) -> None:
    answer = await site.post("/login", {"person": ANA})
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith("c2c-8400=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert ANA not in cookie


# --- how long -----------------------------------------------------------------------------------


async def test_whoever_is_idle_is_signed_out_and_whoever_works_is_not(site: Site) -> None:
    await choose(site)
    for _ in range(4):
        site.clock.pass_(minutes=29)
        assert (await site.http.get("/try")).status_code == 200
    site.clock.pass_(minutes=31)
    assert (await site.http.get("/try")).status_code == 401


async def test_nobody_works_longer_than_ten_hours(site: Site) -> None:
    await choose(site)
    for _ in range(23):
        site.clock.pass_(minutes=25)
        assert (await site.http.get("/try")).status_code == 200
    site.clock.pass_(minutes=26)
    assert (await site.http.get("/try")).status_code == 401


async def test_a_copied_cookie_ends_with_the_signing_out(site: Site) -> None:
    await choose(site)
    copied = httpx.Cookies(site.http.cookies)
    csrf = (await site.who())["csrf"]
    assert (await site.post("/logout", {"csrf": csrf})).headers["location"] == "/logout"
    assert dict(site.http.cookies) == {}
    site.http.cookies = copied
    assert (await site.http.get("/try")).status_code == 401


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": "http://127.0.0.1:8401"},
    ],
)
async def test_a_form_of_another_page_is_refused(site: Site, headers: dict[str, str]) -> None:
    assert await choose(site, **headers) == 403
    await choose(site)
    csrf = (await site.who())["csrf"]
    assert (await site.post("/try", {"csrf": csrf}, **headers)).status_code == 403
    assert (await site.post("/logout", {"csrf": csrf}, **headers)).status_code == 403


async def test_a_form_needs_the_token_of_its_person(site: Site) -> None:
    await choose(site)
    of_ana = (await site.who())["csrf"]
    assert (await site.post("/try", {"csrf": of_ana})).text == f'"{ANA}"'
    assert (await site.post("/try", {}, x_csrf_token=of_ana)).status_code == 200
    await choose(site, VIEWER)
    for wrong in ({"csrf": of_ana}, {"csrf": ""}, {}):
        assert (await site.post("/try", wrong)).status_code == 403
    hidden = await site.post("/try", {"csrf": (await site.who())["csrf"]}, origin="null")
    assert hidden.status_code == 200, "what hides its address is known by Sec-Fetch-Site"
    unknown = {"csrf": (await site.who())["csrf"]}
    alone = await site.http.post("/try", data=unknown, headers={"origin": "null"})
    assert alone.status_code == 403
    silent = await site.http.post("/try", data={"csrf": (await site.who())["csrf"]})
    assert silent.status_code == 403, "neither Origin nor Sec-Fetch-Site"


async def test_a_form_that_was_open_meanwhile_is_sent_after_signing_in_again(site: Site) -> None:
    await choose(site)
    csrf = (await site.who())["csrf"]
    site.clock.pass_(hours=1)
    answer = await site.post("/try?x=1", {"csrf": csrf, "reason": '"><b>'})
    assert (answer.status_code, 'action="/try?x=1"' in answer.text) == (401, True)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
    assert fields == {"csrf": csrf, "reason": "&#34;&gt;&lt;b&gt;"}
    await choose(site, VIEWER)
    assert (await site.post("/try?x=1", fields)).status_code == 403, "somebody else's"
    await choose(site)
    assert (await site.post("/try?x=1", fields)).status_code == 200


async def test_no_other_site_has_a_page_of_ours_show_its_fields(site: Site) -> None:
    answer = await site.post("/try", {"csrf": "x", "a": "b"}, sec_fetch_site="cross-site")
    assert answer.status_code == 403
    assert (await site.http.post("/try", data={"csrf": "x"})).status_code == 401


@pytest.mark.parametrize(
    "to",
    [
        "https://elsewhere.example/",
        "//elsewhere.example",
        "/\\elsewhere.example",
        "javascript:alert(1)",
        "/\n/elsewhere.example",
        "/\t/elsewhere.example",
        "/login?to=/",
        "/logout",
        "x" * 2_000,
    ],
)
async def test_nobody_is_led_elsewhere_after_signing_in(site: Site, to: str) -> None:
    answer = await site.post("/login", {"person": ANA, "to": to})
    assert answer.headers["location"] == "/"


# --- keys ---------------------------------------------------------------------------------------


def key_file(folder: Path, name: str) -> dict[str, str]:
    path = folder / name
    path.write_text(base64.b64encode(os.urandom(32)).decode())
    return {"key_file": str(path)}


async def test_a_new_key_seals_and_the_old_one_still_opens(tmp_path: Path) -> None:
    old, new = key_file(tmp_path, "old"), key_file(tmp_path, "new")
    async with opened(settings(cookie={"keys": {"old": old}})) as site:
        await choose(site)
        kept, csrf = site.http.cookies, (await site.who())["csrf"]
    both = {"active": "new", "keys": {"old": old, "new": new}}
    async with opened(settings(cookie=both)) as site:
        site.http.cookies = kept
        assert (await site.who())["person"] == ANA
        assert (await site.post("/try", {"csrf": csrf})).status_code == 200
        site.clock.pass_(minutes=2)
        await site.who()
        assert next(iter(site.http.cookies.values())).startswith("new.")
    async with opened(settings(cookie={"keys": {"new": new}})) as site:
        site.http.cookies = kept
        assert (await site.http.get("/try")).status_code == 401


def test_a_cookie_opens_for_its_purpose_only_and_unchanged() -> None:
    sealer = Sealer.configured(settings().identity.cookie)
    value = sealer.seal("session", {"a": 1})
    assert sealer.open("session", value) == {"a": 1}
    assert sealer.open("login", value) is None
    for number in range(0, len(value), 5):
        other = "A" if value[number] != "A" else "B"
        assert sealer.open("session", value[:number] + other + value[number + 1 :]) is None
    for wrong in ("", ".", "process.", "process.AAAA", "other.AAAA", "process.é", "x" * 9_000):
        assert sealer.open("session", wrong) is None
