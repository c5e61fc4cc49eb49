"""What `c2c check` finds of signing in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from starters.findings import Verdict
from starters.web.login.checks import check
from tests.oidc import Judge
from tests.unit.web.login.configured import settings
from tests.unit.web.login.test_oidc import configured


async def found(configured: Any) -> dict[str, tuple[Verdict, str]]:
    return {item.subject: (item.verdict, item.detail) for item in await check(configured)}


async def test_without_a_provider_it_says_what_that_means() -> None:
    verdict, detail = (await found(settings()))["people"]
    assert (verdict, "chooses who they are" in detail) == (Verdict.WARN, True)
    verdict, detail = (await found(settings({"tls_in_front": True})))["people"]
    assert (verdict, "nobody can sign in" in detail) == (Verdict.WARN, True)


async def test_a_provider_that_answers_and_roles_for_all_is_ready(judge: Judge) -> None:
    seen = await found(configured(judge))
    assert {verdict for verdict, _ in seen.values()} == {Verdict.OK, Verdict.WARN}
    assert seen["provider"] == (Verdict.OK, judge.issuer)
    assert seen["cookie"][0] is Verdict.WARN


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"oidc": {"issuer": "http://127.0.0.1:9"}}, "provider"),
        ({"oidc": {"client_secret": None, "client_secret_file": "/nowhere"}}, "client"),
        ({"oidc": {"client_secret": None, "private_key": "no key"}}, "client"),
        ({"roles": {"northwind": {"finance": {"groups": ["g"]}}}}, "roles for northwind-uk"),
        ({"cookie": {"keys": {"one": {"key": "short"}}}}, "cookie"),
        (
            {"machines": {"m": {"public_key_file": "/nowhere", "roles": {"*": ["viewer"]}}}},
            "system m",
        ),
    ],
)
async def test_what_would_not_work_is_missing(
    judge: Judge, changes: dict[str, Any], subject: str, tmp_path: Path
) -> None:
    assert (await found(configured(judge, **changes)))[subject][0] is Verdict.MISSING


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({"oidc": {"issuer": "http://id.example", "client_id": "c"}}, "https"),
        ({"oidc": {"issuer": "https://id.example", "client_id": "c"}}, "one of client_secret"),
        ({"roles": {"nowhere": {"finance": {}}}}, "one of entities"),
        ({"roles": {"northwind": {"king": {}}}}, "king"),
        ({"roles": {"northwind": {"sender": {"people": ["a@b"]}}}}, "for systems"),
        ({"machines": {"m": {"roles": {"northwind": ["finance"]}}}}, "public_key_file"),
        ({"machines": {"m": {"public_key_file": "k", "roles": {}}}}, "roles"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(
    identity: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**identity)


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ({"ana": {"person": "Ana"}}, "a person of identity.roles"),
        ({"ana": {}}, "a person of identity.roles"),
        ({"portal": {"person": "bob@northwind.example"}}, "an e-mail address"),
        ({"portal": {"person": "bot"}, "bot": {}}, "another system's"),
    ],
)
def test_a_system_has_no_name_of_a_person_or_of_another_system(
    machines: dict[str, dict[str, Any]], words: str
) -> None:
    roles = {"northwind": {"finance": {"people": ["ana"]}}}
    given = {"public_key_file": "k", "roles": {"northwind": ["finance"]}}
    with pytest.raises(ValueError, match=words):
        settings(roles=roles, machines={name: {**given, **it} for name, it in machines.items()})
