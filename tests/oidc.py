"""A certified OpenID Connect provider (panva's oidc-provider), in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

JUDGES = Path(__file__).parent / "judges"
AUDIENCE = "https://c2c.example/api"
CLIENT, SECRET, CLI = "c2c-web", "a-secret-of-forty-letters-for-the-web-app", "c2c-cli"


def browser() -> httpx.Client:
    """What keeps cookies; nothing here speaks TLS, so no certificates are read."""
    return httpx.Client(verify=False)  # noqa: S501


@dataclass
class Judge:
    """The provider; what it is told goes to its pages for tests."""

    issuer: str
    http: httpx.Client = field(default_factory=browser)

    def act(self, name: str, **asked: Any) -> None:
        self.http.post(f"{self.issuer}/test/{name}", json=asked).raise_for_status()

    def person(self, sub: str, email: str, *groups: str, **claims: Any) -> None:
        known = {"name": sub.capitalize(), "email": email, "email_verified": True}
        self.claims(sub, **{**known, "groups": list(groups), **claims})

    def claims(self, sub: str, **claims: Any) -> None:
        """What the provider says of a person."""
        self.act("people", sub=sub, claims=claims)

    def client(self, client_id: str, base: str, **more: Any) -> None:
        """A web application at an address."""
        self.act(
            "clients",
            **{
                "client_id": client_id,
                "client_secret": SECRET,
                "redirect_uris": [f"{base}/login/callback"],
                "post_logout_redirect_uris": [f"{base}/logout"],
                "backchannel_logout_uri": f"{base}/logout/backchannel",
                "backchannel_logout_session_required": True,
                "id_token_signed_response_alg": "ES256",
                **more,
            },
        )

    def sign_in(self, browser: httpx.Client, address: str, account: str) -> str:
        """Sign in there as that account, or refuse to (empty); where the browser is sent then."""
        found = browser.get(address)
        while found.is_redirect:
            to = urljoin(str(found.url), found.headers["location"])
            if not to.startswith(self.issuer):
                return to
            is_asked = "/interaction/" in to and not to.endswith("/abort")
            found = browser.get(f"{to}?account={account}" if is_asked else to)
        raise AssertionError(f"HTTP {found.status_code}: {found.text[:500]}")

    def sign_out(self, browser: httpx.Client, address: str) -> str:
        """Say yes to signing out there; where the browser is sent then, if anywhere."""
        page = browser.get(address).text
        xsrf = page.partition('name="xsrf" value="')[2].partition('"')[0]
        confirm = {"xsrf": xsrf, "logout": "yes"}
        answer = browser.post(f"{self.issuer}/session/end/confirm", data=confirm)
        return str(answer.headers.get("location", ""))


@contextlib.contextmanager
def started() -> Iterator[Judge]:
    process = subprocess.Popen(
        ["node", "oidc.mjs"],
        cwd=JUDGES,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        issuer = process.stdout.readline().strip()
        assert issuer, "make installs the judges (needs Node)"
        judge = Judge(issuer)
        judge.client(CLIENT, "http://127.0.0.1:8400")
        judge.act(
            "clients",
            client_id=CLI,
            token_endpoint_auth_method="none",
            application_type="native",
            redirect_uris=["http://127.0.0.1/"],
            grant_types=[
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
        )
        yield judge
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
