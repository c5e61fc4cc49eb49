"""Who has to decide is mailed, once: by a real mail server, on a namespace of its own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

from contracts.bank.file import FILE_STEP
from contracts.invoice.state import InvoiceStage
from contracts.mails import Digest, Mail, Mails
from contracts.page_addresses import exception_path
from gateways.mail_settings import MailSettings
from sandbox import clock
from sandbox.real_odoo.mailbox import LOOPBACK, Mailbox
from sandbox.server import Sandbox
from starters import schedules
from starters.findings import Did
from starters.schedules import MAIL_DIGEST
from tests.servers import SandboxServer
from tests.temporal import end_all, new_namespace
from tests.waiting import refused_event, unknown_bank_file
from tests.world import ANA, BOB, CLEO, DORA, World, single, unique
from wiring.settings import Settings
from workers import worker
from workflows import task_queues
from workflows.mails import MailDigestWorkflow, MailsSent, MailWorkflow

OLGA, OTTO = "olga@northwind.example", "otto@northwind.example"
PUBLIC_URL = "https://c2c.northwind.example"


@dataclass
class Mailing:
    """A namespace whose workers mail, and the mailbox of everybody."""

    world: World
    mailbox: Mailbox
    settings: Settings

    @property
    def client(self) -> Client:
        return self.world.client

    async def received(self, count: int, to: str | None = None) -> list[Any]:
        return await asyncio.to_thread(self.mailbox.wait, count, to=to)

    async def digest(self, time_zone: str = "Europe/Brussels") -> bool:
        """What the schedule starts: whether the day's mails were started."""
        return await self.client.execute_workflow(
            MailDigestWorkflow.run,
            Digest(time_zone=time_zone),
            id=unique("digest"),
            task_queue=task_queues.CONTRACTS,
        )


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture(scope="module")
def mailing_settings(sandbox_settings: Settings, mailbox: Mailbox) -> Settings:
    mail = {
        "host": LOOPBACK,
        "port": mailbox.port,
        "security": "none",
        "from_address": "c2c@northwind.example",
        "owners": {"northwind": {"sales": [OLGA], "operations": [OTTO], "finance": [OTTO]}},
    }
    web = sandbox_settings.web.model_copy(update={"public_url": PUBLIC_URL})
    changed = {"mail": MailSettings.model_validate(mail), "web": web}
    return sandbox_settings.model_copy(update=changed)


@pytest.fixture(scope="module")
async def mailing(
    temporal_client: Client, sandbox: Sandbox, mailing_settings: Settings, mailbox: Mailbox
) -> AsyncIterator[Mailing]:
    namespace = await new_namespace(temporal_client, "mails")
    skipper = TimeSkipper(namespace, config=clock.BY_HAND)
    async with worker.running(namespace, mailing_settings):
        world = World(client=skipper.client, time=skipper, server=SandboxServer(sandbox))
        yield Mailing(world, mailbox, mailing_settings)
    await end_all(namespace)


@pytest.fixture(autouse=True)
def empty(mailbox: Mailbox) -> None:
    mailbox.start()
    mailbox.clear()


async def test_an_escalation_is_mailed_once_to_those_who_may_decide(mailing: Mailing) -> None:
    world = mailing.world
    contract = single(requested_by=BOB)
    invoice = await world.proposed(contract)
    awaiting = await world.invoice(invoice, InvoiceStage.AWAITING_APPROVAL)
    assert awaiting.approval_round is not None
    await world.skip_to(invoice, awaiting.approval_round.requirement.remind_on)
    await world.invoice(
        invoice, until=lambda found: bool(found.approval_round and found.approval_round.reminded)
    )
    assert mailing.mailbox.messages() == []  # a reminder is Odoo's note, and the next digest
    await world.skip(invoice, days=10)
    state = await world.invoice(
        invoice,
        until=lambda found: bool(found.approval_round and found.approval_round.escalation_reminded),
    )
    mails = await mailing.received(4)
    # Bob asked for it: he may not approve it, and is left in peace.
    directors = ("cleo@northwind.example", "dora@northwind.example", "emil@northwind.example")
    assert sorted(mail["To"] for mail in mails) == [ANA, *directors]
    assert state.approval_round is not None
    text = mails[0].get_content()
    page = f"/c/northwind/{contract['contract_id']}/invoices/1/approvals/"
    assert f"{PUBLIC_URL}{page}{state.approval_round.subject.content_hash}" in text
    assert contract["customer"]["name"] not in "".join(mail.as_string() for mail in mails)
    await world.approve(invoice, CLEO)
    await asyncio.sleep(0.5)
    assert len(mailing.mailbox.messages()) == 4


async def test_a_day_has_one_digest_for_each_however_often_its_schedule_starts(
    mailing: Mailing,
) -> None:
    world = mailing.world
    contract = single()
    invoice = await world.proposed(contract)
    wrong = single()
    wrong["services"][0]["code"] = "ALCHEMY"
    parked = await world.start(wrong)
    step = await world.parked(parked)
    event, file = await refused_event(mailing.client), await unknown_bank_file(mailing.client)
    await listed(mailing, invoice, parked, event, file)
    assert await mailing.digest()
    mails = await mailing.received(4)
    assert {ANA, BOB, OLGA, OTTO} <= {mail["To"] for mail in mails}
    assert not {CLEO, DORA} & {mail["To"] for mail in mails}
    [to_olga] = mailing.mailbox.messages(OLGA)
    links = re.findall(r"https://\S+", to_olga.get_content())
    assert f"{PUBLIC_URL}/exceptions/northwind/{wrong['contract_id']}/{step.step}" in links
    assert wrong["customer"]["name"] not in to_olga.get_content()
    [to_otto] = mailing.mailbox.messages(OTTO)
    links = re.findall(r"https://\S+", to_otto.get_content())
    assert {
        f"{PUBLIC_URL}{exception_path(event, '')}",
        f"{PUBLIC_URL}{exception_path(file, FILE_STEP)}",
    } <= {*links}
    assert not await mailing.digest()
    await asyncio.sleep(0.5)
    assert len(mailing.mailbox.messages()) == len(mails)


async def listed(mailing: Mailing, *workflows: str) -> None:
    """Lists are a moment behind."""
    for workflow_id in workflows:
        query = f"WorkflowId = '{workflow_id}' AND WaitingOn IN ('approval', 'exception')"
        for _ in range(150):
            if (await mailing.client.count_workflows(query)).count:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{workflow_id} is not listed")


def to_ana() -> Mails:
    return Mails(mails=[Mail(to=ANA, day=date(2026, 5, 4))])


async def test_what_was_certainly_not_sent_is_tried_again(mailing: Mailing) -> None:
    mailing.mailbox.stop()
    handle = await mailing.client.start_workflow(
        MailWorkflow.run, to_ana(), id=unique("mail"), task_queue=task_queues.CONTRACTS
    )
    await failed_once(mailing, handle.id)
    mailing.mailbox.start()
    await mailing.world.time.fast_forward(handle, timedelta(minutes=1, seconds=5))
    assert await handle.result() == MailsSent(sent=1)
    assert len(mailing.mailbox.messages(ANA)) == 1


async def failed_once(mailing: Mailing, workflow_id: str) -> None:
    handle = mailing.client.get_workflow_handle(workflow_id)
    for _ in range(150):
        history = await handle.fetch_history()
        if any(event.HasField("timer_started_event_attributes") for event in history.events):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the mail was not tried in vain")


async def test_what_may_have_been_sent_is_not_sent_again(
    mailing: Mailing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has the mail, and its answer is lost."""
    taken: list[Any] = []

    async def hang_up(self: Any, server: Any, session: Any, envelope: Any) -> str:
        taken.append(envelope.rcpt_tos)
        server.transport.abort()
        return "250 OK"

    monkeypatch.setattr(Mailbox, "handle_DATA", hang_up)
    sent = await mailing.client.execute_workflow(
        MailWorkflow.run, to_ana(), id=unique("mail"), task_queue=task_queues.CONTRACTS
    )
    assert sent == MailsSent(not_sent=["no_answer"])
    assert taken == [[ANA]]


async def test_without_a_mail_server_nobody_is_mailed_and_nothing_waits(world: World) -> None:
    sent = await world.client.execute_workflow(
        MailWorkflow.run, to_ana(), id=unique("mail"), task_queue=task_queues.CONTRACTS
    )
    assert sent == MailsSent(not_sent=["mail_not_configured"])


async def test_the_schedule_is_that_of_the_configuration_and_goes_with_it(
    mailing: Mailing, sandbox_settings: Settings
) -> None:
    client, settings = mailing.client, mailing.settings

    async def ensured(with_: Settings) -> Did:
        changes = await schedules.ensure_sweeps(client, with_)
        return next(item.did for item in changes if item.name == MAIL_DIGEST)

    assert await ensured(settings) is Did.CREATED
    assert await ensured(settings) is Did.UNCHANGED
    assert settings.mail is not None
    later = settings.mail.model_copy(update={"digest_at": time(8, 30)})
    assert await ensured(settings.model_copy(update={"mail": later})) is Did.UPDATED
    described = await client.get_schedule_handle(MAIL_DIGEST).describe()
    [next_at, *_] = described.info.next_action_times
    assert (next_at.hour, next_at.minute) == (8, 30)
    assert next_at.weekday() < 5
    assert next_at > datetime.now(UTC)
    for _ in range(100):
        if MAIL_DIGEST in await schedules.orphans(client, sandbox_settings):
            break
        await asyncio.sleep(0.1)
    removed = await schedules.remove_orphans(client, sandbox_settings)
    assert [(item.name, item.did) for item in removed] == [(MAIL_DIGEST, Did.REMOVED)]
    for name in (schedules.ODOO_SWEEP, schedules.BURN_SWEEP):
        await client.get_schedule_handle(name).delete()
