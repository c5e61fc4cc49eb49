"""`/api/v1`: who may ask for what, what goes to the workflows, and how failures are answered."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from temporalio.service import RPCError, RPCStatusCode

from contracts import access, parking
from contracts.agenda import requests
from gateways.identity.keys import new_pair
from gateways.identity.signing import Signer, Verifier
from gateways.secrets import Secret
from starters.client import bank, events, messages, wire
from starters.client.errors import Refused
from starters.client.protocol import Update
from starters.web.api.documents import EXAMPLES
from starters.web.app import application
from starters.web.pages.workbench import Workbench
from starters.web.signing import Signing
from tests.unit import examples
from tests.unit.examples import contract_data
from tests.unit.rounds import ANA, round_of
from tests.unit.web.visiting import BOT, CONNY, OLGA, ORWELL, PIA, VERA, NamedVisits, as_
from tests.unit.web.workflows import CONTRACT, FABRIKAM, FILE, INVOICE, SHA256, Workflows, firm
from wiring.settings import WebSettings

API = "/api/v1"
OF_CONTRACT, OF_FABRIKAM = f"{API}/contracts/northwind/C-1", f"{API}/contracts/fabrikam/F-1"
OF_INVOICE = f"{OF_CONTRACT}/invoices/1"
OF_EVENT = f"{API}/events/tickets/msg_1"
OF_FILE = f"{API}/bank/files/northwind/{SHA256}"
SETTINGS = WebSettings(max_body_bytes=20_000)
UPDATES = {
    update.name: update
    for update in (
        *messages.OF_CONTRACTS,
        *messages.OF_INVOICES,
        *bank.OF_FILES,
        events.DELIVER_AGAIN,
        events.DISMISS,
    )
}


def application_of(workflows: Workflows, settings: WebSettings = SETTINGS, **more: Any) -> FastAPI:
    async def connect() -> Workflows:
        return workflows

    app = application(settings, {}, connect, visits=NamedVisits(), **more)
    app.state.temporal = workflows  # httpx runs no lifespan
    return app


def asking(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.fixture
def workflows() -> Workflows:
    return firm()


@pytest.fixture
async def http(workflows: Workflows) -> AsyncIterator[httpx.AsyncClient]:
    async with asking(application_of(workflows)) as client:
        yield client


def told(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.content, parse_float=_no_float)
    return found


def _no_float(text: str) -> Any:
    raise AssertionError(f"a float in the answer: {text}")


# --- messages -----------------------------------------------------------------------------------


async def test_a_message_is_sent_as_whoever_is_signed_in(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    seen = round_of().subject
    decision = {"content_hash": seen.content_hash, "amount": "3000.00 EUR"}
    headers = {**as_(BOT), "Idempotency-Key": "ticket-1"}
    told(await http.post(f"{OF_INVOICE}/decide_approval", json=decision, headers=headers), 200)
    [(workflow_id, name, message, update_id)] = workflows.sent
    assert (workflow_id, name, message.by) == (INVOICE, "decide_approval", BOT)
    assert (message.content_hash, message.amount) == (seen.content_hash, seen.amount)
    assert update_id.startswith("ticket-1~")


@pytest.mark.parametrize(
    ("message", "body", "field"),
    [
        ("set_hold", {"kind": "billing", "by": ANA}, "by"),
        ("set_hold", {"kind": "billing", "actor": "a.b.c"}, "actor"),
        ("set_hold", {"kind": "billing", "hold": {"reason": "r", "by": ANA}}, "hold.by"),
    ],
)
async def test_nobody_speaks_for_another(
    http: httpx.AsyncClient, workflows: Workflows, message: str, body: Any, field: str
) -> None:
    answer = await http.post(
        f"{API}/contracts/fabrikam/F-1/{message}", json=body, headers=as_(CONNY)
    )
    [problem] = told(answer, 422)["problems"]
    assert problem["field"] == field
    assert not workflows.sent


async def test_whoever_starts_a_contract_is_known_whomever_its_data_names(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    data = contract_data(contract_id="C-2", requested_by=ANA)
    told(await http.post(f"{API}/contracts", json=data, headers=as_(PIA)), 200)
    told(await http.post(f"{API}/deals", json=deal_of("northwind"), headers=as_(PIA)), 200)
    assert [start.started_by for start in workflows.started] == [PIA, PIA]


async def test_whoever_starts_a_contract_that_names_nobody_has_asked_for_it(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    for number, named in enumerate(("", None, "sam@northwind.example")):
        data = contract_data(contract_id=f"C-{number + 2}", requested_by=named)
        told(await http.post(f"{API}/contracts", json=data, headers=as_(PIA)), 200)
    found = [start.contract_data["requested_by"] for start in workflows.started]
    assert found == [PIA, PIA, "sam@northwind.example"]


async def test_who_holds_is_named_in_the_hold_too(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    body = {"kind": "billing", "hold": {"reason": "unclear", "until": "2026-05-01"}}
    answer = await http.post(f"{OF_FABRIKAM}/set_hold", json=body, headers=as_(CONNY))
    told(answer, 200)
    [(_, _, message, _)] = workflows.sent
    assert (message.by, message.hold.by) == (CONNY, CONNY)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"on": "2026-05-01", "amount": 100}, {"amount.currency"}),
        ({"on": "2026-05-01", "amount": 100.5}, {"amount"}),
        ({"on": "2026-05-01", "amount": {"amount": "100", "currency": "EUR"}}, {"amount"}),
        ({"on": "2026-05-01", "amount": "100.005 EUR"}, {"amount"}),
        ({"on": 1_777_000_000, "more": 1}, {"on", "more"}),
        ({"amount": "1.00 EUR"}, {"on"}),
    ],
)
async def test_all_that_is_wrong_with_a_message_is_said(
    http: httpx.AsyncClient, workflows: Workflows, body: Any, fields: set[str]
) -> None:
    answer = await http.post(f"{OF_INVOICE}/promise_payment", json=body, headers=as_(ANA))
    assert {item["field"] for item in told(answer, 422)["problems"]} == fields
    assert not workflows.sent


@pytest.mark.parametrize(
    "body",
    [
        {"number": False, "reason": "r"},
        {"number": 1.0, "reason": "r"},
        {"number": "1", "reason": "r"},
        {"number": 1, "reason": "r", "reinvoice": 0},
        {"number": 1, "reason": "r", "reinvoice": "true"},
    ],
)
async def test_nothing_is_read_as_what_it_was_not_written_as(
    http: httpx.AsyncClient, body: Any
) -> None:
    answer = await http.post(f"{OF_CONTRACT}/request_credit", json=body, headers=as_(ANA))
    assert len(told(answer, 422)["problems"]) == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"on": NaN}', "application/json", 400),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b'{"a": "' + b"x" * 20_000 + b'"}', "application/json", 413),
        (b"[" * 9_000, "application/json", 400),
    ],
)
async def test_a_body_that_is_no_message_is_refused(
    http: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    headers = {**as_(ANA), "Content-Type": kind}
    told(await http.post(f"{OF_INVOICE}/promise_payment", content=content, headers=headers), status)


async def test_what_signs_is_asked_for_whom_it_signs(workflows: Workflows) -> None:
    def signing(visitor: Any) -> Any:
        def sign(workflow_id: str, name: str, message: BaseModel, request_id: str) -> str:
            if name == "open_dispute":
                raise Refused("you may not")
            return f"{visitor.person}.{workflow_id}.{name}.{request_id}".replace("/", "-")

        return sign

    async with asking(application_of(workflows, workbench=Workbench(signing=signing))) as http:
        headers = {**as_(BOT), "Idempotency-Key": "r1"}
        body = {"on": "2026-05-01"}
        told(await http.post(f"{OF_INVOICE}/promise_payment", json=body, headers=headers), 200)
        refused = await http.post(
            f"{OF_INVOICE}/open_dispute", json={"reason": "late"}, headers=headers
        )
    assert told(refused, 409)["detail"] == "you may not"
    [(_, _, message, _)] = workflows.sent
    assert message.actor == f"{BOT}.{INVOICE}.promise_payment.r1".replace("/", "-")


async def test_what_is_sent_is_signed_so_that_workers_believe_it(
    workflows: Workflows, tmp_path: Path
) -> None:
    key, public = tmp_path / "key.jwk", tmp_path / "public.jwks"
    new_pair(key, public)
    workbench = Workbench(signing=Signing(Signer(Secret.file(key))).of)
    async with asking(application_of(workflows, workbench=workbench)) as http:
        headers = {**as_(BOT), "Idempotency-Key": "r1"}
        sent = {"on": "2026-05-01", "amount": "9.00 EUR"}
        told(await http.post(f"{OF_INVOICE}/promise_payment", json=sent, headers=headers), 200)
        key.unlink()
        away = await http.post(f"{OF_INVOICE}/promise_payment", json=sent, headers=headers)
    assert told(away, 503)["detail"] == "this cannot be signed at the moment"
    [(workflow_id, name, message, update_id)] = workflows.sent
    claims = Verifier([public]).verify(message.actor)
    request_id = requests.request_id(update_id, message)
    assert claims.refusal(workflow_id, name, message, request_id) is None
    assert (claims.actor.person, claims.actor.roles) == (BOT, (access.Role.FINANCE,))
    assert (request_id, claims.amount) == ("r1", "9.00 EUR")


# --- who may ------------------------------------------------------------------------------------


def deal_of(entity: str) -> dict[str, str]:
    return {"system": "hubspot", "deal_id": "7", "legal_entity": entity}


@pytest.mark.parametrize(
    ("person", "path", "body", "status"),
    [
        ("", f"{OF_CONTRACT}/reach_milestone", {"milestone": "m"}, 401),
        ("mallory", f"{OF_CONTRACT}/reach_milestone", {"milestone": "m"}, 401),
        (VERA, f"{OF_CONTRACT}/reach_milestone", {"milestone": "m"}, 403),
        (CONNY, f"{OF_CONTRACT}/reach_milestone", {"milestone": "m"}, 404),
        (PIA, f"{OF_CONTRACT}/reach_milestone", {"milestone": "m"}, 200),
        # The step is finance's: a project manager mends others, and finance skips none of money.
        (PIA, f"{OF_INVOICE}/resolve_exception", {"action": "retry"}, 403),
        (ANA, f"{OF_INVOICE}/resolve_exception", {"action": "retry"}, 200),
        (ANA, f"{OF_INVOICE}/resolve_exception", {"action": "cancel", "reason": "r"}, 403),
        (
            PIA,
            f"{API}/deals",
            deal_of("fabrikam"),
            404,
        ),
        (
            VERA,
            f"{API}/deals",
            deal_of("northwind"),
            403,
        ),
        (
            PIA,
            f"{API}/deals",
            deal_of("northwind"),
            200,
        ),
        (OLGA, f"{OF_EVENT}/dismiss", {"reason": "a test"}, 200),
        (OLGA, f"{OF_EVENT}/dismiss", {"reason": "a test", "by": ANA}, 422),
        (ORWELL, f"{OF_EVENT}/dismiss", {"reason": "a test"}, 404),
        (ANA, f"{OF_EVENT}/dismiss", {"reason": "a test"}, 403),
        (OLGA, f"{OF_EVENT}/deliver_again", {}, 200),
        (OLGA, f"{OF_EVENT}/deliver_again", {"more": 1}, 422),
        (OLGA, f"{API}/events/tickets/msg_2/deliver_again", {}, 404),
        (ORWELL, f"{OF_EVENT}/deliver_again", {}, 404),
        (PIA, f"{OF_FILE}/settle_line", {"line": 3, "ignore": "i"}, 403),
        (ANA, f"{OF_FILE}/settle_line", {"line": 3, "ignore": "i"}, 200),
    ],
)
async def test_who_may_send_what(
    http: httpx.AsyncClient, person: str, path: str, body: Any, status: int
) -> None:
    headers = as_(person) if person else {}
    told(await http.post(path, json=body, headers=headers), status)


async def test_what_is_of_delivery_is_mended_by_its_people_and_not_cancelled(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    exceptions = [examples.parked(parking.ORDER)]
    workflows.answers[CONTRACT]["contract"] = examples.contract_state(exceptions=exceptions)
    address, cancel = f"{OF_CONTRACT}/resolve_exception", {"action": "cancel", "reason": "r"}
    told(await http.post(address, json={"action": "retry"}, headers=as_(PIA)), 200)
    refused = await http.post(address, json=cancel, headers=as_(PIA))
    assert told(refused, 403)["detail"] == "this needs one of the roles controller"


async def test_lists_show_what_belongs_to_ones_legal_entities(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    async def ids(path: str, person: str, name: str) -> set[str]:
        answer = told(await http.get(f"{API}/{path}", headers=as_(person)), 200)
        return {item.get("workflow_id", item.get("id")) for item in answer[name]}

    assert await ids("contracts", VERA, "contracts") == {CONTRACT}
    assert await ids("contracts", OLGA, "contracts") == {CONTRACT, FABRIKAM}
    assert await ids("approvals", ANA, "approvals") == {INVOICE}
    assert await ids("approvals", CONNY, "approvals") == {FABRIKAM}
    assert await ids("exceptions", VERA, "exceptions") == {INVOICE, FILE}
    assert await ids("exceptions", CONNY, "exceptions") == set()
    assert await ids("events", OLGA, "events") == {"tickets/msg_1"}
    told(await http.get(f"{API}/events", headers=as_(ANA)), 403)
    told(await http.get(f"{API}/contracts?entity=fabrikam", headers=as_(VERA)), 404)
    told(await http.get(f"{API}/contracts/fabrikam/F-1", headers=as_(VERA)), 404)


async def test_a_visitor_hears_who_they_are_and_what_they_may(http: httpx.AsyncClient) -> None:
    found = told(await http.get(f"{API}/me", headers=as_(BOT)), 200)
    assert (found["person"], found["is_machine"]) == (BOT, True)
    assert found["roles"] == {"northwind": ["finance"]}
    assert set(found["permissions"]["northwind"]) == access.ALLOWED[access.Role.FINANCE]


async def test_pages_of_contracts_follow_each_other(http: httpx.AsyncClient) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        params: dict[str, str | int] = {"limit": 1, "cursor": cursor}
        page = told(await http.get(f"{API}/contracts", params=params, headers=as_(OLGA)), 200)
        assert len(page["contracts"]) == 1
        seen += [item["workflow_id"] for item in page["contracts"]]
        cursor = page.get("next")
    assert sorted(seen) == [FABRIKAM, CONTRACT]
    for wrong in ("%25", "bm8="):
        told(await http.get(f"{API}/contracts?cursor={wrong}", headers=as_(OLGA)), 422)


async def test_all_that_is_wrong_with_an_address_is_said(http: httpx.AsyncClient) -> None:
    answer = await http.get(f"{API}/contracts?limit=0&stage=nowhere", headers=as_(VERA))
    problems = {item["field"]: item["expected"] for item in told(answer, 422)["problems"]}
    assert problems["limit"] == "1 or more"
    assert "active" in problems["stage"]
    money = await http.get(f"{API}/approvals?up_to=500", headers=as_(VERA))
    assert [item["field"] for item in told(money, 422)["problems"]] == ["up_to"]


# --- failures -----------------------------------------------------------------------------------


async def test_failures_are_problem_documents(
    http: httpx.AsyncClient, workflows: Workflows
) -> None:
    milestone = {"milestone": "design"}
    workflows.outcomes["reach_milestone"] = "there is no such milestone"
    refused = await http.post(f"{OF_CONTRACT}/reach_milestone", json=milestone, headers=as_(PIA))
    assert told(refused, 409)["detail"] == "there is no such milestone"
    absent = await http.get(f"{API}/contracts/northwind/C-2", headers=as_(VERA))
    assert told(absent, 404)["detail"] == "nothing is known under contract/northwind/C-2"
    workflows.failure = RPCError("late", RPCStatusCode.DEADLINE_EXCEEDED, b"")
    late = await http.post(
        f"{OF_CONTRACT}/reach_milestone",
        json=milestone,
        headers={**as_(PIA), "Idempotency-Key": "again"},
    )
    assert "no worker answered" in told(late, 503)["detail"]
    assert late.headers["idempotency-key"] == "again"
    assert int(late.headers["retry-after"]) > 0
    workflows.failure = RPCError("connection refused at 10.0.0.7", RPCStatusCode.UNAVAILABLE, b"")
    away = await http.get(OF_CONTRACT, headers=as_(VERA))
    assert told(away, 503)["detail"] == "Temporal does not answer"


async def test_an_address_asks_no_more_often_than_it_may(workflows: Workflows) -> None:
    few = SETTINGS.model_copy(update={"requests_per_minute": 2})
    async with asking(application_of(workflows, few)) as http:
        for _ in range(2):
            told(await http.get(f"{API}/me", headers=as_("mallory")), 401)
        answer = await http.get(f"{API}/me", headers=as_(VERA))
    told(answer, 429)
    assert int(answer.headers["retry-after"]) > 0


async def test_no_other_site_reads_an_answer(http: httpx.AsyncClient) -> None:
    headers = {**as_(VERA), "Origin": "https://evil.example"}
    answer = await http.get(f"{API}/me", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]


# --- the document -------------------------------------------------------------------------------


@pytest.mark.parametrize("update", UPDATES.values(), ids=list(UPDATES))
def test_every_message_has_examples_that_are_right(update: Update[Any, Any]) -> None:
    for said in EXAMPLES[update.name].values():
        message = wire.message_of(update.message, said, ANA)
        assert wire.without_sender(message).keys() <= said.keys()


def test_every_update_has_an_address_and_declares_what_it_needs(workflows: Workflows) -> None:
    assert UPDATES.keys() == {*access.OF_MESSAGES, access.RESOLVE_EXCEPTION}
    paths = application_of(workflows).openapi()["paths"]
    for name in UPDATES:
        found = [path for path in paths if path.startswith(API) and path.endswith(f"/{name}")]
        assert found, name
        for path in found:
            described = paths[path]["post"]["description"]
            assert "Needs the permission" in described or path.startswith(f"{API}/events/")


def test_every_reference_of_the_document_leads_somewhere(workflows: Workflows) -> None:
    document = application_of(workflows).openapi()
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names
    assert names <= document["components"]["schemas"].keys()
    assert '"#/$defs/' not in text


def test_a_body_neither_names_its_sender_nor_has_a_number_with_decimals(
    workflows: Workflows,
) -> None:
    schemas = application_of(workflows).openapi()["components"]["schemas"]
    bodies = {name: body for name, body in schemas.items() if name.startswith("Sent")}
    assert {"SentHold", "SentPaymentPromised", "SentApprovalDecision"} <= bodies.keys()
    for name, body in bodies.items():
        assert not {"by", "actor"} & body.get("properties", {}).keys(), name
        assert '"type": "number"' not in json.dumps(body), name


def test_the_page_lists_every_address() -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(GET|POST) (/[^`…]*?)/?…?` \| (.*) \|$", text, re.MULTILINE)
    listed = set()
    for method, path, what in rows:
        names = re.findall(r"`(\w+)`", what) if method == "POST" and "{" in path else [""]
        listed |= {(method, f"{path}/{name}".rstrip("/")) for name in names}
    there = {
        (method.upper(), path.removeprefix(API))
        for path, methods in application_of(firm()).openapi()["paths"].items()
        if path.startswith(API)
        for method in methods
    }
    assert listed == there
