"""Programs: systems by their own signature or the provider's token, and people by `c2c login`; the
codec server for operators."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from temporalio.api.common.v1 import Payload

from gateways.encryption.settings import CodecSettings
from gateways.record_store.folder import FolderStore
from starters.web import codec
from starters.web.login.replays import Seen
from tests import oidc
from tests.oidc import AUDIENCE, CLI, Judge
from tests.unit.encryption.stores import sealing_codec
from tests.unit.web.login.configured import settings
from tests.unit.web.login.conftest import Clock, Site, opened
from tests.unit.web.login.test_oidc import configured, signed_in

PORTAL = ECKey.generate_key("P-256", private=True)
BASE = "http://127.0.0.1:8400"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A system is known by its key; there is no provider."""
    keys = tmp_path / "portal.json"
    keys.write_text(json.dumps(PORTAL.as_dict(private=False)))
    machine = {
        "public_key_file": str(keys),
        "person": "Billing-Portal",
        "roles": {"northwind": ["finance"]},
    }
    async with opened(settings(machines={"portal": machine})) as found:
        yield found


def assertion(clock: Clock, key: Any = PORTAL, **changes: Any) -> str:
    now = int(clock().timestamp())
    said = {
        "iss": "portal",
        "sub": "portal",
        "aud": BASE,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
        **changes,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode({"alg": "ES256"}, kept, key)


async def asked(site: Site, token: str, path: str = "/try", method: str = "GET") -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"}
    return await site.http.request(method, path, headers=headers)


async def test_a_system_signs_each_request_and_has_its_roles(site: Site) -> None:
    who = (await asked(site, assertion(site.clock))).json()
    assert (who["person"], who["issuer"], who["machine"]) == ("billing-portal", "portal", True)
    assert who["roles"] == {"northwind": ["finance"]}
    posted = await asked(site, assertion(site.clock), method="POST")
    assert posted.status_code == 200, "a token of its own needs no form"
    for entity, status in (("northwind", 200), ("northwind-uk", 404)):
        answer = await asked(site, assertion(site.clock), f"/probe/{entity}")
        assert answer.status_code == status


async def test_what_a_system_signed_is_good_for_one_use(site: Site) -> None:
    token = assertion(site.clock)
    assert [(await asked(site, token)).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"sub": "another"},
        {"iss": "another"},
        {"exp": 1},
        {"exp": None},
        {"exp": 2**33},
        {"iat": 2**33},
        {"nbf": 2**33},
        {"jti": None},
        {"jti": 7},
        {"key": ECKey.generate_key("P-256", private=True)},
    ],
)
async def test_what_is_not_its_own_or_for_us_now_is_refused(
    site: Site, change: dict[str, Any]
) -> None:
    answer = await asked(site, assertion(site.clock, **change))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSAKey.generate_key(2048, private=True), "RS256"),
        (RSAKey.generate_key(2048, private=True), "PS256"),
        (ECKey.generate_key("P-384", private=True), "ES384"),
        (OKPKey.generate_key("Ed25519", private=True), "Ed25519"),
    ],
)
async def test_keys_may_be_of_several_kinds_and_written_as_pem(
    tmp_path: Path, key: Any, algorithm: str
) -> None:
    file = tmp_path / "public.pem"
    file.write_bytes(key.as_pem(private=False))
    machine = {"public_key_file": str(file), "roles": {"*": ["viewer"]}}
    async with opened(settings(machines={"portal": machine})) as site:
        now = int(site.clock().timestamp())
        said = {"iss": "portal", "sub": "portal", "aud": BASE, "exp": now + 60, "jti": "1"}
        token = jwt.encode({"alg": algorithm}, said, key, algorithms=[algorithm])
        assert (await asked(site, token)).status_code == 200
        file.write_bytes(PORTAL.as_pem(private=False))
        again = jwt.encode({"alg": algorithm}, {**said, "jti": "2"}, key, algorithms=[algorithm])
        assert (await asked(site, again)).status_code == 401, "its key was replaced"
        file.unlink()
        assert (await asked(site, again)).status_code == 503


def test_ids_of_tokens_are_kept_until_they_end_and_no_further_than_the_limit() -> None:
    clock, seen = Clock(), Seen(max_entries=2)
    now = clock()
    clock.pass_(seconds=60)
    ends = clock()
    assert [seen.is_new(("a", name), ends, now) for name in "xxyz"] == [True, False, True, False]
    assert seen.is_new(("a", "z"), ends, ends), "the others have ended"


# --- tokens of the provider ---------------------------------------------------------------------


def machine_token(judge: Judge, scope: str = "c2c:finance") -> str:
    """As a system gets it: by its own signature, at the provider."""
    key = ECKey.generate_key("P-256", {"kid": "k"}, private=True)
    judge.act(
        "clients",
        client_id="robot",
        redirect_uris=[],
        response_types=[],
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="ES256",
        jwks={"keys": [key.as_dict(private=False)]},
    )
    now = int(Clock()().timestamp())
    said = {
        "iss": "robot",
        "sub": "robot",
        "aud": judge.issuer,
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 60,
    }
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "resource": AUDIENCE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": "ES256", "kid": "k"}, said, key),
    }
    answer = judge.http.post(f"{judge.issuer}/token", data=form)
    assert judge.http.post(f"{judge.issuer}/token", data=form).status_code == 401, "replayed"
    token: str = answer.json()["access_token"]
    return token


ROBOT = {"robot": {"roles": {"northwind": ["finance", "controller"], "northwind-uk": ["viewer"]}}}


async def test_a_system_of_the_provider_has_the_roles_that_its_scopes_name(judge: Judge) -> None:
    async with opened(configured(judge, machines=ROBOT)) as site:
        who = (await asked(site, machine_token(judge))).json()
        assert (who["person"], who["roles"]) == ("robot", {"northwind": ["finance"]})
    async with opened(configured(judge, machines={"robot": {"roles": {"*": ["admin"]}}})) as site:
        assert (await asked(site, machine_token(judge))).status_code == 403
    async with opened(configured(judge)) as site:
        assert (await asked(site, machine_token(judge))).status_code == 403, "nobody is known"
    elsewhere = configured(judge, machines=ROBOT, oidc={"audience": "https://other.example"})
    async with opened(elsewhere) as site:
        assert (await asked(site, machine_token(judge))).status_code == 401


# --- the codec server ---------------------------------------------------------------------------

UI = "http://127.0.0.1:8233"


@pytest.mark.parametrize(
    ("groups", "origin", "status"),
    [
        (["operators"], UI, 200),
        (["accounts"], UI, 403),
        (["uk"], UI, 403),
        (["operators"], "http://elsewhere.example", 403),
        (["operators"], "", 401),
        ([], UI, 401),
    ],
)
async def test_a_signed_in_operator_decodes_the_contracts_of_their_entities(
    judge: Judge,
    tmp_path: Path,
    groups: list[str],
    origin: str,
    status: int,
) -> None:
    judge.person("olga", "olga@northwind.example", *groups)
    roles = {
        "northwind": {"operator": {"groups": ["operators"]}, "finance": {"groups": ["accounts"]}},
        "northwind-uk": {"operator": {"groups": ["uk"]}},
    }
    sealing, records = sealing_codec(tmp_path), FolderStore(tmp_path)
    [payload] = await sealing.for_scope("contract/northwind/C-1001").encode([Payload(data=b"1")])
    async with opened(configured(judge, roles=roles)) as site:
        served = codec.server(
            sealing,
            records,
            CodecSettings(origins=(UI,)),
            configured(judge).web,
            readers=site.identity,
            has_provider=True,
        )
        site.app.include_router(codec.router(served, 6_000))
        with oidc.browser() as browser:
            if groups:
                await signed_in(site, judge, browser, "olga")
        body = json.dumps({"payloads": [json_format.MessageToDict(payload)]})
        headers = {"origin": origin} if origin else {}
        answer = await site.http.post("/codec/decode", content=body, headers=headers)
        clear = json.dumps({"payloads": [json_format.MessageToDict(Payload(data=b"1"))]})
        named = {**headers, "x-contract": "northwind/C-1001"}
        sealed = await site.http.post("/codec/encode", content=clear, headers=named)
    assert answer.status_code == status, answer.text
    assert sealed.status_code == status, "nobody seals for a contract that they may not read"
    [*names] = records.names("decodes/", limit=10)
    noted = [json.loads(records.read(name) or b"{}")["who"] for name in names]
    assert noted == (["olga@northwind.example"] if status == 200 else [])


def test_the_public_client_is_told_to_the_command_line_and_no_secret(judge: Judge) -> None:
    assert CLI in str(configured(judge).identity.oidc)
