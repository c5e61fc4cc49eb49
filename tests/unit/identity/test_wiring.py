"""Whether decisions must be signed, by the configuration and by where Temporal is; what a person
sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from contracts.actors import NotProven
from gateways.identity import keys
from gateways.identity.settings import IdentitySettings
from sandbox.stack import CONFIG
from starters import preflight
from starters.cli import app
from starters.findings import Finding, Verdict
from starters.web.serving import signing
from wiring import identity
from wiring.settings import ConfigurationError, Settings, load_settings

HERE, ELSEWHERE = "127.0.0.1:7233", "temporal.northwind.example:7233"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private = tmp_path / "signing.jwk"
    keys.new_pair(private, tmp_path / "identity.jwks")
    return private


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    def load(address: str, **given: str) -> Settings:
        monkeypatch.setenv("C2C_CONFIG", str(CONFIG))
        monkeypatch.setenv("C2C_ODOO__API_KEY", "unused")
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        for name, value in given.items():
            monkeypatch.setenv(f"C2C_IDENTITY__{name.upper()}", value)
        return load_settings()

    return load


@pytest.mark.parametrize(
    ("address", "said", "required"),
    [
        (HERE, None, False),
        ("localhost:7233", None, False),
        ("[::1]:7233", None, False),
        (ELSEWHERE, None, True),
        ("10.0.0.7:7233", None, True),
        ("localhost.evil.example:7233", None, True),
        (HERE, True, True),
        (ELSEWHERE, False, False),
    ],
)
def test_it_is_required_beyond_this_machine_where_nothing_is_said(
    address: str, said: bool | None, required: bool
) -> None:
    assert identity.is_required(IdentitySettings(required=said), address) is required
    assert identity.proof(IdentitySettings(required=said), address).required is required


def test_required_without_a_key_nothing_starts(configured: Callable[..., Settings]) -> None:
    settings = configured(ELSEWHERE)
    with pytest.raises(ConfigurationError, match=r"identity\.required = false"):
        identity.check(settings.identity, ELSEWHERE)
    with pytest.raises(ConfigurationError, match="c2c keys new-signing"):
        signing(settings)
    assert identity.check(IdentitySettings(required=False), ELSEWHERE) == []
    assert identity.check(IdentitySettings(), HERE) == []


def test_a_key_that_cannot_be_read_is_told_of_at_once(tmp_path: Path, key: Path) -> None:
    for given in (
        {"signing_key_file": tmp_path / "none.jwk"},
        {"signing_key_file": key, "verify": [tmp_path / "none.jwks"]},
        {"signing_key_file": key, "verify": [key]},
        {"signing_key": key.read_text().replace("Ed25519", "Ed448")},
    ):
        settings = IdentitySettings.model_validate(given)
        with pytest.raises(ConfigurationError, match="cannot be made or verified") as caught:
            identity.check(settings, HERE)
        assert json.loads(key.read_text())["d"] not in str(caught.value)


def test_one_signing_key_is_given() -> None:
    both = {"signing_key_file": "a", "signing_key": "b"}
    with pytest.raises(ValidationError, match="either signing_key_file or signing_key"):
        IdentitySettings.model_validate(both)


def test_without_keys_nothing_is_signed_or_verified() -> None:
    assert identity.signer(IdentitySettings()) is None
    assert identity.sign_for(IdentitySettings()) is None
    with pytest.raises(NotProven, match="has no key"):
        identity.proof(IdentitySettings(), HERE).claims("a.b.c")


def finding(settings: Settings) -> Finding:
    return preflight._signatures(settings)


def test_the_check_says_what_is_configured(configured: Callable[..., Settings], key: Path) -> None:
    [known] = identity.check(IdentitySettings(signing_key_file=key), HERE)
    found = finding(configured(HERE))
    assert (found.verdict, "in any name" in found.detail) == (Verdict.WARN, True)
    assert finding(configured(ELSEWHERE)).verdict is Verdict.MISSING
    found = finding(configured(ELSEWHERE, signing_key_file=str(key)))
    assert (found.verdict, known in found.detail) == (Verdict.OK, True)


# --- c2c keys new-signing -----------------------------------------------------------------------


def made(*files: Path) -> Result:
    return CliRunner().invoke(app, ["keys", "new-signing", *map(str, files), "--json"])


def test_a_new_signing_key_is_made_and_never_overwrites_another(tmp_path: Path) -> None:
    private, public = tmp_path / "a.jwk", tmp_path / "all.jwks"
    done = made(private, public)
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert [item["kid"] for item in json.loads(public.read_text())["keys"]] == [shown["id"]]
    assert json.loads(private.read_text())["d"] not in done.output
    again = made(private, public)
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    nowhere = made(tmp_path / "none" / "b.jwk", public)
    assert (nowhere.exit_code, "cannot be written" in nowhere.output) == (1, True)
    assert len(json.loads(public.read_text())["keys"]) == 1
    assert made(tmp_path / "b.jwk", public).exit_code == 0
    assert len(json.loads(public.read_text())["keys"]) == 2
