"""Encryption on a real Temporal: what its database holds, who can read it, what an erasure does.

Everything that a customer or a person of these contracts is called has a mark, which is searched
for in the server's database, its histories and lists, and the worker's log.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker

from contracts.audit.anchors import AnchorDue
from contracts.contract.state import ContractStage
from contracts.invoice.state import InvoiceStage
from contracts.model import JsonObject
from contracts.parking import Action
from contracts.retention import Removed, RetentionDue
from gateways.audit.entity_chain import EntityChain
from gateways.encryption.large_payloads import LargePayloads
from gateways.encryption.settings import CodecSettings
from gateways.errors import GatewayError
from gateways.record_store.folder import FolderStore
from gateways.retention.customers import CustomerIndex
from gateways.retention.settings import RetentionSettings
from sandbox.real_odoo.mailbox import free_port
from sandbox.server import Sandbox
from sandbox.stack import temporal_binary
from starters import schedules
from starters.client import C2C, Refused
from starters.erasing import Erasing, Standing
from starters.web import codec
from starters.web.app import application
from tests import sealed as sealing
from tests.sealed import NAMESPACE, Sealed
from tests.servers import SandboxServer
from tests.webhooks import gateway_over
from tests.world import ANA, World, single, unique
from wiring import audit, encryption, retention
from wiring.logs import formatter
from wiring.sealed import is_sealed
from wiring.settings import Settings, WebSettings
from workers import worker
from workers.replays import replayed
from workflows import task_queues
from workflows.audit_anchor import AuditAnchorWorkflow
from workflows.retention import RetentionWorkflow

MARK = "zyxwv"
"""Each marked text is this and what it stands for, so that a leak says which it is."""


def marked() -> JsonObject:
    """A contract whose every text about people is marked; its ids and keys are not."""
    contract = single(
        title="Zyxwvtitle roll-out",
        requested_by="zyxwvrequester@northwind.example",
        purchase_order="ZYXWVORDER",
    )
    contract["customer"] |= {
        "key": "20001",
        "name": f"Zyxwvname {contract['contract_id']}",
        "billing_email": "zyxwvmail@acme.example.com",
        "street": "Zyxwvstreet 1",
        "city": "Zyxwvcity",
        "zip": "ZYXWVZIP",
    }
    contract["services"][0] |= {"description": "Zyxwvservice", "code": "ZYXWVCODE"}
    contract["milestones"][0]["name"] = "Zyxwvmilestone"
    return contract


@pytest.fixture(scope="module")
def log() -> Iterator[list[str]]:
    """Every line that the worker logs, as text and as JSON, tracebacks included."""
    lines: list[str] = []
    forms = [formatter(redacts=True, as_json=as_json) for as_json in (False, True)]

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend(form.format(record) for form in forms)

    keeper, root = Keeper(), logging.getLogger()
    before = root.level
    root.addHandler(keeper)
    root.setLevel(logging.INFO)
    yield lines
    root.removeHandler(keeper)
    root.setLevel(before)


@pytest.fixture(scope="module")
async def sealed(
    tmp_path_factory: pytest.TempPathFactory, sandbox_settings: Settings
) -> AsyncIterator[Sealed]:
    async with sealing.running(tmp_path_factory.mktemp("sealed"), sandbox_settings) as running:
        yield running


@pytest.fixture(scope="module")
async def world(sealed: Sealed, sandbox: Sandbox, log: list[str]) -> AsyncIterator[World]:
    async with sealing.world(sealed, SandboxServer(sandbox)) as world:
        yield world


@pytest.fixture(scope="module")
async def closed(world: World) -> str:
    """A marked contract that met a refusal, a rejection, a dispute, and came to its end."""
    workflow_id = await world.start(marked())
    await world.parked(workflow_id)
    await world.resolve(
        workflow_id, Action.AMEND, changes={"services.0.code": "BUILD"}, reason="zyxwvamended"
    )
    await world.stage(workflow_id, ContractStage.ACTIVE)
    async with gateway_over(world.client) as gateway:
        about = {"contract": workflow_id.removeprefix("contract/"), "milestone": "all"}
        before, now = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC)
        for event, at in (
            (("event-1", "milestone.unreached", {**about, "reason": "zyxwvunreached"}), before),
            (("event-2", "milestone.reached", about), now),
        ):
            answer = await gateway.event(*event, at)
            assert answer.status_code == 202, answer.text
    invoice = f"{workflow_id}/invoice/1"
    await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    with pytest.raises(Refused):
        await world.approve(invoice, "zyxwvnobody@northwind.example")
    await world.approve(invoice)
    await world.invoice(invoice, InvoiceStage.OPEN)
    face = world.c2c.invoice(invoice)
    await face.open_dispute("zyxwvdispute", by="zyxwvclerk@northwind.example")
    await face.resolve_dispute("zyxwvresolved", by="zyxwvclerk@northwind.example")
    await world.collect(workflow_id, 1)
    await world.stage(workflow_id, ContractStage.CLOSED)
    return workflow_id


def leaks(content: bytes) -> set[str]:
    """The marked texts that are readable in it."""
    found, low = set(), content.lower()
    at = low.find(MARK.encode())
    while at >= 0:
        found.add(low[at : at + 16].decode(errors="replace"))
        at = low.find(MARK.encode(), at + 1)
    return found


async def history_of(client: Client, workflow_id: str) -> WorkflowHistory:
    return await client.get_workflow_handle(workflow_id).fetch_history()


def raw(history: WorkflowHistory) -> bytes:
    """As the server holds it."""
    return b"".join(event.SerializeToString() for event in history.events)


# --- what the server holds ----------------------------------------------------------------------


async def test_no_mark_is_readable_in_the_database(sealed: Sealed, closed: str) -> None:
    content = sealed.database()
    # What is documented as readable is found, so the search does search.
    for readable in (closed.encode(), b"20001", b"ContractWorkflow", b"provision"):
        assert readable in content
    assert leaks(content) == set()


async def test_no_mark_is_readable_in_histories_and_lists(sealed: Sealed, closed: str) -> None:
    clear = await Client.connect(sealed.address, namespace=NAMESPACE)
    found = [item async for item in clear.list_workflows()]
    assert {item.workflow_type for item in found} >= {
        "ContractWorkflow",
        "InvoiceWorkflow",
        "EventWorkflow",
        "OdooSweepWorkflow",
    }
    for item in found:
        content = item.raw_info.SerializeToString() + raw(await history_of(clear, item.id))
        assert leaks(content) == set(), item.id


async def test_no_mark_is_in_the_log_of_the_worker(closed: str, log: list[str]) -> None:
    assert log
    assert leaks("\n".join(log).encode()) == set()


async def test_a_line_of_the_log_says_what_it_is_about(closed: str, log: list[str]) -> None:
    lines = [json.loads(line) for line in log if line.startswith("{")]
    ours = [line for line in lines if line.get("workflow_id") == closed]
    assert {line["contract_id"] for line in ours} == {closed.rpartition("/")[2]}
    assert {"validate_contract", "provision"} <= {line.get("activity") for line in ours}


async def test_lists_and_commands_show_names_to_whoever_has_the_keys(
    sealed: Sealed, closed: str
) -> None:
    c2c = C2C(await sealed.another_client())
    rows = {row.workflow_id: row for row in await c2c.contracts()}
    assert rows[closed].customer.startswith("Zyxwvname")
    state = await c2c.contract(closed).state()
    assert state.contract is not None
    assert state.contract.customer.city == "Zyxwvcity"


async def test_an_encrypted_history_replays(sealed: Sealed, closed: str) -> None:
    async def histories() -> AsyncIterator[WorkflowHistory]:
        for workflow_id in (closed, f"{closed}/invoice/1"):
            yield await history_of(sealed.client, workflow_id)

    converter = (await sealed.another_client()).data_converter
    results = [item async for item in replayed(histories(), converter)]
    assert [(item.failure, item.events > 10) for item in results] == [("", True)] * 2
    without = [item async for item in replayed(histories(), pydantic_data_converter)]
    assert all(item.failure for item in without)


async def test_a_history_that_began_in_clear_goes_on_and_replays(
    sealed: Sealed, world: World
) -> None:
    """Encryption is turned on while contracts run."""
    clear = await Client.connect(
        sealed.address, namespace=NAMESPACE, data_converter=pydantic_data_converter
    )
    workflow_id = (await C2C(clear).start(single())).workflow_id
    await world.stage(workflow_id, ContractStage.ACTIVE)
    await world.reach(workflow_id, "all")
    await world.issue(workflow_id, 1)
    history = await history_of(clear, workflow_id)
    started = history.events[0].workflow_execution_started_event_attributes
    assert not is_sealed(started.input.payloads[0])
    assert b"binary/encrypted" in raw(history)

    async def histories() -> AsyncIterator[WorkflowHistory]:
        yield history

    converter = (await sealed.another_client()).data_converter
    assert [item.failure async for item in replayed(histories(), converter)] == [""]


# --- payloads that are too large for Temporal ---------------------------------------------------


@workflow.defn
class Echo:
    """Hands what it was started with to an activity, and returns that activity's answer."""

    def __init__(self) -> None:
        self._content = ""

    @workflow.run
    async def run(self, content: str) -> str:
        self._content = content
        return await workflow.execute_activity(
            repeated, content, start_to_close_timeout=timedelta(seconds=30)
        )

    @workflow.query
    def content(self) -> str:
        return self._content


@activity.defn
async def repeated(content: str) -> str:
    return content


async def test_payloads_beyond_temporal_s_limit_are_kept_in_the_record_store(
    sealed: Sealed,
) -> None:
    """Temporal takes 2 MB of a payload, and no message of more than 4."""
    content, contract = os.urandom(1_500_000).hex(), f"contract/northwind/{unique('large')}"
    queue, client = unique("large"), await sealed.another_client()
    runner = worker.workflow_runner(sandboxed=False)
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Echo],
        activities=[repeated],
        workflow_runner=runner,
    ):
        handle = await client.start_workflow(Echo.run, content, id=contract, task_queue=queue)
        assert await handle.result() == content
        assert await handle.query(Echo.content) == content
    history = await handle.fetch_history()
    assert len(raw(history)) < 20_000
    kept = encryption.large_payloads(sealed.settings)
    assert len(list(kept.of(contract))) >= 3  # input, result of the activity, and of the query
    again = (await sealed.another_client()).data_converter
    replayer = Replayer(workflows=[Echo], data_converter=again, workflow_runner=runner)
    assert (await replayer.replay_workflow(history)).replay_failure is None
    await erasing_of(sealed, client).erase(
        contract, by="ana", reason="asked for", at=datetime.now(UTC)
    )
    assert list(kept.of(contract)) == []


# --- the audit record ---------------------------------------------------------------------------


async def test_the_audit_record_is_sealed_whole_and_says_who_decided(
    sealed: Sealed, world: World, closed: str
) -> None:
    reader = audit.reader(sealed.settings)
    found = await world.c2c.contract(closed).audit(reader)
    assert found.is_whole
    contract, invoice = found.chains
    assert (contract.of, invoice.of) == (closed, f"{closed}/invoice/1")
    people = {item.entry.actor.person for item in invoice.entries if item.entry}
    assert people >= {ANA, "zyxwvclerk@northwind.example"}
    whats = [item.record.what for item in invoice.entries]
    assert (whats[0], whats[-1]) == ("started", "ended")
    assert {"approval_decision", "post_invoice", "deliver", "dispute_opened"} <= set(whats)
    posted = next(item for item in invoice.entries if item.record.what == "post_invoice")
    assert posted.record.remote_id.startswith("account.move ")
    stored = b"".join(file.read_bytes() for file in sealed.records.rglob("*.record")).lower()
    # Whole words: what is sealed is Base64, in which any three letters come by chance.
    for word in ("zyxwvclerk", "zyxwvname", "zyxwvdispute", "zyxwvresolved", "zyxwvamended", ANA):
        assert word.encode() not in stored
    # A closed contract is read from the store alone.
    assert (await world.c2c.contract(closed).audit(reader, live=False)).chains == found.chains


async def test_an_anchor_is_made_and_noted_in_odoo(
    sealed: Sealed, world: World, closed: str
) -> None:
    anchored = await world.client.execute_workflow(
        AuditAnchorWorkflow.run,
        AnchorDue(legal_entity="northwind", time_zone="Europe/Brussels"),
        id=unique("anchor"),
        task_queue=task_queues.CONTRACTS,
    )
    assert (anchored.number, anchored.broken) == (1, ())
    notes = world.admin.search_read(
        "mail.message",
        [("model", "=", "res.partner"), ("subject", "=", f"Audit anchor 1: {anchored.root}")],
        ["subject"],
    )
    assert len(notes) == 1
    found = await world.c2c.contract(closed).audit(audit.reader(sealed.settings))
    assert (found.anchors, found.problems, found.is_whole) == (1, (), True)


# --- retention ----------------------------------------------------------------------------------


async def test_rules_of_retention_are_applied_and_keep_what_is_not_due(
    sealed: Sealed, world: World, closed: str
) -> None:
    store = FolderStore(sealed.records)
    old, young = "decodes/2019-05-01/120000-abc", f"decodes/{datetime.now(UTC):%Y-%m-%d}/1-abc"
    for name in (old, young):
        store.create(name, b"{}")
    long_ago = LargePayloads(store, now=lambda: datetime(2019, 5, 1, tzinfo=UTC))
    payload = long_ago.keep("shared", b"sealed")
    keys = {item.scope for item in sealed.ring().wrapped()}
    removed: dict[tuple[str, str], Removed] = {}
    for sweep in schedules.sweeps(sealed.settings):
        if sweep.workflow != "RetentionWorkflow":
            continue
        report = await world.client.execute_workflow(
            RetentionWorkflow.run,
            cast("RetentionDue", sweep.argument),
            id=unique(sweep.id),
            task_queue=task_queues.CONTRACTS,
        )
        removed |= {(report.legal_entity, str(item.kind)): item for item in report.removed}
    assert {key: (item.due, item.records) for key, item in removed.items()} == {
        ("northwind", "payloads"): (0, 0),
        ("northwind", "keys"): (0, 0),
        ("northwind", "audit"): (0, 0),
        ("", "payloads"): (1, 1),
        ("", "decodes"): (1, 1),
    }
    assert (store.read(old), store.read(payload)) == (None, None)
    assert store.delete(young)
    assert {item.scope for item in sealed.ring().wrapped()} >= keys
    entries = list(EntityChain(store).entries())
    assert [item.details["kind"] for item in entries] == ["payloads", "decodes"]
    assert {(item.what, item.actor.system) for item in entries} == {("retention", "c2c")}


# --- the codec server and Temporal's own command ------------------------------------------------


@pytest.fixture
async def codec_url(sealed: Sealed) -> AsyncIterator[str]:
    """A codec server on a port, for whoever has the token."""
    settings = CodecSettings.model_validate({"tokens": {"ana": {"token": "ana's"}}})
    served = codec.server(
        encryption.sealing_codec(sealed.settings),
        FolderStore(sealed.records),
        settings,
        WebSettings(),
    )

    async def connect() -> Client:
        return sealed.client

    app, port = application(WebSettings(), {}, connect, codec=served), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    yield f"http://127.0.0.1:{port}/codec"
    server.should_exit = True
    await asyncio.to_thread(thread.join, 20)


async def typed(sealed: Sealed, *arguments: str, auth: str = "Bearer ana's", url: str = "") -> str:
    """What the stock `temporal` command prints."""
    through = ["--codec-endpoint", url, "--codec-auth", auth] if url else []
    command = [
        *(temporal_binary(), *arguments, "--address", sealed.address),
        *("--namespace", NAMESPACE, *through),
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_temporal_command_reads_through_the_codec_server(
    sealed: Sealed, closed: str, codec_url: str
) -> None:
    show = ("workflow", "show", "--workflow-id", closed, "--output", "json")
    sealed_text, clear_text = await typed(sealed, *show), await typed(sealed, *show, url=codec_url)
    assert leaks(raw(WorkflowHistory.from_json(closed, sealed_text))) == set()
    # All of it, failures and empty lists included.
    clear = raw(WorkflowHistory.from_json(closed, clear_text))
    assert b"binary/encrypted" not in clear
    for mark in (b"Zyxwvname", b"zyxwvrequester", b"ZYXWVCODE", b"zyxwvamended"):
        assert mark in clear
    decoded = [
        json.loads(content)
        for name in FolderStore(sealed.records).names("decodes/")
        if (content := FolderStore(sealed.records).read(name))
    ]
    assert decoded
    assert {entry["who"] for entry in decoded} == {"ana"}
    assert any(key.startswith(f"{closed}/") for entry in decoded for key in entry["keys"])


async def test_the_temporal_command_sends_through_the_codec_server(
    sealed: Sealed, world: World, codec_url: str
) -> None:
    workflow_id = await world.active(single())
    said = json.dumps({"by": "zyxwvsender@northwind.example", "reason": "zyxwvcancelled"})
    sent = ("workflow", "signal", "--workflow-id", workflow_id, "--name", "cancel_requested")
    await typed(sealed, *sent, "--input", said, url=codec_url)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    history = await history_of(sealed.client, workflow_id)
    assert leaks(raw(history)) == set()


# --- keys that are missing or gone --------------------------------------------------------------


async def test_erased_keys_make_one_history_unreadable_and_no_other(
    sealed: Sealed, world: World, closed: str
) -> None:
    other = await world.active(single())
    erasing = erasing_of(sealed, world.client)
    with pytest.raises(Refused, match="still runs"):
        await erasing.erase(other, by="ana", reason="asked", at=datetime.now(UTC))
    gone = single()
    gone["customer"]["key"] = customer = unique("customer")
    workflow_id = await world.active(gone)
    with pytest.raises(Refused, match="still runs"):
        await erasing.erase_customer(
            "northwind", customer, by="ana", reason="asked", at=datetime.now(UTC)
        )
    await world.cancel(workflow_id)
    await world.stage(workflow_id, ContractStage.CANCELLED)
    await world.client.get_workflow_handle(workflow_id).result()

    async def standing() -> Standing:
        return (await erasing.candidate(workflow_id, datetime.now(UTC))).standing

    # Lists lag behind.
    await world.until(standing, lambda found: found is Standing.DUE)
    # By what was noted as it was recorded, also where Temporal lists it no more.
    assert CustomerIndex(FolderStore(sealed.records)).contracts("northwind", customer) == [
        workflow_id
    ]
    done = await erasing.erase_customer(
        "northwind", customer, by="ana", reason="asked for by the customer", at=datetime.now(UTC)
    )
    assert ([item.scope for item in done.erased], done.left) == ([workflow_id], [])
    found = list(EntityChain(FolderStore(sealed.records), "northwind").entries())
    assert [(item.what, item.actor.person) for item in found[-2:]] == [
        ("customer_erased", "ana"),
        ("contract_erased", "ana"),
    ]
    fresh = await sealed.another_client()
    with pytest.raises(GatewayError, match=r"The keys of .* were erased on"):
        await decoded_input(fresh, workflow_id)
    assert gone["customer"]["name"] in str(await decoded_input(fresh, workflow_id, of=world.client))
    assert (await decoded_input(fresh, other))["contract_data"]["customer"]
    rows = {row.workflow_id: row.customer for row in await C2C(fresh).contracts()}
    assert rows[workflow_id] == gone["customer"]["key"]
    await world.reach(other, "all")
    await world.issue(other, 1)
    await world.sweep()


def erasing_of(sealed: Sealed, client: Client) -> Erasing:
    return Erasing(client, retention.eraser(sealed.settings), RetentionSettings())


async def decoded_input(
    client: Client, workflow_id: str, *, of: Client | None = None
) -> JsonObject:
    """What a workflow was started with, read with the keys of a client (or of another one)."""
    history = await history_of(client, workflow_id)
    started = history.events[0].workflow_execution_started_event_attributes
    converter = (of or client).data_converter
    [found] = await converter.decode(list(started.input.payloads), [dict])
    assert isinstance(found, dict)
    return found


@pytest.mark.long
async def test_a_missing_key_shows_by_its_id_and_heals(
    tmp_path: Path, sandbox_settings: Settings, sandbox: Sandbox
) -> None:
    """A worker without a contract's key fails the workflow task, and says in Temporal which key it
    is and what to do; with the key the contract goes on."""
    async with sealing.running(tmp_path, sandbox_settings) as sealed:
        workflow_id = (await C2C(sealed.client).start(single())).workflow_id
        wrong = await sealed.another_client(tmp_path / "other records")
        async with worker.running(wrong, sealed.settings):
            message = await failure_of_task(sealed.client, workflow_id)
        [wrapped] = sealed.ring().wrapped(workflow_id)
        assert wrapped.key_id in message
        assert "is not in the record store: see that [records] names the store" in message
        async with sealing.world(sealed, SandboxServer(sandbox)) as world:
            await world.stage(workflow_id, ContractStage.ACTIVE)


async def failure_of_task(client: Client, workflow_id: str) -> str:
    """What Temporal shows of a workflow task that failed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for event in (await history_of(client, workflow_id)).events:
            if event.HasField("workflow_task_failed_event_attributes"):
                # As the UI shows it to whoever has no keys at all.
                return str(event.workflow_task_failed_event_attributes.failure.message)
        await asyncio.sleep(0.2)
    raise AssertionError("no workflow task failed")
