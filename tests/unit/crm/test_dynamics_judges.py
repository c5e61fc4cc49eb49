"""Microsoft's own client drives our stand-in, and our requests are held to those it sends.

It insists on TLS, so the stand-in has a certificate of an authority made for the test.
"""

from __future__ import annotations

import email
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken, TokenCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.labels import Label, LocalizedLabel
from PowerPlatform.Dataverse.models.relationship import (
    LookupAttributeMetadata,
    OneToManyRelationshipMetadata,
)
from PowerPlatform.Dataverse.models.upsert import UpsertItem
from starlette.types import ASGIApp

from contracts.crm import ContractStatus
from contracts.money import Money
from gateways.crm.dynamics.crm import DynamicsCrm
from gateways.crm.status import status_texts
from tests.standins.dataverse import Lookup
from tests.standins.dynamics import Organisation, Received, dynamics_app
from tests.standins.serving import served_in_turn, tls_of_localhost
from tests.unit.crm.asking import SINCE, all_won, status
from tests.unit.crm.dynamics import (
    ACME,
    connect,
    deal,
)

TOKEN = "eyJ.of-microsoft-s-client"


class _Credential(TokenCredential):
    """Gives the one token, and keeps the scopes that it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(TOKEN, 2**31)


@pytest.fixture(scope="session")
def tls_server() -> Iterator[tuple[str, list[ASGIApp], Path]]:
    """A server with TLS, and the certificate of its authority."""
    with tls_of_localhost() as (tls, root), served_in_turn(tls=tls) as (url, current):
        yield url, current, root


@pytest.fixture
def credential() -> _Credential:
    return _Credential()


@pytest.fixture
def official(
    organisation: Organisation,
    credential: _Credential,
    tls_server: tuple[str, list[ASGIApp], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DataverseClient]:
    url, current, root = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(root))
    monkeypatch.setenv("NO_PROXY", "localhost")
    organisation.tokens.add(TOKEN)
    current.append(dynamics_app(organisation))
    with DataverseClient(url, credential) as client:
        yield client
    current.pop()


def sent(organisation: Organisation, method: str, path: str) -> Received:
    """The last request of this kind."""
    return next(
        item
        for item in reversed(organisation.requests)
        if item.method == method and re.match(path, item.path)
    )


def parts(request: Received) -> list[tuple[str, str, Any]]:
    """Method, path and body of each request in a batch, as Python's own parser of mail reads it."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    found = []
    for message in email.message_from_bytes(head + request.body).walk():
        if message.get_content_type() != "application/http":
            continue
        assert message["Content-Transfer-Encoding"] == "binary"
        payload = message.get_payload(decode=True)
        assert isinstance(payload, bytes)
        text = payload.decode().replace("\r\n", "\n")
        line, _, rest = text.partition("\n")
        headers, _, body = rest.partition("\n\n")
        assert headers == "Content-Type: application/json; type=entry"
        method, path, version = line.split(" ")
        assert version == "HTTP/1.1"
        found.append((method, re.sub(r"^https://[^/]+", "", path), json.loads(body)))
    return found


def written(key: str) -> tuple[ContractStatus, dict[str, Any]]:
    """A status, and the same as Microsoft's client is given it."""
    item = status(key, invoiced=Money("100.50", "EUR"), waiting_on="sam \N{EURO SIGN}")
    texts = {name: text or None for name, text in status_texts(item).items()}
    return item, {**texts, "c2c_opportunity@odata.bind": f"/opportunities({key})"}


def upsert_item(key: str, record: dict[str, Any]) -> Any:
    return UpsertItem(alternate_key={"c2c_contract": f"dynamics-{key}"}, record=record)


def test_it_asks_for_the_scope_that_we_ask_for(
    organisation: Organisation, official: DataverseClient, credential: _Credential
) -> None:
    official.records.create("account", {"name": "Acme"})
    [scope] = set(credential.scopes)
    assert re.fullmatch(r"https://localhost:\d+/\.default", scope)


def test_our_batch_is_the_one_it_sends(
    organisation: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    keys = [organisation.add_deal() for _ in range(3)]
    ours = [written(key)[0] for key in keys]

    dynamics.write_statuses(ours)
    by_us = sent(organisation, "POST", r"\$batch")
    request = official.batch.new()
    request.records.upsert("c2c_billing", [upsert_item(key, written(key)[1]) for key in keys[:1]])
    request.execute(continue_on_error=True)
    by_it = sent(organisation, "POST", r"\$batch")

    assert by_us is not by_it
    assert parts(by_us)[:1] == parts(by_it)
    for name in ("prefer", "odata-version", "odata-maxversion", "accept"):
        assert by_us.headers[name] == by_it.headers[name]
    pattern = r'multipart/mixed; boundary="batch_[0-9a-f-]{36}"'
    assert re.fullmatch(pattern, by_us.headers["content-type"])
    assert re.fullmatch(pattern, by_it.headers["content-type"])


def test_it_reads_the_verdicts_that_we_read(
    organisation: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    keys = [organisation.add_deal() for _ in range(3)]
    request = official.batch.new()
    for key in keys:
        request.records.upsert("c2c_billing", [upsert_item(key, written(key)[1])])
    organisation.delete(keys[1])

    theirs = request.execute(continue_on_error=True).responses
    ours = dynamics.write_statuses([written(key)[0] for key in keys])

    assert [item.status_code for item in theirs] == [204, 404, 204]
    assert [error.code if error else None for error in ours] == [None, "status_refused", None]
    assert ours[1]
    assert f"{theirs[1].error_message} [{theirs[1].error_code}]" in ours[1].message


def test_its_upsert_and_ours_make_the_same_row(
    organisation: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    by_it, by_us = organisation.add_deal(), organisation.add_deal()

    official.records.upsert("c2c_billing", [upsert_item(by_it, written(by_it)[1])])
    dynamics.write_statuses([written(by_us)[0]])

    rows = [organisation.billing(key) or {} for key in (by_it, by_us)]
    named = [{name: row.get(name) for name in status_texts(status("x"))} for row in rows]
    assert named[0] == named[1]
    assert [row["c2c_contract"] for row in rows] == [f"dynamics-{key}" for key in (by_it, by_us)]
    official.records.upsert("c2c_billing", [upsert_item(by_us, {"c2c_stage": "closed"})])
    assert len(organisation.tables.rows["c2c_billing"]) == 2
    assert rows[1]["c2c_stage"] == "closed"


def test_upserting_many_at_once_would_write_all_or_none(
    organisation: Organisation, official: DataverseClient
) -> None:
    keys = [organisation.add_deal() for _ in range(3)]
    organisation.delete(keys[1])
    items = [upsert_item(key, written(key)[1]) for key in keys]
    with pytest.raises(HttpError):
        official.records.upsert("c2c_billing", items)
    assert organisation.tables.rows["c2c_billing"] == {}


def test_it_pages_through_what_we_page_through(
    organisation: Organisation,
    official: DataverseClient,
    dynamics: DynamicsCrm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateways.crm.dynamics.api.PAGE", 4)
    for number in range(11):
        organisation.add_deal(won=number != 5)
    organisation.add_deal(closed_on="2025-01-01")

    ours = [item.deal_id for item in all_won(dynamics)]
    options = sent(organisation, "GET", "opportunities").options
    pages = official.records.list_pages(
        "opportunity",
        select=["opportunityid"],
        filter=options["$filter"],
        orderby=["opportunityid asc"],
        page_size=4,
    )
    theirs = [[row["opportunityid"] for row in page] for page in pages]

    assert [len(page) for page in theirs] == [4, 4, 2]
    assert [key for page in theirs for key in page] == ours


def test_it_creates_a_deal_that_we_read(
    organisation: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    account = official.records.create("account", {"name": "Acme", "address1_country": "BE"})
    key = official.records.create(
        "opportunity",
        {
            "name": "Website",
            "statecode": 1,
            "actualclosedate": "2026-01-10",
            "totalamountlessfreight": 10500.5,
            "customerid_account@odata.bind": f"/accounts({account})",
        },
    )

    contract_data = dynamics.read_contract(key)

    assert (contract_data["title"], contract_data["value"]) == ("Website", "10500.5")
    assert contract_data["customer"]["key"] == f"dynamics-{account}"
    assert dynamics.is_due(key)


def test_it_finds_what_we_wrote(
    organisation: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    key = deal(organisation, account=ACME)
    dynamics.write_statuses([written(key)[0]])
    rows = official.records.list(
        "c2c_billing",
        select=["c2c_stage", "c2c_invoiced"],
        filter=f"c2c_contract eq 'dynamics-{key}' and c2c_opportunity/name eq 'Website'",
    )
    assert [(row["c2c_stage"], row["c2c_invoiced"]) for row in rows] == [("billing", "100.50 EUR")]


# The setup: our definitions beside its own


@pytest.fixture
def bare(organisation: Organisation) -> Organisation:
    """The organisation with the table alone: no key, no relationship, one column fewer."""
    billing = organisation.tables.tables["c2c_billing"]
    billing.keys.clear()
    del billing.columns["c2c_overdue"], billing.columns["c2c_opportunity"]
    billing.lookups.clear()
    organisation.tables.tables["opportunity"].collections.clear()
    organisation.tables.relationships.clear()
    return organisation


def unlabelled(body: Any) -> Any:
    """Without the texts for people, which each may choose."""
    if isinstance(body, dict):
        texts = ("DisplayName", "Description", "AssociatedMenuConfiguration")
        return {name: unlabelled(value) for name, value in body.items() if name not in texts}
    return body


def label_of(body: Any) -> Any:
    """The shape of a label."""
    [localized] = body["DisplayName"]["LocalizedLabels"]
    return body["DisplayName"]["@odata.type"], localized["@odata.type"], localized["LanguageCode"]


def test_our_key_is_the_one_it_creates(
    bare: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    official.tables.create_alternate_key("c2c_billing", "c2c_contract_key", ["c2c_contract"])
    by_it = sent(bare, "POST", r"EntityDefinitions\(LogicalName='c2c_billing'\)/Keys").json
    bare.tables.tables["c2c_billing"].keys.clear()

    dynamics.ensure_setup()

    ours = sent(bare, "POST", r"EntityDefinitions\(LogicalName='c2c_billing'\)/Keys").json
    assert unlabelled(ours) == unlabelled(by_it)
    [key] = official.tables.get_alternate_keys("c2c_billing")
    assert (key.key_attributes, key.status) == (["c2c_contract"], "Active")


def test_our_relationship_has_what_its_own_has(
    bare: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    dynamics.ensure_setup()
    ours = sent(bare, "POST", "RelationshipDefinitions").json
    lookup = LookupAttributeMetadata(
        schema_name="c2c_opportunity", display_name=_label("Opportunity")
    )
    relationship = OneToManyRelationshipMetadata(
        schema_name="c2c_opportunity_billings",
        referenced_entity="opportunity",
        referencing_entity="c2c_billing",
        referenced_attribute="opportunityid",
    )
    official.tables.create_one_to_many_relationship(lookup, relationship)
    by_it = sent(bare, "POST", "RelationshipDefinitions").json

    assert ours["CascadeConfiguration"].keys() >= by_it["CascadeConfiguration"].keys()
    for body in (ours, by_it):
        body.pop("CascadeConfiguration")
    assert ours["Lookup"].pop("RequiredLevel")["Value"] == "None"
    by_it["Lookup"].pop("RequiredLevel")
    its_type = by_it["Lookup"].pop("AttributeType", "Lookup")
    its_name = by_it["Lookup"].pop("AttributeTypeName", {"Value": "LookupType"})
    assert (its_type, its_name) == ("Lookup", {"Value": "LookupType"})
    assert unlabelled(ours) == unlabelled(by_it)
    assert bare.tables.tables["c2c_billing"].lookups == {
        "c2c_opportunity": Lookup("c2c_opportunity", "c2c_opportunity", "opportunity")
    }


def _label(text: str) -> Label:
    return Label(localized_labels=[LocalizedLabel(label=text, language_code=1033)])


def test_our_columns_are_as_it_creates_them(
    bare: Organisation, official: DataverseClient, dynamics: DynamicsCrm
) -> None:
    path = r"EntityDefinitions\(.*\)/Attributes"
    dynamics.ensure_setup()
    ours = sent(bare, "POST", path).json
    official.tables.add_columns("c2c_billing", {"c2c_other": "string"})
    by_it = sent(bare, "POST", path).json

    assert label_of(ours) == label_of(by_it)
    assert ours.pop("SchemaName") == "c2c_overdue"
    assert by_it.pop("SchemaName") == "c2c_other"
    assert ours.pop("MaxLength") > by_it.pop("MaxLength")
    by_it.pop("IsPrimaryName", None)
    assert unlabelled(ours) == unlabelled(by_it)


def test_every_query_is_read_by_a_parser_that_is_not_ours(
    organisation: Organisation, dynamics_url: str, dynamics: DynamicsCrm
) -> None:
    """The stand-in answers only what odatapy could read; here each of our calls is made once."""
    crm = connect(dynamics_url, billing_role="O'Neil & Co.", closed_since=date(2026, 1, 1))
    key = deal(organisation)
    organisation.add_quote(key, won=True, value="1", lines=[])
    assert crm.read_contract(key)
    assert crm.is_due(key)
    assert crm.won_deals(SINCE)
    assert crm.missing_setup() == []
    crm.close()

    asked = {item.path.split("(")[0] for item in organisation.requests if item.options}
    asked |= {
        path
        for item in organisation.requests
        if item.path == "$batch"
        for path in re.findall(r"GET /api/data/v9\.2/(\w+)", item.body.decode())
    }
    assert asked >= {
        "opportunities",
        "quotes",
        "quotedetails",
        "connections",
        "EntityDefinitions",
    }
