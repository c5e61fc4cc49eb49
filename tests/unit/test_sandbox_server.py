"""The sandbox as a server: start and stop, keys and data on disk, faults, administration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateways.crm.salesforce.api import SalesforceApi
from gateways.crm.salesforce.crm import SalesforceCrm
from gateways.crm.salesforce.login import ClientCredentials
from gateways.crm.salesforce.settings import FieldNames
from gateways.crm.salesforce.setup import custom_fields
from gateways.esign.docusign.api import DocuSignApi
from gateways.esign.docusign.esign import DocuSign
from gateways.esign.docusign.login import Login
from gateways.http import pooled_client
from gateways.secrets import Secret
from sandbox.accounts import add_fields
from sandbox.docusign import INTEGRATION_KEY, USER
from sandbox.faults import Faults
from sandbox.salesforce.app import CONSUMER_KEY
from sandbox.server import Sandbox, SandboxError

PARTNERS = "/json/2/res.partner"
HTTP = httpx.Client(trust_env=False, verify=False)  # noqa: S501 - a client of the loopback
"""Each client of its own would read the system's certificates."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def post(sandbox: Sandbox, path: str, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sandbox.keys['c2c']}"}
    return HTTP.post(sandbox.url + path, json=body, headers=headers)


def load_partner(sandbox: Sandbox) -> httpx.Response:
    context = {"noupdate": True, "mode": "update"}
    data = {"fields": ["id", "name"], "data": [["c2c.once", "Once"]], "context": context}
    return post(sandbox, f"{PARTNERS}/load", **data)


def partners(sandbox: Sandbox) -> int:
    answer = post(sandbox, f"{PARTNERS}/search_count", domain=[["name", "=", "Once"]])
    return int(answer.json())


def test_it_answers_health_and_version(sandbox: Sandbox) -> None:
    assert HTTP.get(f"{sandbox.url}/web/health").json() == {"status": "pass"}
    assert HTTP.get(f"{sandbox.url}/web/version").json()["version"] == "19.0"
    assert HTTP.get(f"{sandbox.url}/hubspot/crm/properties/2026-03/deals").status_code == 401


def test_data_and_keys_outlive_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as first:
        assert load_partner(first).status_code == 200
        keys = first.keys
        assert first.key_file("c2c").stat().st_mode & 0o777 == 0o600
    with Sandbox(tmp_path) as second:
        assert second.keys == keys
        assert partners(second) == 1
        domain = [["default_code", "=", "BUILD"]]
        assert post(second, "/json/2/product.product/search_count", domain=domain).json() == 1


def test_a_taken_port_says_so(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match="choose another"):
        Sandbox().start(port)


def test_concurrent_loads_make_one_record(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: load_partner(sandbox).json()["ids"], range(8)))
    assert answers == [answers[0]] * 8
    assert partners(sandbox) == 1


def test_a_dropped_answer_leaves_the_work_done(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="drop", path="/load$", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        load_partner(sandbox)
    assert partners(sandbox) == 1
    assert load_partner(sandbox).status_code == 200
    assert partners(sandbox) == 1


def test_a_status_fault_does_nothing_else(sandbox: Sandbox) -> None:
    sandbox.faults.add(
        kind="status", status=429, path="/load$", skip=1, times=1, headers={"Retry-After": "7"}
    )
    assert load_partner(sandbox).status_code == 200
    refused = load_partner(sandbox)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert load_partner(sandbox).status_code == 200


def test_an_answer_fault_can_tell_of_a_conflict(sandbox: Sandbox) -> None:
    conflict = {"ids": False, "messages": [{"type": "error", "message": "could not serialize"}]}
    sandbox.faults.add(kind="answer", path="/load$", times=1, body=conflict)
    assert load_partner(sandbox).json() == conflict
    assert partners(sandbox) == 0


def test_faults_are_set_and_counted_over_http(sandbox: Sandbox) -> None:
    rules = [{"kind": "status", "status": [500, 503], "probability": 0.5}]
    url = f"{sandbox.url}/sandbox/faults"

    def statuses() -> list[int]:
        assert HTTP.post(url, json={"rules": rules, "seed": 7}).status_code == 200
        return [post(sandbox, "/json/2/res.users/context_get").status_code for _ in range(20)]

    first = statuses()
    assert statuses() == first
    assert set(first) == {200, 500, 503}
    [report] = HTTP.get(url).json()
    assert (report["seen"], report["done"]) == (20, sum(status != 200 for status in first))
    assert HTTP.post(url, json={"rules": [{"kind": "fire"}]}).status_code == 400


@pytest.mark.parametrize(
    "rule",
    [{"kind": "fire"}, {"kind": "drop", "probability": 2.0}, {"kind": "latency", "seconds": -1.0}],
)
def test_malformed_rules_change_nothing(rule: dict[str, Any]) -> None:
    faults = Faults()
    faults.add(kind="drop")
    with pytest.raises(ValueError, match=r"kind of fault|lie"):
        faults.configure([rule])
    assert len(faults.report()) == 1


def test_administration_over_http(sandbox: Sandbox) -> None:
    admin = f"{sandbox.url}/sandbox"

    def tell(action: str, **body: Any) -> httpx.Response:
        return HTTP.post(f"{admin}/{action}", json=body)

    assert tell("deny", login="c2c", model="res.partner").status_code == 200
    assert load_partner(sandbox).json()["ids"] is False
    assert post(sandbox, f"{PARTNERS}/search", domain=[]).status_code == 403
    assert tell("allow", login="c2c", model="res.partner").status_code == 200
    assert load_partner(sandbox).json()["ids"] is not False
    assert tell("key-expiry", login="c2c", expires="2026-01-01T00:00:00+00:00").status_code == 200
    assert load_partner(sandbox).status_code == 401
    sandbox.keys["c2c"] = tell("keys", login="c2c").json()["key"]
    assert load_partner(sandbox).status_code == 200
    assert tell("lock-date", name="sale_lock_date", date="2026-01-31").status_code == 200
    assert tell("lock-date", name="nope", date=None).status_code == 400
    assert tell("keys", login="nobody").status_code == 400
    assert HTTP.get(f"{admin}/mails").json() == []
    assert HTTP.post(f"{admin}/deny", content=b"{}").status_code == 415


def test_docusigns_stand_in_is_below_its_name_and_takes_envelopes(sandbox: Sandbox) -> None:
    http = pooled_client(f"{sandbox.url}/docusign")
    login = Login(
        http,
        INTEGRATION_KEY,
        USER,
        Secret.of(sandbox.docusign_key),
        account_id="",
        system="docusign",
    )
    esign = DocuSign(DocuSignApi(http, login, system="docusign"), system="docusign")
    asked = {"deal": "hubspot/9001", "ends": "declined", "reason": "too expensive"}
    answer = HTTP.post(f"{sandbox.url}/sandbox/envelopes", json=asked).json()
    found = esign.read_envelope(answer["id"])
    assert (str(found.status), found.reason) == ("declined", "too expensive")
    assert answer["id"] in answer["message"]
    wrong = HTTP.post(f"{sandbox.url}/sandbox/envelopes", json={"deal": "x/1", "ends": "lost"})
    assert wrong.status_code == 400


def test_salesforces_stand_in_is_below_its_name_and_takes_opportunities(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/sandbox/opportunities"
    asked = {"name": "Pumps", "amount": "9000", "account": {"Name": "Brook Water"}}
    deal_id = HTTP.post(url, json=asked).json()["id"]
    add_fields(sandbox.salesforce, custom_fields(FieldNames()))
    grant = ClientCredentials(CONSUMER_KEY, Secret.of(sandbox.salesforce_secret))
    http = pooled_client(f"{sandbox.url}/salesforce")
    api = SalesforceApi(http, grant, system="salesforce", version="v67.0")
    found = SalesforceCrm(api, system="salesforce").read_contract(deal_id)
    assert (found["title"], found["customer"]["name"]) == ("Pumps", "Brook Water")
    for wrong in ({"colour": "red"}, {"name": "x", "amount": "1", "account": {"Colour": "red"}}):
        assert HTTP.post(url, json=wrong).status_code == 400
