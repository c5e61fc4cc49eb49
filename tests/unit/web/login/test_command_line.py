"""`c2c login` against the certified provider: by a browser, by a code; its file; renewing."""

from __future__ import annotations

import contextlib
import json
import re
import stat
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from starters.client.credentials import access_token
from starters.client.errors import SignedOut, Unreachable
from starters.client.logins import FILE_VARIABLE, Login, Logins
from starters.client.signing_in import PublicClient, Tokens
from tests import oidc
from tests.oidc import AUDIENCE, CLI, Judge
from tests.unit.command import Invoke
from tests.unit.web.login.conftest import opened
from tests.unit.web.login.test_oidc import configured

ADDRESS = "https://c2c.example"
SCOPES = ("openid", "profile", "email", "offline_access")


@pytest.fixture
def client(judge: Judge) -> PublicClient:
    judge.person("ana", "ana@northwind.example", "accounts")
    return PublicClient(judge.issuer, CLI, SCOPES, AUDIENCE)


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logins:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "c2c" / "login.json"))
    return Logins.of_user()


class Person:
    """Signs in with a browser of their own while the command waits."""

    def __init__(self, judge: Judge, account: str = "ana", **forged: str) -> None:
        self.judge, self.account, self.forged = judge, account, forged

    def __call__(self, address: str) -> None:
        threading.Thread(target=self._sign_in, args=(address,), daemon=True).start()

    def _sign_in(self, address: str) -> None:
        with oidc.browser() as browser:
            back = self.judge.sign_in(browser, address, self.account)
            for name, value in self.forged.items():
                # This comes first: with another state it is not even looked at.
                browser.get(re.sub(rf"{name}=[^&]*", f"{name}={value}", back))
            with contextlib.suppress(httpx.ConnectError):  # Nobody waits any more.
                browser.get(back)


@pytest.mark.parametrize("audience", [AUDIENCE, ""])
async def test_a_person_signs_in_with_a_browser_and_the_application_knows_them(
    judge: Judge, client: PublicClient, audience: str
) -> None:
    person = Person(judge, state="forged")
    tokens = replace(client, audience=audience).by_browser(person)
    assert tokens.refresh_token
    async with opened(configured(judge)) as site:
        headers = {"authorization": f"Bearer {tokens.token}"}
        who = (await site.http.get("/try", headers=headers)).json()
        assert (who["person"], who["machine"]) == ("ana@northwind.example", False)
        assert who["roles"] == {"northwind": ["finance", "viewer"]}
        told = (await site.http.get("/login/command-line")).json()
        assert (told["client_id"], told["audience"]) == (CLI, AUDIENCE)
        posted = await site.http.post("/try", headers=headers)
        assert posted.status_code == 200, "no form, so no token of one"


def test_whoever_does_not_let_it_in_is_told(judge: Judge, client: PublicClient) -> None:
    with pytest.raises(SignedOut, match="access_denied"):
        client.by_browser(Person(judge, account=""))
    with pytest.raises(SignedOut, match="another provider"):
        client.by_browser(Person(judge, iss="elsewhere"))


def test_a_person_types_a_code_in_somewhere_else(judge: Judge, client: PublicClient) -> None:
    waited: list[float] = []
    shown: list[str] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            confirm(judge, *shown)

    def show(address: str, code: str) -> None:
        shown.extend((address, code))

    tokens = client.by_device(show, wait)
    assert tokens.token
    assert tokens.refresh_token
    assert len(waited) >= 2, "nobody had confirmed it the first time"


def confirm(judge: Judge, address: str, code: str) -> None:
    with oidc.browser() as browser:
        page = browser.get(address).text
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
        place = urlsplit(address)._replace(query="").geturl()
        answer = browser.post(place, data={**fields, "user_code": code, "confirm": "yes"})
        while answer.is_redirect:
            to = answer.headers["location"]
            to = to if to.startswith("http") else judge.issuer + to
            is_asked = "/interaction/" in to
            answer = browser.get(f"{to}?account=ana" if is_asked else to)


# --- the file, and renewing ---------------------------------------------------------------------


@pytest.fixture
def kept(judge: Judge, client: PublicClient, logins: Logins) -> Login:
    found = Login(client, client.by_browser(Person(judge)))
    logins.keep(ADDRESS, found)
    return found


def ending(login: Login) -> Login:
    return replace(login, tokens=replace(login.tokens, ends_at=0))


def test_only_its_owner_reads_the_file_and_each_application_has_its_own(
    kept: Login, logins: Logins, tmp_path: Path
) -> None:
    file = tmp_path / "c2c" / "login.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert access_token(f"{ADDRESS}/") == kept.tokens.token
    with pytest.raises(SignedOut, match="c2c login"):
        access_token("https://other.example")
    file.write_text("{")
    with pytest.raises(SignedOut, match="cannot be read"):
        access_token(ADDRESS)
    file.write_text(json.dumps({ADDRESS: {"client": 1}}))
    with pytest.raises(SignedOut, match="c2c login"):
        access_token(ADDRESS)


def test_commands_at_once_renew_it_one_after_the_other(kept: Login, logins: Logins) -> None:
    logins.keep(ADDRESS, ending(kept))
    found: list[str | None] = []
    commands = [
        threading.Thread(target=lambda: found.append(logins.token(ADDRESS))) for _ in range(4)
    ]
    for command in commands:
        command.start()
    for command in commands:
        command.join()
    assert len(set(found)) == 1, "it was renewed once"
    assert found[0] not in (None, kept.tokens.token)


def test_a_refresh_token_that_is_used_twice_ends_the_login(kept: Login, logins: Logins) -> None:
    stolen = kept.tokens.refresh_token
    renewed = kept.client.renewed(stolen)
    logins.keep(ADDRESS, ending(replace(kept, tokens=renewed)))
    with pytest.raises(SignedOut):
        kept.client.renewed(stolen)
    with pytest.raises(SignedOut, match="invalid_grant"):
        logins.token(ADDRESS)
    assert logins.token(ADDRESS) is None, "nothing is tried again"


def test_an_ended_login_without_a_refresh_token_and_a_provider_that_is_away(
    kept: Login, logins: Logins
) -> None:
    away = replace(ending(kept), client=replace(kept.client, issuer="http://127.0.0.1:9"))
    logins.keep(ADDRESS, away)
    with pytest.raises(Unreachable):
        logins.token(ADDRESS)
    with pytest.raises(Unreachable):
        logins.token(ADDRESS)  # it is still there
    logins.keep(ADDRESS, Login(kept.client, Tokens("t", 0)))
    with pytest.raises(SignedOut, match="has ended"):
        logins.token(ADDRESS)


def test_signing_out_ends_it_at_the_provider(kept: Login, logins: Logins, c2c: Invoke) -> None:
    found = c2c("--api", ADDRESS, "--json", "logout")
    assert json.loads(found.stdout)["signed_out"] is True
    with pytest.raises(SignedOut, match="invalid_grant"):
        kept.client.renewed(kept.tokens.refresh_token)
    assert json.loads(c2c("--api", ADDRESS, "--json", "logout").stdout)["signed_out"] is False


def test_an_application_must_be_named_and_have_a_login(c2c: Invoke) -> None:
    assert c2c("login").exit_code == 2
    away = c2c("--api", "http://127.0.0.1:9", "login", "--no-browser")
    assert away.exit_code == 4
