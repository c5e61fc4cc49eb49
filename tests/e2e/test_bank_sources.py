"""Bank files from their places to paid invoices: by sweeps of a folder and of an SFTP server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from contracts.bank.file import BankFileState, FileStage
from contracts.bank.statement import BankStatement
from contracts.invoice.state import InvoiceStage
from contracts.money import Money
from gateways.bank.folder import FolderSettings
from gateways.bank.sftp import SftpSettings
from gateways.odoo import OdooClient
from gateways.settings import BankSettings
from sandbox.bank_files import Dialect, made_line, made_statement, statement_file
from sandbox.sftp import USER, SftpServer, served_sftp
from starters.client import bank
from tests.bank_folder import Place
from tests.conftest import settings_for
from tests.odoo.helpers import invoice
from tests.servers import OdooServer
from tests.temporal import end_all, new_namespace
from tests.world import ENTITY, World, single, unique
from workers import worker

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FIRST_DAY, DAYS = date(2026, 4, 1), 21
ON_THE_STAND_IN = pytest.mark.parametrize(
    "odoo_server", ["sandbox"], indirect=True, scope="session"
)
_WITHIN_SECONDS = 150.0


class Banking:
    """Workers with one place for a bank's files, about an account of its own."""

    def __init__(self, world: World, place: Place, account: str) -> None:
        self.world, self.place, self.account = world, place, account
        self.odoo = world.server.client("c2c")
        self._balance = Money("100.00", "EUR")
        self._written = 0

    def invoiced(self) -> tuple[str, Money]:
        """A posted invoice that has no workflow: its number, and what is open of it."""
        move = invoice(self.odoo, price="100.00")
        self.odoo.press("account.move", "action_post", [move])
        [row] = self.odoo.read("account.move", [move], ["name", "amount_total"])
        return row["name"], Money.rounded(row["amount_total"], "EUR")

    def statement(self, day: date, *paid: tuple[str, Money], payer: str = "") -> BankStatement:
        """The next statement: a line for each text and amount."""
        self._written += 1
        lines = [
            made_line(
                self.account,
                day,
                unique("ref"),
                amount,
                counterparty=payer,
                texts=(text,),
            )
            for text, amount in paid
        ]
        found = made_statement(f"ST-{self._written}", lines, self._balance, sequence=self._written)
        assert found.closing is not None
        self._balance = found.closing
        return found

    def deliver(self, name: str, statement: BankStatement, message: str = "MSG-1") -> None:
        """The bank puts a file there."""
        content = statement_file([statement], Dialect(new_message=message))
        (self.place.folder / name).write_bytes(content)

    async def states(self) -> list[BankFileState]:
        return [item.state for item in await bank.files(self.world.client)]

    async def applied(self, count: int) -> list[BankFileState]:
        """So many files, once all of each is applied but what waits."""

        def enough(found: Sequence[BankFileState]) -> bool:
            return len(found) == count and all(item.is_put_away for item in found)

        return await self.world.until(self.states, enough)

    def books(self) -> list[Any]:
        """Everything about the account in Odoo, and what is matched with it."""
        lines = _all(self.odoo, "account.bank.statement.line", "ref amount move_id is_reconciled")
        moves = [row["move_id"][0] for row in lines]
        items = self.odoo.search_read(
            "account.move.line",
            [("move_id", "in", moves)],
            ["account_id", "balance", "amount_residual", "matching_number"],
            order="id",
        )
        matched = _all(
            self.odoo, "account.partial.reconcile", "debit_move_id credit_move_id amount"
        )
        statements = _all(self.odoo, "account.bank.statement", "name")
        return [lines, items, matched, statements]


def _all(odoo: OdooClient, model: str, fields: str) -> list[dict[str, Any]]:
    return odoo.search_read(model, [], fields.split(), order="id")


@contextlib.asynccontextmanager
async def banking(
    client: Client, server: OdooServer, table: BankSettings, folder: Path
) -> AsyncIterator[Banking]:
    settings = settings_for(server).model_copy(update={"bank": {"main": table}})
    namespace = await new_namespace(client, f"bank-{table.kind}-{server.name}")
    skipper = TimeSkipper(
        namespace, config=TimeSkippingConfig(enabled=False, disable_propagation=True)
    )
    place = await Place.prepared(skipper.client, settings, "main", folder)
    async with worker.running(namespace, settings):
        [account] = table.accounts
        yield Banking(World(skipper.client, skipper, server), place, account)
        await end_all(namespace)


@pytest.fixture
async def folder(
    temporal_client: Client, odoo_server: OdooServer, tmp_path: Path
) -> AsyncIterator[Banking]:
    accounts = {"BE02001234567890": "BNK1"}
    table = FolderSettings(kind="folder", legal_entity=ENTITY, accounts=accounts, folder=tmp_path)
    async with banking(temporal_client, odoo_server, table, tmp_path) as found:
        yield found


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[SftpServer]:
    with served_sftp(tmp_path) as server:
        yield server


@pytest.fixture
async def sftp(
    temporal_client: Client, odoo_server: OdooServer, sftp_server: SftpServer
) -> AsyncIterator[Banking]:
    table = SftpSettings(
        kind="sftp",
        legal_entity=ENTITY,
        accounts={"BE12001234567992": "BNK1"},
        host=sftp_server.host,
        port=sftp_server.port,
        user=USER,
        host_keys=(sftp_server.host_key,),
        private_key=SecretStr(sftp_server.private_key),
        timeout_seconds=2,
    )
    async with banking(temporal_client, odoo_server, table, sftp_server.folder) as found:
        yield found


async def test_a_file_in_the_folder_pays_an_invoice_of_a_contract(folder: Banking) -> None:
    """Of its 1,000 EUR a part is paid by the file of one day, and the rest by that of the next."""
    world = folder.world
    data = single()
    workflow_id = await world.open(data)
    balance = (await world.invoice(workflow_id)).balance
    assert balance is not None
    part = Money("400.00", "EUR")
    for number, amount in enumerate((part, balance.total - part), start=1):
        told = (f"invoice {balance.number}", amount)
        statement = folder.statement(FIRST_DAY, told, payer=data["customer"]["name"])
        folder.deliver("statement.xml", statement)
        assert (await folder.place.sweep_twice()).started == 1
        await folder.applied(number)
        await world.sweep()
    await world.invoice(workflow_id, InvoiceStage.PAID)
    assert len(folder.place.names("done")) == 2
    assert folder.place.names() == set()


@ON_THE_STAND_IN
async def test_a_month_of_files_that_come_twice_changes_nothing(folder: Banking) -> None:
    """All of it at once, as after an outage; and then again: under the same names, under others,
    and as new messages with the same statements."""
    statements: dict[str, BankStatement] = {}
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        text, amount = folder.invoiced()
        statements[f"{day}.xml"] = folder.statement(
            day, (text, amount), ("thank you", Money("5.00", "EUR"))
        )
    for name, statement in statements.items():
        folder.deliver(name, statement)
    assert (await folder.place.sweep_twice()).started == DAYS
    states = await folder.applied(DAYS)
    assert [(it.counts.booked, len(it.parked)) for it in states] == [(1, 1)] * DAYS
    before = folder.books()

    for name, statement in statements.items():
        folder.deliver(name, statement)
        folder.deliver(f"copy of {name}", statement)
    again = await folder.place.sweep_twice()
    assert (again.started, again.repeated) == (0, 2 * DAYS)
    for name, statement in statements.items():
        folder.deliver(name, statement, message="MSG-2")
    resent = await folder.place.sweep_twice()
    assert (resent.started, resent.repeated) == (DAYS, 0)
    states = await folder.applied(2 * DAYS)
    assert sum(it.counts.booked for it in states) == DAYS
    assert folder.books() == before
    assert folder.place.names() == set()
    assert len(folder.place.names("done")) == 4 * DAYS


@ON_THE_STAND_IN
async def test_an_sftp_server_may_be_away_for_an_hour(
    sftp: Banking, sftp_server: SftpServer
) -> None:
    """Before a file was seen, and while one is worked on: each is applied once, and nothing more
    than about once a minute is asked meanwhile."""
    number, amount = sftp.invoiced()
    sftp.deliver("monday.xml", sftp.statement(FIRST_DAY, (number, amount)))
    await sftp.place.sweep()
    sftp_server.meddling.is_away = True
    sweep = await sftp.place.begin_sweep()
    later, paid = sftp.invoiced()
    sftp.deliver("tuesday.xml", sftp.statement(FIRST_DAY + timedelta(days=1), (later, paid)))
    asked = sftp_server.meddling.refused
    await passes(sftp.world, sweep, HOUR)
    assert sftp_server.meddling.refused - asked < 75
    sftp_server.meddling.is_away = False
    await passes(sftp.world, sweep, MINUTE)

    found = await sftp.place.sweep_twice()
    assert found.started <= 2
    states = await sftp.applied(2)
    assert [it.counts.booked for it in states] == [1, 1]
    assert all(it.stage is FileStage.DONE for it in states)
    assert len(sftp.place.names("done")) == 2


async def passes(world: World, sweep: WorkflowHandle[Any, Any], duration: timedelta) -> None:
    """Let time pass for a sweep, as far as it lives."""
    try:
        async with asyncio.timeout(_WITHIN_SECONDS):
            await world.time.fast_forward(sweep, duration)
    except RPCError as error:
        if "already completed" not in error.message:
            raise
