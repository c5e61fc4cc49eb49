"""A whole demo with encryption and signed decisions, and then a search in all that it left behind:
no name, address, account or secret is readable but where the docs say so.

The contracts of the demo are searched for by what they are called; two more have marks in every
field, and meet what the demo does not: refusals, failures of Odoo with names in them, an approval
that is escalated, an outsider.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from rich.console import Console
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.access import Role
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.mails import Digest
from contracts.model import JsonObject
from contracts.parking import Action
from sandbox import clock, demo_audit
from sandbox import stack as local_stack
from sandbox.demo import Demo
from sandbox.real_odoo.mailbox import LOOPBACK, Mailbox, free_port
from sandbox.scenarios import scenarios
from sandbox.stack import WEB_URL, Stack, running
from sandbox.staff import ANA, BOB, CLEO, CLERK, DORA, PROJECT_MANAGER, SELLER, Staff
from starters.client import C2C, ContractClient, InvoiceClient, Refused
from starters.client.names import MAIL_DIGEST_WORKFLOW
from starters.web.app import application
from starters.web.pages.workbench import Workbench
from tests.e2e import marks, readable
from tests.e2e.marks import Kind
from tests.e2e.readable import READABLE, Place
from tests.monitoring.receivers import Received, eventually, receiving
from tests.unit.web.test_access import walked
from tests.visitors import PERSON, FakeVisits, visitor
from wiring.settings import load_settings
from workflows import task_queues

pytestmark = pytest.mark.long

PORTS = ("TEMPORAL_PORT", "UI_PORT", "SANDBOX_PORT", "WEB_PORT")
OUTSIDERS = "northwind-uk"
OUTSIDER = visitor("uma@northwind.example", **{OUTSIDERS: Role.VIEWER})
RECORDED_THERE = {
    *(ANA, BOB, CLEO, SELLER, PROJECT_MANAGER),
    *("a workshop for managers", "the academy moves in-house"),
}
"""Who decides for that legal entity, too, and why, as its audit record says."""
SENDER = visitor("metering", northwind=Role.SENDER)
INSIDER = visitor("ida@northwind.example", northwind=(Role.CONTROLLER, Role.PROJECT_MANAGER))
WRONG_VAT, RIGHT_VAT = "BE0203430577", "BE0203430576"
SAID = "MARK-remote-1 of MARK-customer-1"
REFUSED = {"name": "odoo.exceptions.UserError", "message": SAID}
AWAY = {"name": "odoo.exceptions.Overloaded", "message": SAID}


def marked(number: int) -> tuple[JsonObject, dict[str, Kind]]:
    """A contract with marks in every field, and the marks. It parks: its VAT number is wrong."""
    found: dict[str, Kind] = {}

    def mark(what: str, kind: Kind) -> str:
        text = f"MARK-{what}-{number}"
        found[text] = kind
        return text

    contract: JsonObject = {
        "contract_id": f"M-{number}",
        "legal_entity": "northwind",
        "title": mark("title", Kind.WORDS),
        "purchase_order": mark("order", Kind.WORDS),
        "requested_by": mark("requester", Kind.PERSON).lower() + "@northwind.example",
        "customer": {
            "key": f"7700{number}",
            "name": mark("customer", Kind.CUSTOMER),
            "country": "BE",
            "vat_number": WRONG_VAT,
            "billing_email": mark("mail", Kind.MAIL).lower() + "@acme.example.com",
            "street": mark("street", Kind.ADDRESS),
            "city": mark("city", Kind.ADDRESS),
            "zip": mark("zip", Kind.ADDRESS),
        },
        "currency": "EUR",
        "value": "1000.00",
        "signed_on": "2026-01-05",
        "services": [
            {
                "key": "s",
                "code": "BUILD",
                "description": mark("service", Kind.WORDS),
                "amount": "1000.00",
            }
        ],
        "milestones": [
            {
                "key": "all",
                "name": mark("milestone", Kind.WORDS),
                "service": "s",
                "amount": "1000.00",
            }
        ],
    }
    return contract, found


ASKED = "MARK-asked-1"
"""What is in every address and form that is sent to the application."""
COMMENT = "MARK-comment-1"
"""What comes with a decision that is refused: it is kept nowhere."""
WRITTEN = {
    text: Kind.WORDS
    for text in (
        "MARK-amended-1",
        "MARK-remote-1",
        COMMENT,
        # What people write in the demo.
        "the desk opened late",
        "a day and a half late",
        "four hours down",
        "as agreed with the customer",
        "a workshop for managers",
        "the academy moves in-house",
        "Train to Ghent",
        "invoices INV/",
    )
}
PEOPLE = (ANA, BOB, CLEO, DORA, SELLER, PROJECT_MANAGER, CLERK, "petra@", "conrad@")


@dataclass
class Run:
    """What is left of the run, by place and by the name of each piece."""

    stack: Stack
    client: Client
    marks: dict[str, Kind] = field(default_factory=dict)
    outsiders: set[str] = field(default_factory=set)
    left: dict[Place, dict[str, bytes]] = field(default_factory=dict)
    fields: dict[str, set[bytes]] = field(default_factory=dict)
    sealed: list[Payload] = field(default_factory=list)

    def keep(self, place: Place, name: str, content: bytes) -> None:
        self.left.setdefault(place, {})[name] = content

    def content(self, place: Place) -> bytes:
        return b"\n".join(self.left[place].values())


# --- the run ------------------------------------------------------------------------------------


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The stack configures the process that it is started in."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    folder = tmp_path_factory.mktemp("marks")
    mailbox, prometheus = Mailbox(), f"{LOOPBACK}:{free_port()}"
    mailbox.start()
    mail = {
        "host": LOOPBACK,
        "port": mailbox.port,
        "security": "none",
        "from_address": "c2c@northwind.example",
        # The test starts the day's digest, not the schedule.
        "digest_at": f"{datetime.now(UTC) + timedelta(hours=12):%H:%M}",
        "owners": {"northwind": {"sales": [SELLER], "operations": [SELLER], "finance": [CLERK]}},
    }
    with pytest.MonkeyPatch.context() as patch, receiving() as exported:
        for name in PORTS:  # another demo may run beside this one
            patch.setattr(local_stack, name, 0)
        patch.chdir(folder)
        configured = {
            "C2C_ENCRYPTION__READABLE_LOGS": "false",
            "C2C_MAIL": json.dumps(mail),
            "C2C_TELEMETRY__BUSINESS_PROMETHEUS": prometheus,
            "OTEL_EXPORTER_OTLP_ENDPOINT": exported.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        with environment(configured):
            async with running(folder / "stack", odoo="sandbox", say=print, signed=True) as stack:
                found = Run(stack, await stack.client())
                await lead_the_demo(stack, found.client)
                await lead_the_marked(found, mailbox)
                await collect(found, exported, prometheus)
                yield found
    mailbox.stop()


async def lead_the_demo(stack: Stack, client: Client) -> None:
    """All of it, with a worker that is killed on the way: it comes out to the cent."""
    shown = io.StringIO()
    demo = Demo(stack, client, Console(file=shown, width=200), kill_worker=True)
    assert await demo.run() == 0, shown.getvalue()
    assert "SIGKILL" in shown.getvalue()
    assert shown.getvalue().count(" agrees") == len(scenarios())


async def lead_the_marked(run: Run, mailbox: Mailbox) -> None:
    """One goes wrong where it can and ends before an approval, the other stays parked."""
    skipper = TimeSkipper(run.client, config=clock.BY_HAND)
    staff = Staff.of(load_settings())
    c2c = C2C(skipper.client, sign=staff.sign)
    for number in (1, 2):
        contract, found = marked(number)
        run.marks |= found
        await c2c.start(contract)
    first, faults = c2c.contract("northwind/M-1"), run.stack.sandbox.faults
    for number in (1, 2):
        await c2c.contract(f"northwind/M-{number}").wait_until(lambda state: bool(state.exceptions))
    faults.add(kind="status", path="/load$", status=422, body=REFUSED, times=1)
    changes = {"customer.vat_number": RIGHT_VAT}
    await first.resolve_exception(Action.AMEND, by=SELLER, changes=changes, reason="MARK-amended-1")
    await retried(first, SELLER, lambda state: state.stage is ContractStage.ACTIVE)
    drafts = {"kind": "status", "path": "account.move/load$"}
    faults.add(**drafts, status=503, body=AWAY, times=1)
    faults.add(**drafts, status=422, body=REFUSED, times=1, skip=1)
    await first.reach_milestone("all", by=PROJECT_MANAGER)
    invoice = first.invoice(1)
    await retried(invoice, CLERK, lambda state: state.stage is InvoiceStage.AWAITING_APPROVAL)
    with pytest.raises(Refused):
        await invoice.approve(by=CLERK, comment=COMMENT)
    await listed(run.client, "WorkflowId = 'contract/northwind/M-2' AND WaitingOn = 'exception'")
    await listed(run.client, f"WorkflowId = '{invoice.workflow_id}' AND WaitingOn = 'approval'")
    await run.client.execute_workflow(
        MAIL_DIGEST_WORKFLOW,
        Digest(time_zone="UTC"),
        id="marks-digest",
        task_queue=task_queues.CONTRACTS,
    )
    await asyncio.to_thread(mailbox.wait, 1, to=SELLER)
    await asyncio.to_thread(mailbox.wait, 1, to=ANA)
    await clock.forward(skipper, invoice.workflow_id, timedelta(days=12))
    await asyncio.to_thread(mailbox.wait, 1, to=DORA)
    for number, mail in enumerate(mailbox.messages()):
        texts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
        run.keep(Place.MAILS, str(number), "\n".join([mail.as_string(), *texts]).encode())
    await run.client.start_workflow("NobodyKnows", id="nobody-knows", task_queue="nobody-serves")
    await run.client.get_workflow_handle("nobody-knows").terminate(reason="typed for the operators")
    await listed(run.client, "WorkflowId = 'nobody-knows' AND ExecutionStatus = 'Terminated'")


async def listed(client: Client, where: str) -> None:
    """Wait until lists show it: they lag."""
    async with asyncio.timeout(30):
        while not (await client.count_workflows(where)).count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def retried(
    client: ContractClient | InvoiceClient, by: str, enough: Callable[[Any], bool]
) -> None:
    """Wait for it; what Odoo has refused on the way is tried again."""
    state = await client.wait_until(lambda found: bool(found.exceptions))
    assert "MARK-remote-1" in str(state.exceptions)
    await client.resolve_exception(Action.RETRY, by=by)
    await client.wait_until(lambda found: enough(found) and not found.exceptions)


# --- what it leaves -----------------------------------------------------------------------------


async def collect(run: Run, exported: Received, prometheus: str) -> None:
    await collect_histories(run)
    run.marks |= WRITTEN | dict.fromkeys(PEOPLE, Kind.PERSON) | secrets_of(run.stack)
    ibans = ("DE89370400440532013000", local_stack.BANK_ACCOUNT)
    run.marks |= {ASKED: Kind.ASKED} | dict.fromkeys(ibans, Kind.IBAN)
    marks.checked(run.marks)
    await ask_as_those_who_may_not(run)
    folder = run.stack.folder
    eventually(lambda: b"M-1" in exported.bodies("/v1/traces"))
    run.keep(Place.TRACES, "otlp", exported.bodies("/v1/traces"))
    run.keep(Place.METRICS, "otlp", exported.bodies("/v1/metrics"))
    with urllib.request.urlopen(f"http://{prometheus}/metrics", timeout=10) as answer:
        run.keep(Place.METRICS, "prometheus", answer.read())
    logs = {Place.TEMPORAL_LOG: "temporal", Place.WORKER_LOG: "worker", Place.WEB_LOG: "gateway"}
    for place, name in logs.items():
        run.keep(place, name, (folder / f"{name}.log").read_bytes())
    for file in sorted((folder / "records").rglob("*")):
        if file.is_file():
            name = str(file.relative_to(folder))
            run.keep(Place.RECORDS, name, name.encode() + b"\n" + file.read_bytes())
    for file in sorted(folder.glob("temporal.db*")):
        run.keep(Place.DATABASE, file.name, file.read_bytes())


async def collect_histories(run: Run) -> None:
    """As whoever has no keys exports them."""
    clear = await Client.connect(run.stack.address, namespace=run.stack.namespace)
    c2c = C2C(run.client)
    async for item in clear.list_workflows():
        run.keep(Place.LISTS, item.id, item.raw_info.SerializeToString())
        if item.workflow_type == "ContractWorkflow":
            state = await c2c.contract(item.id).state()
            run.marks |= (found := marks.of_contract(state))
            if state.legal_entity == OUTSIDERS:
                run.outsiders |= found.keys() | RECORDED_THERE
        history = await clear.get_workflow_handle(item.id).fetch_history()
        run.keep(Place.HISTORIES, item.id, history_bytes(run, history.events))
    async for schedule in await clear.list_schedules():
        described = await clear.get_schedule_handle(schedule.id).describe()
        run.keep(Place.LISTS, schedule.id, described.raw_description.SerializeToString())


def history_bytes(run: Run, events: Any) -> bytes:
    for event in events:
        run.sealed += marks.sealed_payloads(event)
        for path, content in marks.clear_fields(event):
            run.fields.setdefault(path.partition(".")[2], set()).add(content)
    return b"".join(event.SerializeToString() for event in events)


def secrets_of(stack: Stack) -> dict[str, Kind]:
    """Every key that the stack has in a file: the longest line of each is enough."""
    files = [
        *(stack.folder / "sandbox" / "keys").iterdir(),
        *(stack.folder / name for name in ("master-key", "webhook-secret", "audit.pem")),
    ]
    found = {max(file.read_text().split(), key=len): Kind.SECRET for file in files}
    private = json.loads((stack.folder / "signing.jwk").read_text())["d"]
    assert len(found) > 5
    return found | {private: Kind.SECRET}


# --- people who may not -------------------------------------------------------------------------


async def ask_as_those_who_may_not(run: Run) -> None:
    """Every address of the application, by nobody, by somebody of another legal entity, and by a
    system that reads nothing; and what those who may are told of a mistake."""
    settings = load_settings()
    people = {item.person: item for item in (OUTSIDER, SENDER, INSIDER)}

    async def connect() -> Client:
        return run.client

    app = application(
        settings.web,
        {},
        connect,
        workbench=Workbench.of(settings),
        visits=FakeVisits(people),
    )
    app.state.temporal = run.client
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url=run.stack.environment[WEB_URL]
    ) as http:
        for who in ("", OUTSIDER.person, SENDER.person):
            for method, path in addresses(app):
                await asked(run, http, method, path, who, Place.PAGES)
        for method, path in addresses(app):
            if method == "POST" and "/api/" in path:
                await asked(run, http, method, path, INSIDER.person, Place.PROBLEMS)
    async with httpx.AsyncClient(base_url=run.stack.environment[WEB_URL]) as http:
        # The process that serves them writes a log.
        for path in ("/contracts", "/webhooks/events", "/api/v1/me"):
            for method in ("GET", "POST"):
                await asked(run, http, method, path, "served", Place.PAGES)


def addresses(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Each route with the parts of its address filled in: the contract with marks."""
    known = {"entity": "northwind", "contract": "M-1", "number": "1", "step": "provision"}
    for name, route in walked(app.routes):
        method, _, path = name.partition(" ")
        if method in ("GET", "POST") and hasattr(route, "dependant"):
            yield (
                method,
                re.sub(r"{(\w+)(:\w+)?}", lambda part: known.get(part[1], ASKED), path),
            )


async def asked(
    run: Run, http: httpx.AsyncClient, method: str, path: str, who: str, place: Place
) -> None:
    headers = {PERSON: who, "accept": "application/json" if "/api/" in path else "text/html"}
    said = dict.fromkeys(("reason", "milestone", "amount"), ASKED)
    body = said if method == "POST" else None
    params = {"asked": ASKED}
    answer = await http.request(method, path, headers=headers, params=params, json=body)
    run.keep(place, f"{who or 'nobody'}: {method} {path} {answer.status_code}", answer.content)


# --- what may be readable -----------------------------------------------------------------------


@pytest.mark.parametrize("place", Place)
async def test_no_mark_is_readable_but_where_the_docs_say_so(run: Run, place: Place) -> None:
    found = {
        (kind, text, name)
        for name, content in run.left[place].items()
        for text, kind in marks.found_in(content, run.marks).items()
        if not (text in run.outsiders and name.startswith(OUTSIDER.person))
    }
    may_be = readable.allowed(place)
    leaks = sorted(item for item in found if item[0] not in may_be)
    assert leaks == [], f"readable in {place}"
    assert may_be == {kind for kind, _, _ in found}, "what is allowed is there"


async def test_each_mark_was_in_the_run_and_the_search_finds_it(run: Run) -> None:
    """Whoever has the keys reads it in a history, or it is in the files of the firm's systems."""
    codec = run.client.data_converter.payload_codec
    assert codec is not None
    opened = await codec.decode(run.sealed)
    folder = run.stack.folder
    files = [*(folder / "sandbox").rglob("*"), *run.stack.bank_files.rglob("*"), *folder.iterdir()]
    contents = [item.data for item in opened]
    contents += [file.read_bytes() for file in files if file.is_file()]
    missing = run.marks.keys() - marks.found_in(b"\n".join(contents), run.marks).keys()
    assert missing == {ASKED, COMMENT}


async def test_what_the_docs_call_readable_is_readable(run: Run) -> None:
    for row in READABLE:
        for place in row.places:
            assert re.search(row.like.encode(), run.content(place)), (row.where, place)
    assert readable.rows_of_docs() == [(row.where, row.what) for row in READABLE]


async def test_histories_have_no_other_text_in_clear_than_the_docs_say(run: Run) -> None:
    """Field by field, whatever it says: what is neither sealed nor listed is a failure."""
    others = {
        path: sorted(contents)[:3]
        for path, contents in run.fields.items()
        if not any(part in readable.FIELDS for part in _parts(path))
        and not all(map(readable.is_of_the_server, contents))
    }
    assert others == {}


async def test_a_changed_record_is_an_error_of_the_demo(run: Run) -> None:
    settings = load_settings()
    line, problems = demo_audit.verified(settings)
    assert problems == [], line
    file = next((run.stack.folder / "records" / "audit").rglob("00000001.record"))
    file.write_bytes(file.read_bytes().replace(b"started", b"starred"))
    line, problems = demo_audit.verified(settings)
    assert line.endswith("NOT whole")
    assert len(problems) == 1


def _parts(path: str) -> list[str]:
    """The last field of a path, and whatever it is a part of."""
    plain = re.sub(r"\[[^]]*\]", "", path)
    return [plain.rpartition(".")[2], ".".join(plain.split(".")[-2:])]
