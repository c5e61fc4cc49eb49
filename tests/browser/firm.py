"""The firm of these tests: its people, whom a certified provider of others signs in, and what is
configured for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey
from playwright.async_api import Page
from pydantic import SecretStr

from contracts.access import Role
from gateways.bank.folder import FolderSettings
from gateways.crm.hubspot import HubSpotSettings
from gateways.encryption.settings import RecordsSettings
from gateways.identity.settings import IdentitySettings
from sandbox.server import Sandbox
from tests.bank_source import ACCOUNT
from tests.oidc import AUDIENCE, CLI, SECRET, Judge
from tests.world import ANA, BOB, CLEO, DORA, ENTITY
from wiring.settings import Settings, WebSettings

PIA, OLAF, VERA, ADA = (f"{name}@northwind.example" for name in ("pia", "olaf", "vera", "ada"))
ROLES: Mapping[str, Role] = {
    ANA: Role.FINANCE,
    BOB: Role.FINANCE,
    CLEO: Role.CONTROLLER,
    DORA: Role.CONTROLLER,
    PIA: Role.PROJECT_MANAGER,
    OLAF: Role.OPERATOR,
    VERA: Role.VIEWER,
    ADA: Role.ADMIN,
}
"""The provider says a group of each, which the configuration makes this role."""
CLIENT = "c2c-browser"
BANK, DEALS, ON_PAPER = "inbox", "hubspot", "paper-deals"
"""Where the bank's files lie, the CRM, and the same CRM for deals that wait to be signed."""


def account(person: str) -> str:
    """The provider's name of a person."""
    return person.partition("@")[0]


def enrol(judge: Judge, client: str, site: str) -> None:
    """Have the provider know the people, and an application at an address."""
    judge.client(client, site)
    for person, role in ROLES.items():
        judge.person(account(person), person, role)


def identity(judge: Judge, client: str = CLIENT, entity: str = ENTITY) -> dict[str, Any]:
    """Who signs in where, as what, and the key by which each decision is signed."""
    key = OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)
    return {
        "oidc": {
            "issuer": judge.issuer,
            "client_id": client,
            "client_secret": SECRET,
            "cli_client_id": CLI,
            "audience": AUDIENCE,
        },
        "roles": {entity: {role: {"groups": [role]} for role in Role if role is not Role.SENDER}},
        "signing_key": json.dumps(key),
    }


def configured(
    settings: Settings, sandbox: Sandbox, judge: Judge, port: int, folder: Path
) -> Settings:
    """The settings of the sandbox with a provider, records, a bank's folder and a CRM."""
    bank, records = folder / "bank", folder / "records"
    for made in (bank, records):
        made.mkdir()
    for name in ("done", "refused"):
        (bank / name).mkdir()
    inbox = FolderSettings(
        kind="folder", legal_entity=ENTITY, accounts={ACCOUNT: "BNK1"}, folder=bank
    )
    changes = {
        "web": WebSettings(port=port, temporal_url="https://temporal.example"),
        "identity": IdentitySettings.model_validate(identity(judge)),
        "records": RecordsSettings(folder=records),
        "bank": {BANK: inbox},
        "crm": {DEALS: _hubspot(sandbox), ON_PAPER: _hubspot(sandbox, "paper")},
    }
    return settings.model_copy(update=changes)


def _hubspot(sandbox: Sandbox, signature: str | None = None) -> HubSpotSettings:
    return HubSpotSettings(
        kind="hubspot",
        url=f"{sandbox.url}/hubspot",
        api_key=SecretStr(sandbox.hubspot_token),
        legal_entity=ENTITY,
        closed_since=date(2020, 1, 1),
        signature=signature,
    )


async def sign_in(page: Page, site: str, person: str, to: str = "/inbox") -> None:
    """As somebody does: the page asks the provider, which asks who they are."""
    await page.goto(f"{site}{to}")
    await page.goto(f"{page.url}?account={account(person)}")
    await page.wait_for_url(f"{site}{to}")


async def sign_in_there(page: Page, person: str) -> None:
    """In a tab that the application has sent to the provider; it may know the person still."""
    await page.wait_for_load_state()
    if "/interaction/" in page.url:
        await page.goto(f"{page.url}?account={account(person)}")
    await page.wait_for_url("**/inbox")
    await page.close()
